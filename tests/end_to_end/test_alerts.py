"""Alerts of a running `up`: each cause is told within 30 seconds, once."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from gateway.alerts.signature import signature
from tests.support.admin_client import AdminClient
from tests.support.clean_run import clean_run
from tests.support.running_up import COMMAND, Running
from tests.support.waiting import wait_until

SECRET = "the secret of the webhook"
TELL_SECONDS = 30.0


class Server(ThreadingHTTPServer):
    """An HTTP server in a thread that keeps the requests that it gets."""

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.requests: list[tuple[str | None, bytes]] = []
        """Signatures and bodies."""
        self.status = 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/mcp"

    @property
    def alerts(self) -> list[tuple[str, str]]:
        """The types and subjects of the alerts that came."""
        alerts = [json.loads(body) for _, body in self.requests]
        return sorted((alert["type"], alert["subject"]) for alert in alerts)


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.requests.append((self.headers.get("X-Gateway-Signature"), body))
        result = {"content": [{"type": "text", "text": "ok"}], "protocolVersion": "2025-06-18"}
        answer = json.dumps({"jsonrpc": "2.0", "id": json.loads(body).get("id"), "result": result}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving(port: int = 0) -> Iterator[Server]:
    with Server(port) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def upstream() -> Iterator[Server]:
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def running(upstream: Server, receiver: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with clean_run(
        *("up", "--upstream", upstream.url),
        data_dir=tmp_path_factory.mktemp("alerts") / "data",
        expected=["the upstream", "alerts can"],
        GATEWAY_WEBHOOK_URL=receiver.url + "/T0KEN",
        GATEWAY_WEBHOOK_SECRET=SECRET,
    ) as running:
        yield running


def until_told(receiver: Server, *expected: tuple[str, str]) -> None:
    """Wait until these alerts have come."""
    try:
        wait_until(lambda: set(expected) <= set(receiver.alerts), TELL_SECONDS)
    except TimeoutError:
        pytest.fail(f"{set(expected) - set(receiver.alerts)} missing in {receiver.alerts}")


def test_limits_ends_of_keys_and_attacks_are_told_once(running: Running, receiver: Server) -> None:
    key = AdminClient(running).new_key("busy", calls_per_day=5, tool_rate_limits={"q*": 10})
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query", "arguments": {}}}
    for _ in range(5):
        assert running.rpc(call, key.text).status_code == 200
    assert running.rpc(call, key.text).status_code == 429
    email = running.login["email"]
    for _ in range(10):
        login = {"email": email, "password": "wrong"}
        assert requests.post(f"{running.admin_url}/api/auth/login", json=login, timeout=30).status_code == 401
    expected = [
        ("account_attacked", email),
        ("key_expiring", key.key_id),
        ("limit_100", key.key_id),
        ("limit_80", key.key_id),
    ]
    until_told(receiver, *expected)
    assert receiver.alerts == expected
    for signed, body in receiver.requests:
        assert signed is not None
        assert signed == signature(SECRET, body, int(signed[2 : signed.index(",")]))


def test_the_command_line_sends_a_test(running: Running, receiver: Server) -> None:
    arguments = [COMMAND, "alert", "test", "--data-dir", str(running.data_dir)]
    environment = {name: value for name, value in running.environment.items() if "WEBHOOK" not in name}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"the test alert was delivered to 127.0.0.1:{receiver.server_port}\n"
    assert ("test", "webhook") in receiver.alerts


def test_an_upstream_that_refuses_and_one_that_is_away_are_told(
    running: Running, receiver: Server, upstream: Server
) -> None:
    address = f"127.0.0.1:{upstream.server_port}"
    upstream.status = 401
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "query", "arguments": {}}}
    assert running.rpc(call, running.key).status_code == 502
    until_told(receiver, ("upstream_refused", address))
    upstream.server_close()
    until_told(receiver, ("upstream_unreachable", address))
    assert len(set(receiver.alerts)) == len(receiver.alerts)


def test_no_log_shows_the_token_of_the_url_or_the_secret(running: Running) -> None:
    listed = running.admin("GET", "/api/alerts", running.token())
    assert listed.json()["webhook"]["configured"] is True
    shown = "\n".join(running.log) + running.text + listed.text
    assert "T0KEN" not in shown
    assert SECRET not in shown
