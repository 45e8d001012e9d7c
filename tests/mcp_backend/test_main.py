"""The process: its output, its start, and its shutdown while requests are open."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.mcp_backend.calls import ENDLESS
from tests.mcp_backend.conftest import running_server

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
ACCEPT = {"Accept": "application/json, text/event-stream"}


def call(tool: str, **arguments: object) -> dict[str, object]:
    return {
        "jsonrpc": "2.0",
        "id": 2,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mcp_backend", *flags]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def resident_megabytes(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    [kibibytes] = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return int(kibibytes) * 1024 / 1e6


async def open_session(client: aiohttp.ClientSession, url: str) -> dict[str, str]:
    """Open a session and return the headers for its requests."""
    async with client.post(url, json=INITIALIZE, headers=ACCEPT) as response:
        assert response.status == 200
        await response.read()
        session = response.headers["Mcp-Session-Id"]
    headers = {**ACCEPT, "Mcp-Session-Id": session, "MCP-Protocol-Version": "2025-11-25"}
    started = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    async with client.post(url, json=started, headers=headers) as response:
        assert response.status == 202
    return headers


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_cleanly_while_streams_are_open(number: signal.Signals) -> None:
    with running_server() as (process, url):
        address = url.split("/")[2].split(":")
        half_sent = socket.create_connection((address[0], int(address[1])))
        half_sent.sendall(b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
        async with aiohttp.ClientSession() as client:
            headers = await open_session(client, url)
            async with client.get(url, headers=headers) as listening:
                assert listening.status == 200

                process.send_signal(number)
                output, errors = process.communicate(timeout=30)

        half_sent.close()
    assert process.returncode == 0
    assert (output, errors) == ("", "")


async def test_a_running_query_does_not_prevent_the_shutdown() -> None:
    with running_server() as (process, url):
        async with aiohttp.ClientSession() as client:
            headers = await open_session(client, url)
            async with client.post(url, json=call("run_sql", sql=ENDLESS), headers=headers) as running:
                assert running.status == 200

                process.terminate()
                output, errors = process.communicate(timeout=30)

    assert process.returncode == 0
    assert (output, errors) == ("", "")


def test_a_port_in_use_is_reported_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        result = run("--port", str(port))

    assert result.returncode == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"mcp_backend: cannot listen on 127.0.0.1, port {port}: Address already in use;"
        " choose another port with --port (0 means a free one)\n"
    )


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_an_address_that_cannot_be_bound_is_reported_in_one_line(host: str) -> None:
    result = run("--host", host, "--port", "0")

    assert result.returncode == 1
    assert result.stderr.startswith(f"mcp_backend: cannot listen on {host}, port 0: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("package", ["bokeh_sampledata", "mcp"])
def test_a_missing_package_is_reported_with_its_fix(package: str) -> None:
    # None in sys.modules makes Python behave as if the package were not installed.
    code = (
        f"import sys; sys.modules[{package!r}] = None\n"
        "from mcp_backend.__main__ import main\n"
        "sys.exit(main(['--port', '0']))\n"
    )

    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert result.returncode == 1
    assert result.stderr.startswith(f"mcp_backend: {package}")
    assert result.stderr.endswith(" is not installed; run: pip install 'mcp-key-gateway[demo]'\n")
    assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("port", ["65536", "-1", "http", "٨٠"])
def test_an_invalid_port_is_an_error_that_names_the_value(port: str) -> None:
    result = run(f"--port={port}")

    assert result.returncode == 2
    assert f"{port!r} is not a port; use a number from 0 to 65535" in result.stderr


def test_help_shows_how_to_use_it() -> None:
    result = run("--help")

    assert result.returncode == 0
    for text in ("--host", "--port", "--json-response", "--stateless", "http://127.0.0.1:8002/mcp"):
        assert text in result.stdout


async def test_the_default_mode_uses_event_streams_and_sessions(server_url: str) -> None:
    async with aiohttp.ClientSession() as client:
        headers = await open_session(client, server_url)
        async with client.post(server_url, json=call("list_tables"), headers=headers) as response:
            assert response.content_type == "text/event-stream"


async def test_stateless_json_mode_responds_with_json_without_sessions(stateless_server_url: str) -> None:
    async with aiohttp.ClientSession() as client:
        async with client.post(stateless_server_url, json=INITIALIZE, headers=ACCEPT) as response:
            assert response.content_type == "application/json"
            assert "Mcp-Session-Id" not in response.headers
        async with client.post(stateless_server_url, json=call("list_tables"), headers=ACCEPT) as response:
            body = json.loads(await response.text())

    assert body["id"] == 2
    assert body["result"]["structuredContent"]["record_count"] == 3


@pytest.mark.parametrize(("header", "status"), [("Host", 421), ("Origin", 403)])
async def test_a_foreign_host_or_origin_is_rejected_on_a_loopback_address(
    header: str, status: int, server_url: str
) -> None:
    value = "evil.example" if header == "Host" else "http://evil.example"
    headers = {**ACCEPT, header: value}
    async with (
        aiohttp.ClientSession() as client,
        client.post(server_url, json=INITIALIZE, headers=headers) as response,
    ):
        assert response.status == status


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
async def test_it_stays_under_85_megabytes() -> None:
    with running_server() as (process, url):
        async with aiohttp.ClientSession() as client:
            headers = await open_session(client, url)
            for tool in ("list_tables", "query_index_daily"):
                async with client.post(url, json=call(tool), headers=headers) as response:
                    await response.read()
        resident = resident_megabytes(process.pid)

    assert resident < 85
