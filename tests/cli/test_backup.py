"""`mcp-gateway backup` and `restore` on a running gateway."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.runtime.backup import MANIFEST, RDB, USAGE, pack
from tests.cli.support import Capture
from tests.support.running_up import Running
from tests.support.waiting import wait_until
from tests.usage.support import run_python


def call(number: int) -> dict[str, Any]:
    return {
        "jsonrpc": "2.0", "id": number, "method": "tools/call",
        "params": {"name": "query_stock_daily", "arguments": {"symbol": "IBM", "limit": 2}},
    }  # fmt: skip


def history(running: Running, token: str, calls: int = 0) -> dict[str, Any]:
    """Return the history when it has this number of calls."""
    deadline = time.monotonic() + 20
    while True:
        answer = running.admin("GET", "/api/mcp-usage/history", token)
        assert answer.status_code == 200, answer.text
        found = dict(answer.json())
        if found["total"] >= calls or time.monotonic() > deadline:
            return found
        time.sleep(0.2)


def denials(running: Running, token: str, refused: int) -> list[dict[str, Any]]:
    """Return the refused requests when they are this number."""
    found: list[dict[str, Any]] = []

    def are_stored() -> bool:
        found[:] = running.admin("GET", "/api/mcp-usage/denials", token).json()["denials"]
        return sum(int(one["count"]) for one in found) >= refused

    wait_until(are_stored)
    return found


def test_a_restored_gateway_has_the_keys_and_the_usage_of_the_backup(capsys: Capture, tmp_path: Path) -> None:
    file, restored = tmp_path / "backup.tar", tmp_path / "restored"
    first = Running("up", data_dir=tmp_path / "data")
    try:
        first.until_ready()
        key, token = first.key, first.token()
        before = history(first, token)
        body = {"key_name": "refused", "expires_days": 1, "allowed_tools": ["none"]}
        refused = first.admin("POST", "/api/mcp-keys/create", token, json=body).json()["api_key"]
        for number in range(5):
            assert first.rpc(call(number), key).status_code == 200
            assert first.rpc(call(number), refused).status_code == 403
        refused_before = denials(first, token, 5)
        assert main(["backup", str(file), "--data-dir", str(first.data_dir)]) == 0
        assert first.rpc(call(5), key).status_code == 200
        before = history(first, token, 6)
        assert before["total"] == 6
    finally:
        first.stop()
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == ["backup.tar"]
    assert not (first.data_dir / "valkey" / "dump.rdb").exists()

    assert main(["restore", str(file), "--data-dir", str(restored)]) == 0
    assert main(["restore", str(file), "--data-dir", str(restored)]) == 1
    assert "has data already" in capsys.readouterr().err
    second = Running("up", data_dir=restored)
    try:
        second.until_ready()
        after = history(second, token)
        assert after["items"] == before["items"][1:]
        assert denials(second, token, 5) == refused_before
        assert second.rpc(call(6), key).status_code == 200
        assert history(second, token, 6)["total"] == 6
        assert second.admin("GET", "/api/mcp-usage/stats", token).json()["totals"]["calls"] == 6
        balance = second.admin("GET", "/api/mcp-usage/reconcile", token).json()
        assert balance["balanced"], balance
    finally:
        second.stop()


def test_a_restored_gateway_has_each_audit_entry_of_the_backup_once(tmp_path: Path) -> None:
    file, restored = tmp_path / "backup.tar", tmp_path / "restored"
    first = Running("up", data_dir=tmp_path / "data")
    try:
        first.until_ready()
        token = first.token()
        stored: list[dict[str, Any]] = []

        def is_login_stored() -> bool:
            stored[:] = audit_log(first, token)
            return bool(stored) and stored[0]["act"] == "auth.login"

        wait_until(is_login_stored)
        # These entries wait in the usage stream when the snapshot is taken, and are stored before the export.
        for name in ("a", "b"):
            body = {"key_name": name, "expires_days": 1}
            assert first.admin("POST", "/api/mcp-keys/create", token, json=body).status_code == 201
        assert main(["backup", str(file), "--data-dir", str(first.data_dir)]) == 0
        wait_until(lambda: len(audit_log(first, token)) >= len(stored) + 5)
        before = audit_log(first, token)
        assert [entry["act"] for entry in before[: len(before) - len(stored)]] == [
            "usage.export", "usage.export_denials", "audit.export", "key.create", "key.create",
        ]  # fmt: skip
    finally:
        first.stop()
    assert main(["restore", str(file), "--data-dir", str(restored)]) == 0
    second = Running("up", data_dir=restored)
    try:
        second.until_ready()
        wait_until(lambda: len(audit_log(second, token)) >= len(before) - 2)
        # The two other exports were recorded after that of the audit log.
        assert audit_log(second, token) == before[2:]
    finally:
        second.stop()
    assert rows_and_ids(restored) == (len(before) - 2, len(before) - 2)


def test_a_backup_of_an_earlier_version_without_an_audit_log_is_restored(tmp_path: Path) -> None:
    folder, file, restored = tmp_path / "members", tmp_path / "backup.tar", tmp_path / "restored"
    folder.mkdir()
    (folder / RDB).write_bytes(b"REDIS")
    made = run_python(f"""
        import asyncio
        from pathlib import Path
        from gateway.usage.store.export import export
        from gateway.usage.store.formats import Format
        from gateway.usage.store.queries.filters import CallFilters
        from gateway.usage.store.table import UsageTable
        from tests.usage.support import event

        async def main():
            table = UsageTable("chdb://{tmp_path}/clickhouse")
            await table.insert_async([event()], "token")
            chunks = [chunk async for chunk in export(table, CallFilters(), Format.PARQUET)]
            Path({str(folder / USAGE)!r}).write_bytes(b"".join(chunks))
            table.close()

        asyncio.run(main())
    """)
    assert made.returncode == 0, made.stderr
    pack(folder, file, made_at="2026-01-01T00:00:00.000Z", gateway="0")
    first_version = with_manifest(file, lambda manifest: {**manifest, "version": 1})
    assert main(["restore", str(first_version), "--data-dir", str(restored)]) == 0
    assert rows_and_ids(restored) == (0, 0)
    assert rows_and_ids(restored, "mcp_tool_usage_log", "event_id") == (1, 1)


def audit_log(running: Running, token: str) -> list[dict[str, Any]]:
    """Return all entries, newest first."""
    answer = running.admin("GET", "/api/audit?limit=200", token)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["items"])


def rows_and_ids(data_dir: Path, table: str = "mcp_audit_log", column: str = "id") -> tuple[int, int]:
    """Return the rows of a table of a stopped gateway, and the number of different ids in them."""
    counted = run_python(f"""
        from gateway.usage.store.table import UsageTable

        table = UsageTable("chdb://{data_dir}/clickhouse")
        print(*table.query("SELECT count(), uniqExact({column}) FROM {table}")[0])
        table.close()
    """)
    assert counted.returncode == 0, counted.stderr
    rows, ids = counted.stdout.split()
    return int(rows), int(ids)


def with_manifest(file: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Path:
    """Return a backup file with another manifest."""
    other = file.with_name("other.tar")
    with tarfile.open(file) as tar, tarfile.open(other, "w") as into:
        for member in tar.getmembers():
            source = tar.extractfile(member)
            assert source is not None
            content = source.read()
            if member.name == MANIFEST:
                content = json.dumps(change(json.loads(content))).encode()
                member.size = len(content)
            into.addfile(member, io.BytesIO(content))
    return other


def test_a_damaged_backup_restores_nothing(capsys: Capture, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    (whole / RDB).write_bytes(b"REDIS" * 1000)
    (whole / USAGE).write_bytes(b"PAR1" * 1000)
    file = tmp_path / "backup.tar"
    pack(whole, file, made_at="2026-01-01T00:00:00.000Z", gateway="0")
    content = file.read_bytes()
    damages = {
        "not complete": content[:3000],
        "is damaged": content.replace(b"REDISREDIS", b"REDISREDIT", 1),
        "is not a backup": b"",
        "lacks": without(file, USAGE),
    }
    for says, damaged in damages.items():
        file.write_bytes(damaged)
        assert main(["restore", str(file), "--data-dir", str(tmp_path / "new")]) == 1
        assert says in capsys.readouterr().err
        assert [path.name for path in (tmp_path / "new").iterdir()] == ["lock"]


def without(file: Path, name: str) -> bytes:
    """Return a backup file without one of its members."""
    other = file.with_name("other.tar")
    with tarfile.open(file) as tar, tarfile.open(other, "w") as into:
        for member in tar.getmembers():
            if member.name != name:
                into.addfile(member, tar.extractfile(member))
    return other.read_bytes()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_configured_engines_are_not_backed_up(
    command: str, valkey_url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GATEWAY_REDIS_URL", valkey_url)
    assert main([command, str(tmp_path / "backup.tar")]) == 1
    assert "only embedded engines" in capsys.readouterr().err


def test_a_backup_needs_a_running_gateway(capsys: Capture, tmp_path: Path) -> None:
    assert main(["backup", str(tmp_path / "backup.tar"), "--data-dir", str(tmp_path / "data")]) == 1
    assert "no gateway runs" in capsys.readouterr().err
