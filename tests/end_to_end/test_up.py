"""`mcp-gateway up`: it starts everything, restarts what dies, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.support.ports import free_port
from tests.support.running_up import COMMAND, Running, is_alive, processes_under, resident_kib

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "query_stock_daily", "arguments": {"symbol": "IBM", "start": "2010-01-04", "limit": 7}},
}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """A function that starts commands; they are stopped after the test."""
    started: list[Running] = []

    def start_one(*arguments: str, data_dir: Path = tmp_path / "data", **environment: Any) -> Running:
        started.append(Running(*arguments, data_dir=data_dir, **environment))
        return started[-1]

    yield start_one
    for running in started:
        if running.process.poll() is None:
            running.process.kill()
        running.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A shared gateway for tests that do not change it."""
    running = Running("up", data_dir=tmp_path_factory.mktemp("up") / "data")
    running.until_ready()
    yield running
    assert running.stop() == 0


def items(running: Running, token: str, count: int) -> list[dict[str, Any]]:
    """Return the usage history when it has `count` items."""
    deadline = time.monotonic() + 10
    while True:
        found = list(running.admin("GET", "/api/mcp-usage/history?page_size=100", token).json().get("items", ()))
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.05)


def test_a_second_start_keeps_users_keys_and_usage_and_prints_no_secret(start: Callable[..., Running]) -> None:
    first = start("up")
    first.until_ready()
    key, login = first.key, first.login
    assert first.rpc(CALL, key).status_code == 200
    token = first.token()
    assert [item["record_count"] for item in items(first, token, 1)] == [7]
    assert first.stop() == 0

    second = start("up")
    second.until_ready()
    assert "sk-" not in second.text
    assert login["password"] not in second.text
    assert second.rpc(CALL, key).status_code == 200
    # The token from before the restart is still valid.
    assert len(items(second, token, 2)) == 2
    assert second.stop(signal.SIGTERM) == 0


def test_ctrl_c_leaves_no_process_and_no_error_behind(start: Callable[..., Running]) -> None:
    running = start("up")
    running.until_ready()
    children = processes_under(running.process.pid)
    assert len(children) == 5, "Valkey, the demo upstream, two workers, the admin process"
    assert running.stop() == 0
    assert [pid for pid in children if is_alive(pid)] == []
    assert not any("error" in line or "Traceback" in line for line in running.log), running.log


def test_the_children_of_a_killed_instance_end_and_a_new_instance_works(start: Callable[..., Running]) -> None:
    first = start("up")
    first.until_ready()
    key = first.key
    assert first.rpc(CALL, key).status_code == 200
    children = processes_under(first.process.pid)
    first.process.kill()
    first.wait()
    ports = {"GATEWAY_PROXY_PORT": str(first.proxy_port), "GATEWAY_ADMIN_PORT": str(first.admin_port)}
    second = start("up", **ports)
    second.proxy_port, second.admin_port = first.proxy_port, first.admin_port
    second.until_ready()
    assert [pid for pid in children if is_alive(pid)] == []
    assert second.rpc(CALL, key).status_code == 200
    token = requests.post(f"{second.admin_url}/api/auth/login", json=first.login).json()["access_token"]
    assert len(items(second, token, 2)) == 2
    assert second.stop() == 0


@pytest.mark.parametrize(
    "name", ["valkey-server", "gateway.runtime.proxy_worker", "gateway.runtime.admin_process", "mcp_backend"]
)
def test_a_child_that_dies_is_restarted_and_no_metered_call_is_lost(running: Running, name: str) -> None:
    key, token = running.key, running.token()
    before = len(items(running, token, 0))
    assert running.rpc(CALL, key).status_code == 200
    assert len(items(running, token, before + 1)) == before + 1
    restarts = sum("was restarted" in line for line in running.log)
    victims = [
        pid
        for pid in processes_under(running.process.pid)
        if name in Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    ]
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while True:
        try:
            if running.rpc(CALL, key).status_code == 200 and len(items(running, token, before + 2)) >= before + 2:
                break
        except requests.RequestException:
            pass
        assert time.monotonic() < deadline, running.log
        time.sleep(0.1)
    assert sum("was restarted" in line for line in running.log) == restarts + len(victims)


@pytest.mark.parametrize("which", ["PROXY", "ADMIN", "METRICS"])
def test_a_port_in_use_is_reported_in_one_line_and_nothing_starts(start: Callable[..., Running], which: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = start("up", **{f"GATEWAY_{which}_PORT": str(port)})
        assert running.wait() == 1
    (line,) = running.log
    assert f"port {port}" in line
    assert "in use" in line
    assert running.output == []
    assert not (running.data_dir / "valkey").exists()


def test_a_locked_data_folder_is_reported_in_one_line(start: Callable[..., Running], running: Running) -> None:
    second = start("up", data_dir=running.data_dir)
    assert second.wait() == 1
    (line,) = second.log
    assert "held by another instance" in line
    assert str(running.process.pid) in line
    assert "--data-dir" in line
    assert running.rpc(CALL, running.key).status_code == 200, "the first one still works"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("GATEWAY_REDIS_URL", "redis://127.0.0.1:{port}"),
        ("GATEWAY_CLICKHOUSE_URL", "http://127.0.0.1:{port}"),
        ("GATEWAY_UPSTREAM_URL", "http://127.0.0.1:{port}/mcp"),
    ],
)
def test_an_unreachable_engine_is_reported_in_one_line_and_nothing_is_started(
    start: Callable[..., Running], setting: str, value: str
) -> None:
    running = start("up", **{setting: value.format(port=free_port())})
    assert running.wait() == 1
    (line,) = running.log
    assert setting in line
    assert "cannot be reached" in line
    assert running.output == []
    assert not (running.data_dir / "valkey").exists()


def test_a_data_folder_may_have_any_name(
    start: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory
) -> None:
    running = start("up", data_dir=tmp_path_factory.mktemp("d") / "My #1 %ce ô")
    running.until_ready()
    assert running.rpc(CALL, running.key).status_code == 200
    assert [item["record_count"] for item in items(running, running.token(), 1)] == [7]
    assert (running.data_dir / "clickhouse").is_dir()
    assert (running.data_dir / "valkey.sock").exists()
    assert running.stop() == 0


def test_a_data_folder_that_the_engines_cannot_use_is_reported_in_one_line(
    start: Callable[..., Running], tmp_path: Path
) -> None:
    running = start("up", data_dir=tmp_path / "what?")
    assert running.wait() == 1
    (line,) = running.log
    assert "--data-dir" in line


def test_several_faults_are_reported_together(start: Callable[..., Running]) -> None:
    running = start(
        "up",
        GATEWAY_REDIS_URL=f"redis://127.0.0.1:{free_port()}",
        GATEWAY_UPSTREAM_URL=f"http://127.0.0.1:{free_port()}/mcp",
    )
    assert running.wait() == 1
    assert len(running.log) == 2


def test_only_its_owner_can_read_the_data_folder(running: Running) -> None:
    assert running.data_dir.stat().st_mode & 0o777 == 0o700
    for name in ("jwt_secret", "runtime.json", "valkey.sock"):
        assert (running.data_dir / name).stat().st_mode & 0o077 == 0, name


def test_no_secret_is_in_a_command_line_an_environment_or_a_log(start: Callable[..., Running]) -> None:
    running = start("up", GATEWAY_UPSTREAM_AUTHORIZATION="Bearer very-secret-credential", GATEWAY_LOG_LEVEL="debug")
    running.until_ready()
    assert running.rpc(CALL, running.key).status_code == 200
    running.token()
    jwt_secret = (running.data_dir / "jwt_secret").read_text().strip()
    secrets = [running.key, running.login["password"], jwt_secret, "very-secret-credential"]
    for pid in processes_under(running.process.pid):
        command = Path(f"/proc/{pid}/cmdline").read_text() + Path(f"/proc/{pid}/environ").read_text()
        assert not any(secret in command for secret in secrets)
    running.stop()
    log = "\n".join(running.log)
    assert not any(secret in log for secret in secrets)
    assert "POST: status 200" in log, "one line per request at level debug"


def test_the_other_commands_find_a_running_up_through_the_data_folder(running: Running) -> None:
    command = [COMMAND, "key", "create", "--owner", "admin@localhost"]
    made = subprocess.run(
        [*command, "--name", "second", "--json"], env=running.environment, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert running.rpc(CALL, json.loads(made.stdout)["api_key"]).status_code == 200


def test_memory_stays_within_its_budget(start: Callable[..., Running]) -> None:
    running = start("up")
    seconds = running.until_ready()
    pids = [running.process.pid, *processes_under(running.process.pid)]
    resident = {
        Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").strip()[-40:] + f" {pid}": resident_kib(pid) / 1024
        for pid in pids
    }
    print(f"ready after {seconds:.1f} s; MiB resident: {resident}")
    assert sum(resident.values()) < 700
    assert all(size < 60 for name, size in resident.items() if "gateway.runtime.proxy_worker" in name), resident
