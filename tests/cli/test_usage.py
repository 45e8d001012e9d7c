"""`mcp-gateway usage` on a real Redis and a real chDB."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from redis.asyncio import Redis

from gateway.accounts.audit_trail import AuditTrail
from gateway.cli import main
from gateway.redis import names as redis_names
from gateway.redis.client import connect
from gateway.timestamps import now_ms
from gateway.usage.event import pack
from gateway.usage.store.table import UsageTable
from tests.support.clickhouse_front import clickhouse_front
from tests.support.running_up import Running
from tests.usage.support import DAY_MS, event

Capture = pytest.CaptureFixture[str]
Result = TypeVar("Result")


@pytest.fixture(autouse=True)
def url(valkey_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An empty Redis that the command line is configured for."""
    for name in list(os.environ):
        if name.upper().startswith("GATEWAY_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("GATEWAY_REDIS_URL", valkey_url)
    monkeypatch.chdir(tmp_path)

    async def flush(redis: Redis) -> None:
        await redis.flushall()

    on_redis(valkey_url, flush)
    return valkey_url


@pytest.fixture
def clickhouse(chdb_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[UsageTable]:
    """A ClickHouse that the command line is configured for."""
    with clickhouse_front(chdb_url) as front:
        url = f"{front.url}/test_{secrets.token_hex(6)}"
        monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", url)
        table = UsageTable(url)
        yield table
        table.close()


def on_redis(url: str, work: Callable[[Redis], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        redis = connect(url)
        try:
            return await work(redis)
        finally:
            await redis.aclose()

    return asyncio.run(run())


def usage(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command."""
    code = main(["usage", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def refuse(url: str, *letters: tuple[bytes, str]) -> list[str]:
    async def add(redis: Redis) -> list[str]:
        added: list[Any] = [
            await redis.xadd(redis_names.USAGE_DEAD_LETTERS, {"e": packed, "reason": reason})
            for packed, reason in letters
        ]
        return [letter_id.decode() for letter_id in added]

    return on_redis(url, add)


def test_dead_letters_are_listed_without_what_a_terminal_obeys(url: str, capsys: Capture) -> None:
    one = event(tool_name="query")
    first, second = refuse(url, (pack((one,)), "bad \x1b[31m" + "x" * 100), (b"\xc1", "unreadable"))
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


def test_letters_are_retried_and_dropped_by_id_or_all_together(url: str, capsys: Capture) -> None:
    first, *_ = refuse(url, *((pack((event(),)), "bad") for _ in range(4)))
    assert usage(capsys, "dead-letters", "retry", first)[:2] == (0, "1 dead letter retried\n")
    code, _, err = usage(capsys, "dead-letters", "retry", first)
    assert (code, f"there is no dead letter {first}" in err) == (1, True)
    code, out, _ = usage(capsys, "dead-letters", "drop", "--all", "--json")
    assert (code, json.loads(out)) == (0, {"dropped": 3})
    assert usage(capsys, "dead-letters", "drop", "--all")[:2] == (0, "0 dead letters dropped\n")

    async def trail(redis: Redis) -> list[str]:
        entries = await AuditTrail(redis, now_ms=now_ms).newest(10)
        return [f"{stored.entry.action} {stored.entry.details['count']}" for stored in entries]

    assert on_redis(url, trail) == ["dead_letter.drop 3", "dead_letter.retry 1"]


@pytest.mark.parametrize("arguments", [(), ("1-1", "--all")])
def test_which_letters_must_be_said(capsys: Capture, arguments: tuple[str, ...]) -> None:
    code, _, err = usage(capsys, "dead-letters", "drop", *arguments)
    assert (code, "--all" in err) == (1, True)


def test_a_server_of_clickhouse_that_is_away_is_told(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", "http://127.0.0.1:9")
    code, _, err = usage(capsys, "reconcile")
    assert (code, "cannot be reached, check GATEWAY_CLICKHOUSE_URL" in err) == (1, True)


def test_sums_are_a_table_or_json(clickhouse: UsageTable, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
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
    assert [line.split()[-5:] for line in out.splitlines()[1:]] == [
        ["1", "0", "0", "1", "1,234"],
        ["1", "0", "1,500", "0", "1,234"],
        ["2", "0", "1,500", "1", "2,468"],
    ]
    assert "\x1b" not in out
    _, out, err = usage(capsys, "--by", "table")
    assert [line.split()[0] for line in out.splitlines()] == ["TABLE", "(none)", "a", "b", "total"]
    assert "several tables" in err
    _, out, _ = usage(capsys, "--days", "60", "--by", "key", "--owner", "ADA@example.com")
    assert out.splitlines()[1].split()[:3] == ["key_1", "Analytics", "2"]
    _, out, _ = usage(capsys, "--json")
    assert json.loads(out)["totals"]["calls"] == 2


def test_options_before_a_further_command_are_not_dropped_silently(capsys: Capture) -> None:
    code, _, err = usage(capsys, "--days", "7", "reconcile")
    assert (code, "behind `reconcile`" in err) == (1, True)


def test_an_export_is_a_file_for_its_owner_alone(clickhouse: UsageTable, capsys: Capture, tmp_path: Path) -> None:
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


def test_an_export_goes_to_standard_output_for_a_pipe(clickhouse: UsageTable, capfdbinary: Any) -> None:
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
def test_a_bad_export_is_told(clickhouse: UsageTable, capsys: Capture, arguments: tuple[str, ...], says: str) -> None:
    code, _, err = usage(capsys, "export", *arguments)
    assert (code, says in err) == (1, True)


def test_an_export_that_fails_leaves_no_file(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", "http://127.0.0.1:9")
    code, _, err = usage(capsys, "export", "--output", str(tmp_path / "usage.csv"))
    assert (code, "cannot be reached" in err) == (1, True)
    assert list(tmp_path.iterdir()) == []


def test_reconcile_asks_a_running_gateway(capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
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
