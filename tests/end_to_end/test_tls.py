"""`mcp-gateway up` with TLS on both ports: clients, commands, the health check, and a renewed certificate."""

from __future__ import annotations

import contextlib
import datetime
import os
import shlex
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path

import httpx2
import pytest
import requests
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client

from gateway.tls.pair import PairFiles
from tests.end_to_end.test_doctor import doctor
from tests.support.certificates import make_pair, trusting
from tests.support.clean_run import clean_run
from tests.support.running_up import COMMAND, Running
from tests.support.waiting import wait_until

MONTH = datetime.timedelta(days=30)
ROOT = Path(__file__).parents[2]
PING = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> PairFiles:
    return make_pair(tmp_path_factory.mktemp("tls"), "localhost", valid=MONTH)


@pytest.fixture(scope="module")
def running(files: PairFiles, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An `up` with TLS, in front of the demo server."""
    with clean_run(
        "up",
        data_dir=tmp_path_factory.mktemp("up") / "data",
        expected=("GATEWAY_TLS_KEY does not fit",),
        GATEWAY_TLS_CERT=str(files.certificate),
        GATEWAY_TLS_KEY=str(files.key),
    ) as one:
        yield one


def endpoint(running: Running) -> str:
    return f"https://localhost:{running.proxy_port}/mcp"


def test_the_start_prints_addresses_and_a_command_that_work(running: Running) -> None:
    assert running.printed(r"MCP endpoint +(\S+)") == endpoint(running)
    assert running.printed(r"dashboard +(\S+)") == f"https://localhost:{running.admin_port}"
    assert "trusted certificates" in running.text, "clients are told to trust the certificate"
    command = running.text[running.text.index("curl ") :].split("\n\n")[0]
    answered = subprocess.run(shlex.split(command.replace("\\\n", " ")), capture_output=True, text=True, timeout=30)
    assert '"tools":' in answered.stdout, answered.stderr


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_official_client_lists_and_calls_tools(running: Running, files: PairFiles, mode: str) -> None:
    headers = {"Authorization": f"Bearer {running.key}"}
    async with (
        httpx2.AsyncClient(headers=headers, verify=trusting(files), timeout=20) as http,
        Client(streamable_http_client(endpoint(running), http_client=http), mode=mode) as client,
    ):
        tools = (await client.list_tools()).tools
        assert tools
        result = await client.call_tool("list_tables", {})
        assert not result.is_error


def test_the_admin_api_serves_the_page_logins_and_the_address_of_the_proxy(running: Running, files: PairFiles) -> None:
    address, trust = f"https://localhost:{running.admin_port}", str(files.certificate)
    assert "<html" in requests.get(f"{address}/", verify=trust, timeout=30).text
    login = requests.post(f"{address}/api/auth/login", json=running.login, verify=trust, timeout=30)
    page = {"X-Gateway-Page": "1"}
    by_page = requests.post(f"{address}/api/auth/login", json=running.login, headers=page, verify=trust, timeout=30)
    assert "; Secure" in by_page.headers["Set-Cookie"]
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    info = requests.get(f"{address}/api/info", headers=headers, verify=trust, timeout=30).json()
    assert info["proxy_url"] == endpoint(running)
    [claude_code] = [client for client in info["clients"] if client["client"] == "claude-code"]
    assert any("NODE_EXTRA_CA_CERTS" in note for note in claude_code["notes"])


def test_doctor_checks_the_gateway_and_its_certificate(running: Running) -> None:
    checks = doctor(running.data_dir, "--key", running.key)
    assert checks["MCP with a key"][0] == checks["admin API"][0] == "ok", checks
    assert checks["TLS certificate"][1].startswith("is valid for localhost, until ")
    assert {state for state, _ in checks.values()} <= {"ok", "skipped"}, checks


def test_doctor_tells_a_wrong_scheme_from_a_certificate_that_is_not_trusted(running: Running) -> None:
    plain = doctor(running.data_dir, "--url", endpoint(running).replace("https", "http"))
    assert plain["proxy"][0] == "failed"
    assert "closes the connection" in plain["proxy"][1]
    unknown = doctor(running.data_dir, "--url", endpoint(running))
    assert unknown["proxy"][0] == "failed"
    assert "is not accepted (self-signed certificate)" in unknown["proxy"][1]


def test_commands_find_the_running_gateway(running: Running) -> None:
    command = [COMMAND, "usage", "--json", "--data-dir", str(running.data_dir)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    command = [COMMAND, "client-config", "gemini-cli", "--data-dir", str(running.data_dir)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=60)
    assert endpoint(running) in done.stdout
    assert "NODE_EXTRA_CA_CERTS" in done.stderr


def test_the_health_check_of_the_images_speaks_tls(running: Running) -> None:
    check = [sys.executable, str(ROOT / "deploy" / "healthcheck.py"), "all"]
    assert subprocess.run(check, env=running.environment, timeout=30).returncode == 0
    without = {**running.environment, "GATEWAY_TLS_CERT": ""}
    assert subprocess.run(check, env=without, timeout=30).returncode == 1


def test_a_client_that_speaks_plain_http_is_disconnected(running: Running) -> None:
    for port in (running.proxy_port, running.admin_port):
        with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP" not in client.recv(1000)
    assert "Traceback" not in "\n".join(running.log)


def served(port: int) -> str:
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=30)


def test_a_renewed_certificate_is_used_within_10_seconds_and_a_broken_one_never(
    running: Running, files: PairFiles, tmp_path: Path
) -> None:
    ports = (running.proxy_port, running.admin_port)
    with contextlib.closing(HTTPSConnection("localhost", running.proxy_port, context=trusting(files))) as opened:
        opened.connect()
        client = opened.sock
        renewed = make_pair(tmp_path, "localhost", valid=MONTH, prefix="renewed-")
        text = renewed.certificate.read_text()
        for new, old in zip(renewed, files, strict=True):
            os.replace(new, old)
        wait_until(lambda: all(served(port) == text for _ in range(4) for port in ports), 30)
        opened.request("GET", "/healthz")
        assert opened.getresponse().read() == b'{"status":"alive"}'
        assert opened.sock is client
    assert requests.post(endpoint(running), json=PING, verify=str(files.certificate), timeout=30).status_code == 401
    make_pair(tmp_path, "localhost", valid=MONTH, prefix="other-")
    os.replace(tmp_path / "other-certificate.pem", files.certificate)
    processes = 3
    says = "GATEWAY_TLS_KEY does not fit"
    wait_until(lambda: sum(says in line for line in running.log) >= processes, 30)
    assert all(served(port) == text for port in ports)
    state, seen = doctor(running.data_dir)["TLS certificate"]
    assert (state, "serves another certificate" in seen) == ("failed", True)
    os.replace(tmp_path / "other-key.pem", files.key)
    text = files.certificate.read_text()
    wait_until(lambda: all(served(port) == text for _ in range(4) for port in ports), 30)
    assert sum(says in line for line in running.log) == processes, "each process has logged it once"


@pytest.mark.parametrize("broken", ["key", "certificate"])
def test_a_start_with_a_pair_that_cannot_serve_names_the_setting(tmp_path: Path, broken: str) -> None:
    files = make_pair(tmp_path, "localhost")
    getattr(files, broken).write_text("")
    running = Running(
        "up",
        data_dir=tmp_path / "data",
        GATEWAY_TLS_CERT=str(files.certificate),
        GATEWAY_TLS_KEY=str(files.key),
    )
    assert running.wait() == 1
    setting = {"key": "GATEWAY_TLS_KEY", "certificate": "GATEWAY_TLS_CERT"}[broken]
    assert [line for line in running.log if setting in line and "in PEM" in line], running.log
    assert len(running.log) == 1
