"""Streams stay open while their client is connected, and are closed when it disconnects, as a real server sees it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import requests
from mcp.client.subscriptions import ToolsListChanged
from mcp_types import ToolListChangedNotification

from tests.clients.conftest import GatewayOf
from tests.clients.programs import NODE_FOLDER
from tests.clients.upstreams import SESSIONS
from tests.support import sdk2_client
from tests.support.admin_client import AdminClient
from tests.support.node import NodePackages
from tests.support.production import Production
from tests.support.running_up import Running
from tests.support.sdk2_client import HANDSHAKE, MODERN
from tests.support.waiting import wait_until

TIMEOUT = 2
"""Seconds of each time-out except the one of idle streams."""
QUIET = 3
MANY = 64


@pytest.fixture(scope="module")
def server_url(url_of: Callable[[str], str]) -> str:
    return url_of(SESSIONS)


@pytest.fixture(scope="module")
def gateway(gateway_of: GatewayOf) -> Running:
    return gateway_of(SESSIONS)


@pytest.fixture(scope="module")
def short_timeouts(production: Production, admin: AdminClient, server_url: str) -> Iterator[Running]:
    """A gateway with short time-outs, except for idle streams."""
    phases = ("CONNECT", "REQUEST_HEAD", "REQUEST_BODY", "FIRST_BYTE")
    timeouts = {f"GATEWAY_{phase}_TIMEOUT": str(TIMEOUT) for phase in phases}
    with production.proxy(GATEWAY_UPSTREAM_URL=server_url, **timeouts) as running:
        yield running


def open_at(server_url: str) -> dict[str, int]:
    """The server's counts of open requests by method, of calls of `hang` and `rest`, and of connections."""
    state = requests.get(server_url.replace("/mcp", "/state"), timeout=30).json()
    return {name: state.get(name, 0) for name in ("GET", "POST", "hang", "rest", "connections")}


@pytest.mark.parametrize("mode", [HANDSHAKE, MODERN])
def test_a_silent_stream_outlives_every_other_time_out(short_timeouts: Running, admin: AdminClient, mode: str) -> None:
    key = admin.new_key(f"quiet, {mode}")
    notified = asyncio.Event()

    async def on_message(message: Any) -> None:
        if isinstance(message, ToolListChangedNotification):
            notified.set()

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        """Request progress, so that the response begins with a notification."""

    async def listen_and_call() -> Any:
        async with sdk2_client.connected(
            f"{short_timeouts.url}/mcp", key.text, mode, message_handler=on_message
        ) as client:
            if mode == HANDSHAKE:
                rested = await client.call_tool("rest", {"seconds": QUIET}, progress_callback=on_progress)
                await client.call_tool("announce")
                await asyncio.wait_for(notified.wait(), 20)
                return rested.structured_content
            async with client.listen(tools_list_changed=True) as subscription:
                rested = await client.call_tool("rest", {"seconds": QUIET}, progress_callback=on_progress)
                await client.call_tool("announce")
                assert isinstance(await asyncio.wait_for(anext(aiter(subscription)), 20), ToolsListChanged)
                return rested.structured_content

    assert asyncio.run(listen_and_call()) == {"table": "rests", "record_count": 1}
    assert {call["tool_name"] for call in admin.calls(key.key_id, expected=2)} == {"rest", "announce"}


@pytest.fixture
def calling(
    packages: NodePackages, gateway: Running, admin: AdminClient
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """A function that starts a client which makes one call."""
    with ExitStack() as stack:

        def start(key: str, era: str, name: str, **args: Any) -> subprocess.Popen[bytes]:
            plan = {
                "url": f"{gateway.url}/mcp",
                "key": key,
                "client": "a client",
                "era": era,
                "transport": "http",
                "actions": [{"action": "call", "name": name, "args": args}],
            }
            command = [str(packages.node), str(NODE_FOLDER / "sdk2.mjs"), json.dumps(plan)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            stack.enter_context(process)
            stack.callback(process.kill)
            return process

        yield start


def test_the_server_sees_the_disconnect_of_a_2026_07_28_client_during_its_call(
    calling: Callable[..., subprocess.Popen[bytes]], server_url: str, admin: AdminClient
) -> None:
    key = admin.new_key("goes")
    client = calling(key.text, MODERN, "hang")
    wait_until(lambda: open_at(server_url)["hang"] == 1)
    client.send_signal(signal.SIGKILL)
    wait_until(lambda: (open_at(server_url)["hang"], open_at(server_url)["POST"]) == (0, 0), 30)
    assert admin.calls(key.key_id, expected=0) == []


def test_a_call_in_a_session_continues_without_its_client_and_is_metered(
    calling: Callable[..., subprocess.Popen[bytes]], server_url: str, admin: AdminClient
) -> None:
    key = admin.new_key("leaves")
    client = calling(key.text, HANDSHAKE, "rest", seconds=1)
    wait_until(lambda: open_at(server_url)["rest"] == 1)
    client.send_signal(signal.SIGKILL)
    (call,) = admin.calls(key.key_id, expected=1)
    assert (call["tool_name"], call["record_count"], call["client_name"]) == ("rest", 1, "a client")


def test_clients_that_reset_their_listening_streams_leave_nothing_open(
    gateway: Running, server_url: str, admin: AdminClient
) -> None:
    key = admin.new_key("reset").text
    sessions = [session_of(gateway, key) for _ in range(MANY)]
    before = open_at(server_url)
    clients = [connection_to_reset(gateway, listening_request(key, session)) for session in sessions]
    wait_until(lambda: open_at(server_url)["GET"] == before["GET"] + MANY)
    for client in clients:
        client.close()
    wait_until(lambda: open_at(server_url)["GET"] == before["GET"], 30)
    wait_until(lambda: open_at(server_url)["connections"] <= before["connections"], 30)


def test_clients_that_reset_their_calls_leave_nothing_open(
    gateway: Running, server_url: str, admin: AdminClient
) -> None:
    key = admin.new_key("reset").text
    before = open_at(server_url)
    clients = [connection_to_reset(gateway, call_of_2026_07_28(key, id_)) for id_ in range(MANY)]
    wait_until(lambda: open_at(server_url)["hang"] == MANY)
    for client in clients:
        client.close()
    wait_until(lambda: open_at(server_url)["hang"] == 0, 30)
    wait_until(lambda: open_at(server_url)["connections"] <= before["connections"], 30)


def session_of(gateway: Running, key: str) -> str:
    """Open a session and return its id."""
    info = {"name": "listener", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info}
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    answer = gateway.rpc(message, key, Accept="application/json, text/event-stream")
    return answer.headers["Mcp-Session-Id"]


def connection_to_reset(gateway: Running, request: bytes) -> socket.socket:
    """Send a request on a new connection, whose `close` resets it."""
    client = socket.create_connection(("127.0.0.1", gateway.proxy_port), timeout=30)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sendall(request)
    return client


def listening_request(key: str, session_id: str) -> bytes:
    """The request for a listening stream."""
    return (
        "GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n"
        f"Authorization: Bearer {key}\r\nMcp-Session-Id: {session_id}\r\nMCP-Protocol-Version: 2025-11-25\r\n\r\n"
    ).encode()


def call_of_2026_07_28(key: str, id_: int) -> bytes:
    """The request of a call that never returns."""
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
