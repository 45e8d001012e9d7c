"""Starts of `up`, `proxy` and `admin` before what they need is there, and when each port reports "ready"."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.support.admin_client import AdminClient
from tests.support.mcp_servers import DEMO, running_mcp_server
from tests.support.ports import free_port
from tests.support.production import JWT_SECRET, Production, production_engines
from tests.support.running_up import Running
from tests.support.valkey import Valkey
from tests.support.waiting import wait_until

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
LOGIN = {"email": "root@example.com", "password": "correct-horse-battery"}


@contextlib.contextmanager
def started(command: str, data_dir: Path, **environment: str) -> Iterator[Running]:
    """Run a command for the duration of the context, whether it becomes ready or not."""
    running = Running(command, data_dir=data_dir, **{"GATEWAY_LOG_FORMAT": "json", **environment})  # type: ignore[arg-type]
    try:
        yield running
    finally:
        running.stop()


def warnings(running: Running) -> list[str]:
    """Return the messages above `info` in the log."""
    records = [json.loads(line) for line in running.log]
    return [record["message"] for record in records if record["level"] not in ("debug", "info")]


def first_200(url: str) -> None:
    """Poll a probe until it answers 200."""
    deadline = time.monotonic() + 30
    while True:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=30).status_code == 200:
                return
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("port", ["proxy", "admin"])
def test_a_login_right_after_the_first_200_of_readyz_works(port: str, tmp_path: Path) -> None:
    environment = {"GATEWAY_ADMIN_EMAIL": LOGIN["email"], "GATEWAY_ADMIN_PASSWORD": LOGIN["password"]}
    with started("up", tmp_path / "data", **environment) as running:
        first_200((running.url if port == "proxy" else running.admin_url) + "/readyz")
        assert requests.post(f"{running.admin_url}/api/auth/login", json=LOGIN, timeout=30).status_code == 200
        running.until_ready()


def test_a_proxy_starts_without_its_upstream_and_serves_once_it_is_there(
    production: Production, operator: AdminClient
) -> None:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        key = operator.new_key("early").text
        environment = {**production.environment, "GATEWAY_UPSTREAM_URL": f"http://127.0.0.1:{port}/mcp"}
        with started("proxy", Path(folder), **environment) as proxy:
            proxy.until_ready()
            ready = requests.get(f"{proxy.url}/readyz", timeout=30)
            assert (ready.status_code, ready.json()) == (
                503,
                {"status": "not ready", "redis": "ok", "upstream": "unavailable"},
            )
            assert requests.get(f"{proxy.url}/healthz", timeout=30).status_code == 200
            assert proxy.rpc(LIST, key).status_code == 502
            [warning] = [message for message in warnings(proxy) if "calls are 502 until then" in message]
            assert f"http://127.0.0.1:{port}/mcp cannot be reached" in warning
            with running_mcp_server(*DEMO[:-2], str(port), DEMO[-1]):
                first_200(f"{proxy.url}/readyz")
                assert proxy.rpc(LIST, key).status_code == 200


def test_a_proxy_waits_for_redis_and_says_so() -> None:
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        valkey = Valkey(Path(folder))
        environment = {"GATEWAY_REDIS_URL": valkey.url, "GATEWAY_UPSTREAM_URL": "http://127.0.0.1:1/mcp"}
        with started("proxy", Path(folder) / "data", **environment) as proxy:
            wait_until(lambda: any("waiting for it for up to 30 s" in message for message in warnings(proxy)))
            assert "GATEWAY_REDIS_URL" in warnings(proxy)[0]
            assert proxy.output == []
            valkey.start()
            try:
                proxy.until_ready()
            finally:
                proxy.stop()
                valkey.stop()


def test_admin_waits_for_clickhouse(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="production-") as folder, production_engines(Path(folder), "") as engines:
        port = free_port()
        environment = {**engines.environment, "GATEWAY_CLICKHOUSE_URL": f"http://127.0.0.1:{port}"}
        del environment["GATEWAY_UPSTREAM_URL"]
        with started("admin", tmp_path / "admin", **environment) as admin:
            wait_until(lambda: any("waiting for it" in message for message in warnings(admin)))
            [warning] = warnings(admin)
            assert f"ClickHouse at http://127.0.0.1:{port}" in warning
            asked = threading.Event()
            with socket.create_server(("127.0.0.1", port)) as clickhouse:

                def answer() -> None:
                    client, _ = clickhouse.accept()
                    with client:
                        client.recv(4096)
                        client.sendall(b"HTTP/1.1 503 Loading\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    asked.set()

                threading.Thread(target=answer).start()
                assert asked.wait(30), "asked again"
            assert admin.output == []


@pytest.mark.parametrize("command", ["proxy", "admin"])
def test_the_wait_ends_with_exit_code_1_and_the_faults(command: str, tmp_path: Path) -> None:
    environment = {
        "GATEWAY_REDIS_URL": f"redis://127.0.0.1:{free_port()}",
        "GATEWAY_CLICKHOUSE_URL": f"http://127.0.0.1:{free_port()}",
        "GATEWAY_UPSTREAM_URL": f"http://127.0.0.1:{free_port()}/mcp",
        "GATEWAY_JWT_SECRET": JWT_SECRET,
        "GATEWAY_START_TIMEOUT": "1",
    }
    running = Running(command, data_dir=tmp_path, **environment)  # type: ignore[arg-type]
    assert running.wait() == 1
    assert time.monotonic() - running.started >= 1
    faults = [line for line in running.log if line.startswith("mcp-gateway: ")]
    named = ["Redis at"] if command == "proxy" else ["Redis at", "ClickHouse at"]
    assert [line for line in faults if "cannot be reached" in line] == faults
    assert [any(name in line for line in faults) for name in named] == [True] * len(faults)


def test_a_start_that_waits_can_be_stopped(tmp_path: Path) -> None:
    environment = {"GATEWAY_REDIS_URL": "redis://127.0.0.1:1", "GATEWAY_UPSTREAM_URL": "http://127.0.0.1:1/mcp"}
    with started("proxy", tmp_path, **environment) as proxy:
        wait_until(lambda: proxy.log != [])
        assert proxy.stop(signal.SIGTERM) == 0
        assert proxy.output == []


def test_a_port_in_use_is_reported_without_a_wait(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        running = Running(
            "proxy",
            data_dir=tmp_path,
            GATEWAY_REDIS_URL="redis://127.0.0.1:1",
            GATEWAY_UPSTREAM_URL="http://127.0.0.1:1/mcp",
            GATEWAY_PROXY_PORT=str(taken.getsockname()[1]),
        )
        assert running.wait(20) == 1
    assert any("in use" in line for line in running.log)
