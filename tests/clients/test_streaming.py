"""Streams live as long as there is somebody to hear them, and not a moment longer: seen from a real server."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from mcp.client.subscriptions import ToolsListChanged
from mcp_types import ToolListChangedNotification

from tests.clients.kinds import NODE_FOLDER
from tests.clients.upstreams import SESSIONS
from tests.support import sdk2_client
from tests.support.admin_client import AdminClient
from tests.support.node import NodePackages
from tests.support.production import Production
from tests.support.running_up import Running
from tests.support.sdk2_client import HANDSHAKE, MODERN

TIMEOUT = 2
"""Seconds of each time-out but that of quiet streams."""
QUIET = 3
MANY = 64


@pytest.fixture(scope="module")
def server_url(url_of: Callable[[str], str]) -> str:
    return url_of(SESSIONS)


@pytest.fixture(scope="module")
def gateway(gateway_of: Callable[[str], Running]) -> Running:
    return gateway_of(SESSIONS)


@pytest.fixture(scope="module")
def hasty(production: Production, admin: AdminClient, server_url: str) -> Iterator[Running]:
    """A gateway that waits for nothing long but for quiet streams."""
    phases = ("CONNECT", "REQUEST_HEAD", "REQUEST_BODY", "FIRST_BYTE")
    timeouts = {f"GATEWAY_{phase}_TIMEOUT": str(TIMEOUT) for phase in phases}
    with production.proxy(GATEWAY_UPSTREAM_URL=server_url, **timeouts) as running:
        yield running


def open_at(server_url: str) -> dict[str, int]:
    """What is open at the server, by its own account: requests by method, calls of `hang` and `rest`, connections."""
    state = requests.get(server_url.replace("/mcp", "/state"), timeout=10).json()
    return {name: state.get(name, 0) for name in ("GET", "POST", "hang", "rest", "connections")}


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("mode", [HANDSHAKE, MODERN])
def test_a_quiet_stream_outlives_every_time_out_but_its_own(hasty: Running, admin: AdminClient, mode: str) -> None:
    key = admin.new_key(f"quiet, {mode}")
    heard = asyncio.Event()

    async def hear(message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            heard.set()

    async def begun(progress: float, total: float | None, message: str | None) -> None:
        """With this the answer begins with a report."""

    async def listen_and_call() -> Any:
        async with sdk2_client.connected(f"{hasty.url}/mcp", key.text, mode, message_handler=hear) as client:
            if mode == HANDSHAKE:
                rested = await client.call_tool("rest", {"seconds": QUIET}, progress_callback=begun)
                await client.call_tool("announce")
                await asyncio.wait_for(heard.wait(), 20)
                return rested.structured_content
            async with client.listen(tools_list_changed=True) as subscription:
                rested = await client.call_tool("rest", {"seconds": QUIET}, progress_callback=begun)
                await client.call_tool("announce")
                assert isinstance(await asyncio.wait_for(anext(aiter(subscription)), 20), ToolsListChanged)
                return rested.structured_content

    assert asyncio.run(listen_and_call()) == {"table": "rests", "record_count": 1}
    assert {call["tool_name"] for call in admin.calls(key.key_id, expected=2)} == {"rest", "announce"}


@pytest.fixture
def calling(
    packages: NodePackages, gateway: Running, admin: AdminClient
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a client that makes one call."""
    with ExitStack() as stack:

        def start(key: str, era: str, name: str, **args: Any) -> subprocess.Popen[bytes]:
            itinerary = {
                "url": f"{gateway.url}/mcp",
                "key": key,
                "client": "a client",
                "era": era,
                "transport": "http",
                "legs": [{"leg": "call", "name": name, "args": args}],
            }
            command = [str(packages.node), str(NODE_FOLDER / "sdk2.mjs"), json.dumps(itinerary)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def test_the_server_sees_a_client_of_2026_07_28_go_within_its_call(
    calling: Callable[..., subprocess.Popen[bytes]], server_url: str, admin: AdminClient
) -> None:
    key = admin.new_key("goes")
    client = calling(key.text, MODERN, "hang")
    until(lambda: open_at(server_url)["hang"] == 1)
    client.send_signal(signal.SIGKILL)
    until(lambda: (open_at(server_url)["hang"], open_at(server_url)["POST"]) == (0, 0), 5)
    assert admin.calls(key.key_id, expected=0) == []


def test_a_sessions_call_goes_on_without_its_client_and_is_counted(
    calling: Callable[..., subprocess.Popen[bytes]], server_url: str, admin: AdminClient
) -> None:
    key = admin.new_key("leaves")
    client = calling(key.text, HANDSHAKE, "rest", seconds=1)
    until(lambda: open_at(server_url)["rest"] == 1)
    client.send_signal(signal.SIGKILL)
    (call,) = admin.calls(key.key_id, expected=1)
    assert (call["tool_name"], call["record_count"], call["client_name"]) == ("rest", 1, "a client")


def test_nothing_is_left_open_by_clients_that_break_off_their_listening(
    gateway: Running, server_url: str, admin: AdminClient
) -> None:
    key = admin.new_key("break off").text
    sessions = [session_of(gateway, key) for _ in range(MANY)]
    before = open_at(server_url)
    clients = [broken_off_later(gateway, get(key, session)) for session in sessions]
    until(lambda: open_at(server_url)["GET"] == before["GET"] + MANY)
    for client in clients:
        client.close()
    until(lambda: open_at(server_url)["GET"] == before["GET"], 5)
    until(lambda: open_at(server_url)["connections"] <= before["connections"], 5)


def test_nothing_is_left_open_by_clients_that_break_off_their_calls(
    gateway: Running, server_url: str, admin: AdminClient
) -> None:
    key = admin.new_key("break off").text
    before = open_at(server_url)
    clients = [broken_off_later(gateway, call_of_2026_07_28(key, id_)) for id_ in range(MANY)]
    until(lambda: open_at(server_url)["hang"] == MANY)
    for client in clients:
        client.close()
    until(lambda: open_at(server_url)["hang"] == 0, 5)
    until(lambda: open_at(server_url)["connections"] <= before["connections"], 5)


def session_of(gateway: Running, key: str) -> str:
    """A session, opened for a client that listens."""
    info = {"name": "listener", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    answer = gateway.rpc(message, key, Accept="application/json, text/event-stream")
    return answer.headers["Mcp-Session-Id"]


def broken_off_later(gateway: Running, request: bytes) -> socket.socket:
    """A connection on which a request was sent; closing it resets it."""
    client = socket.create_connection(("127.0.0.1", gateway.proxy_port), timeout=10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sendall(request)
    return client


def get(key: str, session_id: str) -> bytes:
    """The request of a client that listens."""
    return (
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {key}\r\nMcp-Session-Id: {session_id}\r\nMCP-Protocol-Version: 2025-11-25\r\n\r\n"
    ).encode()


def call_of_2026_07_28(key: str, id_: int) -> bytes:
    """A call that is never answered."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
        "progressToken": id_,
    }
    params = {"name": "hang", "arguments": {}, "_meta": meta}
    body = json.dumps({"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": params})
    return (
        "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: application/json, text/event-stream\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nAuthorization: Bearer {key}\r\n"
        f"MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: hang\r\n\r\n{body}"
    ).encode()
