"""`mcp-gateway audit` on a real Redis and a real chDB."""

from __future__ import annotations

import csv
import getpass
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.entry import AuditEntry, json_text
from gateway.cli import main
from gateway.timestamps import format_rfc3339
from gateway.usage.store.logs.log_table import AUDIT_LOG
from gateway.usage.store.table import UsageTable
from tests.cli.support import Capture, on_redis
from tests.support.audit import audit_entry, recorded_acts
from tests.support.running_up import Running
from tests.usage.support import NOW_MS

pytestmark = pytest.mark.usefixtures("redis_url")


def audit(capsys: Capture, *arguments: str) -> tuple[int, str, str]:
    """Run a command; return exit code, standard output and standard error."""
    code = main(["audit", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def entry(number: int, **values: Any) -> AuditEntry:
    before, after = json_text({"calls_per_day": None}), json_text({"calls_per_day": number})
    fields = {"object": f"key_{number}", "before": before, "after": after, **values}
    return audit_entry(created_at=NOW_MS + number, **fields)


@pytest.fixture
def stored(clickhouse: UsageTable) -> Sequence[AuditEntry]:
    """Five entries in ClickHouse, oldest first."""
    entries = [
        *(entry(number) for number in range(3)),
        entry(3, actor="ada@example.com", act="auth.login", object="ada@example.com", result="failed"),
        entry(4, object="a\x1b[31mb", before=json_text({}), after=json_text({"name": "\x1b[31m"})),
    ]
    columns = [[getattr(one, name) for one in entries] for name in AUDIT_LOG.types]
    clickhouse.insert_columns(AUDIT_LOG.name, AUDIT_LOG.types, columns, "token")
    return entries


def test_entries_are_listed_newest_first_without_terminal_escapes(
    stored: Sequence[AuditEntry], capsys: Capture
) -> None:
    code, out, err = audit(capsys)
    header, newest, *_, oldest = out.splitlines()
    assert (code, err, header.split()[:2]) == (0, "", ["TIME", "(UTC)"])
    assert "a?[31mb" in newest
    assert "calls_per_day: null → 0" in oldest
    assert len(out.splitlines()) == 1 + len(stored)
    assert "\x1b" not in out


def test_the_json_is_that_of_the_admin_api(stored: Sequence[AuditEntry], capsys: Capture) -> None:
    code, out, _ = audit(capsys, "--json", "--object", "key_1")
    assert (code, json.loads(out)) == (
        0,
        {
            "items": [
                {
                    "id": stored[1].id,
                    "created_at": format_rfc3339(NOW_MS + 1),
                    "actor": "root@example.com",
                    "act": "key.update",
                    "object": "key_1",
                    "address": "192.0.2.7",
                    "before": {"calls_per_day": None},
                    "after": {"calls_per_day": 1},
                    "result": "ok",
                }
            ]
        },
    )


@pytest.mark.parametrize(
    ("filters", "numbers"),
    [
        (("--actor", "ada@*"), [3]),
        (("--act", "key.*"), [4, 2, 1, 0]),
        (("--object", "key_?", "--act", "key.update"), [2, 1, 0]),
        (("--from", format_rfc3339(NOW_MS + 2), "--to", format_rfc3339(NOW_MS + 4)), [3, 2]),
        (("--to", "2020-01-01"), []),
    ],
)
def test_entries_are_selected(
    stored: Sequence[AuditEntry], filters: tuple[str, ...], numbers: list[int], capsys: Capture
) -> None:
    _, out, _ = audit(capsys, "--json", *filters)
    assert [item["id"] for item in json.loads(out)["items"]] == [stored[number].id for number in numbers]


def test_a_list_that_is_cut_says_so(stored: Sequence[AuditEntry], capsys: Capture) -> None:
    code, out, err = audit(capsys, "--limit", "2")
    assert (code, len(out.splitlines()), "raise --limit" in err) == (0, 3, True)
    assert audit(capsys, "--limit", str(len(stored)))[2] == ""


@pytest.mark.parametrize("arguments", [("--from", "yesterday"), ("--tz", "Mars/Olympus")])
@pytest.mark.parametrize("command", [(), ("export",)])
def test_an_invalid_period_is_refused(command: tuple[str, ...], arguments: tuple[str, str], capsys: Capture) -> None:
    code, _, err = audit(capsys, *command, *arguments)
    assert (code, arguments[0] in err) == (1, True)


@pytest.mark.usefixtures("stored")
def test_an_export_is_a_file_of_the_oldest_first_and_is_recorded(
    redis_url: str, capsys: Capture, tmp_path: Path
) -> None:
    path = tmp_path / "audit.csv"
    code, out, _ = audit(capsys, "export", "--output", str(path), "--act", "key.*", "--object", "key_*")
    assert (code, out, path.stat().st_mode & 0o777) == (0, "", 0o600)
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["object"] for row in rows] == ["key_0", "key_1", "key_2"]
    (act,) = on_redis(redis_url, recorded_acts)
    assert (act.act, act.actor) == ("audit.export", f"{getpass.getuser()} (command line)")
    assert act.after == {"act": "key.*", "object": "key_*", "format": "csv"}


def test_a_running_gateway_is_asked_and_records_the_user_of_the_command(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GATEWAY_REDIS_URL")
    running = Running("up", data_dir=tmp_path / "data")
    folder = ("--data-dir", str(running.data_dir))
    operator = f"{getpass.getuser()} (command line)"
    try:
        running.until_ready()
        for number in range(3):
            assert main(["key", "create", "--name", f"key {number}", "--owner", "admin@localhost", *folder]) == 0
        capsys.readouterr()
        code, out, err = audit(capsys, *folder, "--json", "--act", "key.*", "--actor", operator, "--limit", "2")
        names = [item["after"]["key_name"] for item in json.loads(out)["items"]]
        assert (code, names, "raise --limit" in err) == (0, ["key 2", "key 1"], True)
        file = tmp_path / "audit.ndjson"
        assert audit(capsys, "export", *folder, "--format", "ndjson", "--output", str(file))[0] == 0
        last = json.loads(file.read_text().splitlines()[-1])
        assert (last["act"], last["actor"], last["address"]) == ("audit.export", operator, "command line")
    finally:
        running.stop()
