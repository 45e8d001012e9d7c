"""`doctor` beside a running `up`, and what a start says about its upstream."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.clean_run import clean_run, warnings_in_log
from tests.support.ports import free_port
from tests.support.running_up import COMMAND, Running


class _Upstream(BaseHTTPRequestHandler):
    """An MCP server that takes one credential, and redirects one path."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/old":
            return self._send(307, b"", Location="/mcp")
        if self.headers.get("Authorization") != "Bearer ours":
            return self._send(401, b"", WWW_Authenticate="Bearer")
        message = json.loads(body)
        result = {"protocolVersion": "2025-06-18", "serverInfo": {"name": "guarded", "version": "1"}, "tools": []}
        answer = {"jsonrpc": "2.0", "id": message.get("id"), "result": result}
        return self._send(200, json.dumps(answer).encode(), Content_Type="application/json")

    def _send(self, status: int, body: bytes, **fields: str) -> None:
        self.send_response(status)
        for name, value in fields.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def upstream() -> Iterator[str]:
    """The URL of the upstream, without a path."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Upstream) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def running(upstream: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An `up` whose settings come from options and its own environment."""
    with clean_run(
        *("up", "--upstream", f"{upstream}/mcp"),
        data_dir=tmp_path_factory.mktemp("up") / "data",
        GATEWAY_UPSTREAM_AUTHORIZATION="Bearer ours",
    ) as one:
        yield one


def doctor(data_dir: Path, *options: str, **environment: str) -> dict[str, tuple[str, str]]:
    """Run `doctor` with no other settings than these; return state and finding of each check."""
    command = [COMMAND, "doctor", "--json", "--data-dir", str(data_dir), *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    return {check["name"]: (check["state"], check["seen"]) for check in json.loads(done.stdout)}


def test_doctor_knows_the_settings_of_the_running_up(running: Running, upstream: str) -> None:
    checks = doctor(running.data_dir, "--key", running.key)
    assert {state for state, _ in checks.values()} == {"ok", "skipped"}, checks
    state, seen = checks["upstream"]
    assert state == "skipped"
    assert seen.startswith(
        f"{upstream}/mcp asks for credentials of its own (status 401), which the running gateway has"
    )
    assert checks["MCP with a key"] == ("ok", "guarded lists 0 tools through the proxy")
    assert checks["API key"][0] == "ok"
    accepted = doctor(running.data_dir, GATEWAY_UPSTREAM_AUTHORIZATION="Bearer ours")["upstream"]
    assert accepted == ("ok", f"{upstream}/mcp answers: guarded, MCP 2025-06-18")
    assert doctor(running.data_dir, GATEWAY_UPSTREAM_AUTHORIZATION="Bearer other")["upstream"][0] == "failed"


def test_no_secret_is_written_for_doctor(running: Running) -> None:
    text = (running.data_dir / "runtime.json").read_text()
    assert "Bearer ours" not in text
    assert (running.data_dir / "jwt_secret").read_text().strip() not in text
    assert json.loads(text)["secrets"] == ["upstream_authorization", "jwt_secret"]


def test_doctor_tells_a_wrong_scheme_from_a_wrong_key(running: Running) -> None:
    key = running.key
    assert doctor(running.data_dir, "--key", f"Bearer {key}")["API key"] == (
        "failed",
        "the key begins with the scheme Bearer",
    )
    assert doctor(running.data_dir, "--key", key[:-1])["API key"] == (
        "failed",
        "the key has 51 characters instead of 52",
    )
    other = "sk-" + "0" * 43 + "3N8O3z"
    assert doctor(running.data_dir, "--key", other)["API key"][0] == "failed"


@pytest.mark.parametrize("command", ["up", "proxy"])
def test_a_start_names_what_is_wrong_with_the_upstream_once_and_goes_on(
    command: str, running: Running, upstream: str, tmp_path: Path
) -> None:
    environment = {"GATEWAY_UPSTREAM_URL": f"{upstream}/old", "GATEWAY_LOG_FORMAT": "json"}
    if command == "proxy":
        environment["GATEWAY_REDIS_URL"] = json.loads((running.data_dir / "runtime.json").read_text())["redis_url"]
    second = Running(command, data_dir=tmp_path / "data", **environment)  # type: ignore[arg-type]
    try:
        second.until_ready()
        [warning] = warnings_in_log(second)
        assert f"the upstream at {upstream}/old redirects to {upstream}/mcp (status 307)" in warning
        assert f"set GATEWAY_UPSTREAM_URL to {upstream}/mcp" in warning
    finally:
        assert second.stop() == 0


def test_doctor_names_what_is_wrong_with_a_configured_upstream(upstream: str, tmp_path: Path) -> None:
    for url, seen in [
        (f"{upstream}/old", "redirects to"),
        (f"{upstream}/mcp", "asks for credentials of its own"),
        (f"http://127.0.0.1:{free_port()}/mcp", "cannot be reached"),
    ]:
        state, finding = doctor(tmp_path / "none", GATEWAY_UPSTREAM_URL=url)["upstream"]
        assert (state, seen in finding) == ("failed", True), finding
