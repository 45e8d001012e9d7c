"""`mcp-gateway backup` and `restore` on a running gateway."""

from __future__ import annotations

import tarfile
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.cli import main
from gateway.runtime.backup import RDB, USAGE, pack
from tests.cli.support import Capture
from tests.support.running_up import Running


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


def test_a_restored_gateway_has_the_keys_and_the_usage_of_the_backup(capsys: Capture, tmp_path: Path) -> None:
    file, restored = tmp_path / "backup.tar", tmp_path / "restored"
    first = Running("up", data_dir=tmp_path / "data")
    try:
        first.until_ready()
        key, token = first.key, first.token()
        before = history(first, token)
        for number in range(5):
            assert first.rpc(call(number), key).status_code == 200
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
        assert second.rpc(call(6), key).status_code == 200
        assert history(second, token, 6)["total"] == 6
        assert second.admin("GET", "/api/mcp-usage/stats", token).json()["totals"]["calls"] == 6
        balance = second.admin("GET", "/api/mcp-usage/reconcile", token).json()
        assert balance["balanced"], balance
    finally:
        second.stop()


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
