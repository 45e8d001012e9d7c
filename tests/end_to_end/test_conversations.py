"""Server notifications, elicitation and resumed streams through the gateway; each call is metered once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport
from mcp.client.subscriptions import ToolsListChanged
from mcp_types import ElicitResult, ToolListChangedNotification

from tests.end_to_end.conftest import UNCLAIMED_SECONDS
from tests.support import sdk2_client
from tests.support.admin_client import AdminClient
from tests.support.mcp_servers import TALKATIVE, McpServer, running_mcp_server
from tests.support.running_up import Running, processes_under
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def upstream() -> Iterator[McpServer]:
    with running_mcp_server(*TALKATIVE) as server:
        yield server


async def answer_elicitation(context: Any, request: Any) -> ElicitResult:
    """Answer every elicitation."""
    return ElicitResult(action="accept", content={"name": "Ann"})


def open_sessions(upstream: McpServer) -> int:
    """Return the number of sessions that the upstream has."""
    return int(requests.get(upstream.url.replace("/mcp", "/sessions"), timeout=30).json())


@pytest.mark.parametrize("mode", [sdk2_client.HANDSHAKE, sdk2_client.MODERN])
def test_an_elicitation_is_answered_within_a_call_that_is_metered_once(
    gateway: Running, admin: AdminClient, mode: str
) -> None:
    key = admin.new_key(f"asked, {mode}")

    async def greet() -> Any:
        url = f"{gateway.url}/mcp"
        async with sdk2_client.connected(url, key.text, mode, elicitation_callback=answer_elicitation) as client:
            return (await client.call_tool("greet")).structured_content

    greeting = asyncio.run(asyncio.wait_for(greet(), 20))
    assert greeting == {"table": "people", "record_count": 1, "text": "Hello Ann"}
    # In 2026-07-28 an elicitation is a result of type `input_required`; the client repeats the call with the answer.
    (call,) = admin.calls(key.key_id, expected=1)
    assert (call["tool_name"], call["table_name"], call["record_count"], call["status"]) == ("greet", "people", 1, "ok")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_fastmcp_answers_elicitations(gateway: Running, admin: AdminClient, mode: str) -> None:
    key = admin.new_key(f"asked fastmcp, {mode}")

    async def answer(message: str, response_type: Any, asked: Any, context: Any) -> dict[str, str]:
        return {"name": "Bo"}

    async def greet() -> Any:
        transport = StreamableHttpTransport(f"{gateway.url}/mcp", headers={"Authorization": f"Bearer {key.text}"})
        client: Client[Any] = Client(transport, mode=mode, elicitation_handler=answer)
        async with client:
            return (await client.call_tool("greet")).structured_content

    assert asyncio.run(asyncio.wait_for(greet(), 20))["text"] == "Hello Bo"
    assert len(admin.calls(key.key_id, expected=1)) == 1


def test_notifications_reach_the_listening_stream_of_a_session(gateway: Running, admin: AdminClient) -> None:
    key = admin.new_key("listens")

    async def listen() -> None:
        notified = asyncio.Event()
        exchanges: list[sdk2_client.Exchange] = []

        async def on_message(message: Any) -> None:
            if isinstance(message, ToolListChangedNotification):
                notified.set()

        async with sdk2_client.connected(
            f"{gateway.url}/mcp", key.text, sdk2_client.HANDSHAKE, exchanges=exchanges, message_handler=on_message
        ) as client:
            async with asyncio.timeout(30):
                while not notified.is_set():
                    # By the protocol, a notification is lost if the client does not listen yet.
                    await client.call_tool("announce")
                    await asyncio.sleep(0.05)

    asyncio.run(listen())


def test_notifications_reach_a_subscription(gateway: Running, admin: AdminClient) -> None:
    key = admin.new_key("subscribes")

    async def listen() -> None:
        url = f"{gateway.url}/mcp"
        async with (
            sdk2_client.connected(url, key.text, sdk2_client.MODERN) as client,
            client.listen(tools_list_changed=True) as subscription,
        ):
            await client.call_tool("announce")
            async with asyncio.timeout(30):
                assert isinstance(await anext(aiter(subscription)), ToolsListChanged)

    asyncio.run(listen())


def test_a_result_can_be_fetched_on_another_connection(gateway: Running, admin: AdminClient) -> None:
    key = admin.new_key("fetches")
    exchanges: list[sdk2_client.Exchange] = []

    async def fetch() -> Any:
        url = f"{gateway.url}/mcp"
        async with sdk2_client.connected(url, key.text, sdk2_client.HANDSHAKE, exchanges=exchanges) as client:
            return (await client.call_tool("answer_later")).structured_content

    assert asyncio.run(asyncio.wait_for(fetch(), 20))["text"] == "at last"
    # One GET is the listening stream, the other one resumed the stream of the call.
    assert sum((exchange.method, exchange.status) == ("GET", 200) for exchange in exchanges) >= 1
    (call,) = admin.calls(key.key_id, expected=1)
    assert (call["tool_name"], call["table_name"], call["record_count"]) == ("answer_later", "later", 3)


def test_a_call_whose_worker_died_is_metered_by_another_worker(upstream: McpServer, tmp_path: Path) -> None:
    running = Running("up", "--upstream", upstream.url, data_dir=tmp_path / "data")
    try:
        running.until_ready()
        admin = AdminClient(running)
        key = admin.new_key("survives")
        session = {"Mcp-Session-Id": open_session(running, key.text), "MCP-Protocol-Version": "2025-11-25"}
        message = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "answer_later"}}
        fields = {"Authorization": f"Bearer {key.text}", "Accept": "application/json, text/event-stream", **session}
        with requests.post(f"{running.url}/mcp", json=message, headers=fields, stream=True, timeout=20) as asked:
            last = next(line.partition(b": ")[2] for line in asked.iter_lines() if line.startswith(b"id: "))
            for pid in workers(running):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 20
        while not (results := resume(running, {**fields, "Last-Event-ID": last.decode()})):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert [result["structuredContent"]["text"] for result in results] == ["at last"]
        resume(running, {**fields, "Last-Event-ID": last.decode()})
        (call,) = admin.calls(key.key_id, expected=1)
        assert (call["tool_name"], call["table_name"], call["record_count"]) == ("answer_later", "later", 3)
    finally:
        running.stop()


def open_session(running: Running, key: str) -> str:
    """Open a session and return its id."""
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
    opened = running.rpc({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}, key)
    session_id = opened.headers["Mcp-Session-Id"]
    initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert running.rpc(initialized, key, **{"Mcp-Session-Id": session_id}).status_code == 202
    return session_id


def workers(running: Running) -> list[int]:
    """Return the process ids of the workers."""
    under = processes_under(running.process.pid)
    return [
        pid
        for pid in under
        if b"gateway.runtime.proxy_worker" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    ]


def resume(running: Running, fields: dict[str, str]) -> list[dict[str, Any]]:
    """Resume a stream and return the results on it; empty if it cannot be resumed yet."""
    try:
        with requests.get(f"{running.url}/mcp", headers=fields, stream=True, timeout=2) as answer:
            for line in answer.iter_lines():
                if line.startswith(b"data: {") and "result" in (message := json.loads(line[6:])):
                    return [message["result"]]
    except requests.RequestException:
        pass
    return []


def test_handshakes_whose_client_disconnects_leave_no_session_at_the_upstream(
    gateway: Running, upstream: McpServer, admin: AdminClient
) -> None:
    before = open_sessions(upstream)
    for n in range(40):
        disconnect_during_handshake(gateway, after=n % 8 * 0.0005)
    assert open_sessions(upstream) > before
    # The gateway registers every session, although its client has disconnected, and deletes it.
    wait_until(lambda: open_sessions(upstream) <= before, UNCLAIMED_SECONDS + 10)


def disconnect_during_handshake(gateway: Running, after: float) -> None:
    """Send `initialize` without a key, and reset the connection `after` seconds later."""
    client_info = {"name": "hasty", "version": "1"}
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client_info}
    body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).encode()
    head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    client = socket.create_connection(("127.0.0.1", gateway.proxy_port), timeout=30)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.sendall(head.encode() + b"\r\n" + body)
    time.sleep(after)
    client.close()
