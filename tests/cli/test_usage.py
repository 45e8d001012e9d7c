"""`mcp-gateway usage` on a real Redis and a real chDB."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.cli import main
from gateway.keys.store import KeyStore
from gateway.redis import names as redis_names
from gateway.timestamps import now_ms
from gateway.usage.event import pack
from gateway.usage.store.table import UsageTable
from tests.cli.support import Capture, on_redis
from tests.support.audit import recorded_acts
from tests.support.running_up import Running
from tests.usage.denials import denial, insert_denials
from tests.usage.support import DAY_MS, NOW_MS, event

pytestmark = pytest.mark.usefixtures("redis_url")


def usage(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Run a command; return exit code, standard output and standard error."""
    code = main(["usage", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refuse(url: str, *letters: tuple[bytes, str]) -> list[str]:
    """Add dead letters, and return their ids."""

    async def add(redis: Redis) -> list[str]:
        added: list[Any] = [
            await redis.xadd(redis_names.USAGE_DEAD_LETTERS, {"e": packed, "reason": reason})
            for packed, reason in letters
        ]
        return [letter_id.decode() for letter_id in added]

    return on_redis(url, add)


def test_dead_letters_are_listed_without_terminal_escapes(redis_url: str, capsys: Capture) -> None:
    one = event(tool_name="query")
    first, second = refuse(redis_url, (pack((one,)), "bad \x1b[31m" + "x" * 100), (b"\xc1", "unreadable"))
    code, out, _ = usage(capsys, "dead-letters", "list")
    assert code == 0
    assert out.split("\n")[0].split("  ")[0] == "ID"
    assert "query" in out
    assert "\x1b" not in out
    assert "…" in out
    code, out, _ = usage(capsys, "dead-letters", "list", "--json")
    shown = json.loads(out)["dead_letters"]
    assert [(letter["id"], len(letter["events"])) for letter in shown] == [(first, 1), (second, 0)]
    assert shown[0]["events"][0]["event_id"] == one.event_id
    code, out, err = usage(capsys, "dead-letters", "list", "--limit", "1")
    assert second not in out
    assert "--limit" in err


def test_dead_letters_are_retried_and_dropped_by_id_or_all_together(redis_url: str, capsys: Capture) -> None:
    first, *_ = refuse(redis_url, *((pack((event(),)), "bad") for _ in range(4)))
    assert usage(capsys, "dead-letters", "retry", first)[:2] == (0, "1 dead letter retried\n")
    code, _, err = usage(capsys, "dead-letters", "retry", first)
    assert (code, f"there is no dead letter {first}" in err) == (1, True)
    code, out, _ = usage(capsys, "dead-letters", "drop", "--all", "--json")
    assert (code, json.loads(out)) == (0, {"dropped": 3})
    assert usage(capsys, "dead-letters", "drop", "--all")[:2] == (0, "0 dead letters dropped\n")

    acts = on_redis(redis_url, recorded_acts)
    assert [(act.act, act.after) for act in acts] == [
        ("dead_letter.drop", {"count": 3}),
        ("dead_letter.retry", {"count": 1}),
    ]


@pytest.mark.parametrize("arguments", [(), ("1-1", "--all")])
def test_dead_letters_must_be_selected_by_id_or_all(capsys: Capture, arguments: tuple[str, ...]) -> None:
    code, _, err = usage(capsys, "dead-letters", "drop", *arguments)
    assert (code, "--all" in err) == (1, True)


@pytest.mark.parametrize("arguments", [(), ("reconcile",), ("readers", "t"), ("denials",)])
def test_a_missing_clickhouse_is_named(capsys: Capture, arguments: tuple[str, ...]) -> None:
    code, _, err = usage(capsys, *arguments)
    assert (code, "set GATEWAY_CLICKHOUSE_URL" in err) == (1, True)


def test_an_unreachable_clickhouse_is_named(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", "http://127.0.0.1:9")
    code, _, err = usage(capsys, "reconcile")
    assert (code, "cannot be reached, check GATEWAY_CLICKHOUSE_URL" in err) == (1, True)


def test_statistics_are_a_table_or_json(
    clickhouse: UsageTable, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = now_ms()
    clickhouse.insert(
        [
            event(created_at=now, tool_name="query \x1b[31m", table_names=("a", "b"), record_count=1500),
            event(created_at=now, tool_name="other", table_names=(), record_count=None, owner="eve@example.com"),
            event(created_at=now - 40 * DAY_MS, tool_name="old"),
        ],
        "token",
    )
    code, out, _ = usage(capsys)
    assert code == 0
    percentiles = ["12.55"] * 3
    assert [line.split()[-9:] for line in out.splitlines()[1:]] == [
        ["1", "0", "0", "0", "1", "1,234", *percentiles],
        ["1", "0", "0", "1,500", "0", "1,234", *percentiles],
        ["2", "0", "0", "1,500", "1", "2,468", *percentiles],
    ]
    assert "\x1b" not in out
    _, out, err = usage(capsys, "--by", "table")
    assert [line.split()[0] for line in out.splitlines()] == ["TABLE", "(none)", "a", "b", "total"]
    assert "several tables" in err
    _, out, _ = usage(capsys, "--days", "60", "--by", "key", "--owner", "ADA@example.com")
    assert out.splitlines()[1].split()[:3] == ["key_1", "Analytics", "2"]
    _, out, _ = usage(capsys, "--json")
    assert json.loads(out)["totals"]["calls"] == 2


def test_statistics_are_grouped_by_time_owner_client_and_label(
    clickhouse: UsageTable, redis_url: str, capsys: Capture
) -> None:
    async def create(redis: Redis) -> str:
        keys = KeyStore(redis, pepper=None, now_ms=now_ms)
        return (await keys.create(owner="ada@example.com", key_name="a", labels={"team": "red"}))[0].key_id

    key_id = on_redis(redis_url, create)
    clickhouse.insert(
        [
            event(created_at=NOW_MS - 1, key_id=key_id, client_name="cursor"),
            event(created_at=NOW_MS, status="denied", is_error=True, owner="eve@example.com"),
        ],
        "token",
    )
    kathmandu = ("--tz", "Asia/Kathmandu", "--from", "2026-06-21", "--to", "2026-06-21")
    for by, first in (
        (("day",), ["2026-06-21", "1"]),
        (("hour",), ["2026-06-21T05:00:00+05:45", "1"]),
        (("owner",), ["ada@example.com", "1"]),
        (("client",), ["cursor", "1"]),
        (("label", "--label", "team"), ["red", "1"]),
    ):
        code, out, err = usage(capsys, "--by", *by, *kathmandu)
        assert (code, out.splitlines()[1].split()[:2]) == (0, first), err
    _, out, _ = usage(capsys, "--by", "owner", *kathmandu)
    assert out.splitlines()[2].split() == ["eve@example.com", "0", "0", "1", "0", "0", "0", "-", "-", "-"]
    _, out, _ = usage(capsys, "--by", "client", "--json", "--days", "1", "--to", "2026-06-20")
    assert (json.loads(out)["by_client"][0]["client_name"], json.loads(out)["days"]) == ("cursor", 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tz", "Mars/Olympus"), "--tz must be an IANA time zone"),
        (("--from", "yesterday"), "--from must be a date"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "--from must be before"),
        (("--from", "2026-02-01", "--days", "3"), "--days must not be combined with from"),
        (("--by", "label"), "--label NAME"),
        (("--label", "team"), "--by label"),
        (("--by", "hour", "--days", "1000"), "--by hour needs a period of at most"),
    ],
)
def test_an_invalid_period_or_grouping_is_named(
    clickhouse: UsageTable, capsys: Capture, arguments: tuple[str, ...], message: str
) -> None:
    clickhouse.insert([event(created_at=now_ms())], "token")
    code, out, err = usage(capsys, *arguments)
    assert (code, out, message in err) == (1, "", True), err


def test_the_readers_of_a_table_are_shown(clickhouse: UsageTable, capsys: Capture) -> None:
    clickhouse.insert(
        [
            event(client_name="cursor \x1b[31m", created_at=NOW_MS, record_count=1500),
            event(owner="eve@example.com", table_names=("stock_basic",), created_at=NOW_MS),
        ],
        "token",
    )
    code, out, _ = usage(capsys, "readers", "stock_daily")
    assert (code, "\x1b" in out) == (0, False)
    header, row = out.splitlines()
    assert header.split()[:2] == ["OWNER", "KEY"]
    assert row.split()[-4:] == ["1", "1,500", "2026-06-21T00:00:00.000Z", "2026-06-21T00:00:00.000Z"]
    _, out, _ = usage(capsys, "readers", "stock_*", "--json")
    assert len(json.loads(out)["readers"]) == 2
    _, out, _ = usage(capsys, "readers", "stock_*", "--json", "--owner", "EVE@example.com", "--from", "2026-06-21")
    assert [one["owner"] for one in json.loads(out)["readers"]] == ["eve@example.com"]
    _, out, _ = usage(capsys, "readers", "stock_*", "--json", "--days", "1", "--to", "2026-06-20")
    assert json.loads(out) == {"readers": [], "truncated": False}


def test_refused_requests_are_shown(clickhouse: UsageTable, redis_url: str, capsys: Capture) -> None:
    async def create_key(redis: Redis) -> str:
        key, _ = await KeyStore(redis, pepper=None, now_ms=now_ms).create(owner="ada@example.com", key_name="laptop")
        return key.key_id

    key_id = on_redis(redis_url, create_key)
    counts = [
        denial(key_id=key_id, count=1500, tool_name="run \x1b[31m"),
        denial(owner="eve@example.com", count=2, status=429, reason="rate", created_at=NOW_MS + DAY_MS),
    ]
    asyncio.run(insert_denials(clickhouse, *counts))
    code, out, _ = usage(capsys, "denials")
    assert (code, "\x1b" in out) == (0, False)
    header, first, second = out.splitlines()
    assert header.split()[:2] == ["OWNER", "KEY"]
    assert first.split()[:3] == ["ada@example.com", "laptop", key_id]
    assert first.split()[-4:] == ["403", "tool", "1,500", "2026-06-21T00:00:00.000Z"]
    assert second.split()[-4:-1] == ["429", "rate", "2"]
    narrowed = (
        "--owner",
        "EVE@example.com",
        "--status",
        "429",
        "--reason",
        "rate",
        "--tool",
        "run_sql",
        "--key",
        "key_1",
    )
    _, out, _ = usage(capsys, "denials", "--json", *narrowed)
    assert [one["count"] for one in json.loads(out)["denials"]] == [2]
    _, out, _ = usage(capsys, "denials", "--json", "--from", "2026-06-22", "--owner", "ada@example.com")
    assert json.loads(out) == {"denials": [], "truncated": False}
    code, out, err = usage(capsys, "denials", "--limit", "1")
    assert (code, len(out.splitlines()), "--limit" in err) == (0, 2, True)
    assert usage(capsys, "denials", "--status", "401")[0] == 1


def test_options_before_a_subcommand_are_refused(capsys: Capture) -> None:
    code, _, err = usage(capsys, "--days", "7", "reconcile")
    assert (code, "after `reconcile`" in err) == (1, True)


def test_an_export_is_a_file_with_mode_0600(clickhouse: UsageTable, capsys: Capture, tmp_path: Path) -> None:
    clickhouse.insert([event(), event(tool_name="run_sql"), event(owner="eve@example.com")], "token")
    path = tmp_path / "usage.csv"
    code, out, err = usage(capsys, "export", "--output", str(path))
    assert (code, out) == (0, "")
    assert "3 calls" in err
    assert len(path.read_text().splitlines()) == 4
    assert path.stat().st_mode & 0o777 == 0o600
    narrowed = ("--owner", "ADA@example.com", "--tool", "run_sql", "--from", "2026-06-21", "--to", "2026-06-21")
    assert usage(capsys, "export", "--format", "ndjson", "--output", str(path), *narrowed)[0] == 0
    (line,) = path.read_text().splitlines()
    assert json.loads(line)["tool_name"] == "run_sql"
    assert [file.name for file in tmp_path.iterdir()] == ["usage.csv"]


def test_an_export_goes_to_standard_output_by_default(clickhouse: UsageTable, capfdbinary: Any) -> None:
    clickhouse.insert([event()], "token")
    assert main(["usage", "export", "--format", "parquet"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"PAR1")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--from", "yesterday"), "--from"),
        (("--from", "2026-02-01", "--to", "2026-01-01"), "--from"),
        (("--output", "/nowhere/usage.csv"), "/nowhere"),
    ],
)
def test_an_invalid_export_is_refused(
    clickhouse: UsageTable, capsys: Capture, arguments: tuple[str, ...], says: str
) -> None:
    code, _, err = usage(capsys, "export", *arguments)
    assert (code, says in err) == (1, True)


def test_an_export_that_fails_leaves_no_file(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", "http://127.0.0.1:9")
    code, _, err = usage(capsys, "export", "--output", str(tmp_path / "usage.csv"))
    assert (code, "cannot be reached" in err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_commands_ask_a_running_gateway(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("GATEWAY_REDIS_URL")
    running = Running("up", data_dir=tmp_path / "data")
    try:
        running.until_ready()
        call = {
            "jsonrpc": "2.0", "id": 1, "method": "tools/call",
            "params": {"name": "query_stock_daily", "arguments": {"symbol": "IBM", "limit": 2}},
        }  # fmt: skip
        assert running.rpc(call, running.key).status_code == 200
        arguments = ("reconcile", "--days", "2", "--data-dir", str(running.data_dir))
        code, out, _ = usage(capsys, *arguments, "--json")
        balance = json.loads(out)
        assert (code, balance["accepted"], balance["balanced"]) == (0, 1, True)
        refuse(f"unix://{running.data_dir}/valkey.sock", (pack((event(created_at=now_ms()),)), "odd"))
        code, out, err = usage(capsys, *arguments)
        assert (code, "does not balance" in err) == (1, True)
        code, sums, _ = usage(capsys, "--by", "day", "--data-dir", str(running.data_dir))
        assert (code, sums.splitlines()[-1].split()[:2]) == (0, ["total", "1"])
        file = tmp_path / "usage.ndjson"
        export = ("export", "--format", "ndjson", "--output", str(file), "--data-dir", str(running.data_dir))
        assert usage(capsys, *export)[0] == 0
        assert json.loads(file.read_text())["tool_name"] == "query_stock_daily"
        code, _, err = usage(capsys, *export, "--from", "yesterday")
        assert (code, "from must be a date" in err) == (1, True)
        assert ["dead", "lettered", "1"] in [line.split() for line in out.splitlines()]
    finally:
        running.stop()
