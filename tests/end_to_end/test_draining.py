"""SIGTERM on a busy proxy: it accepts no more connections, finishes and meters running calls, and exits with 0."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from tests.support.admin_client import AdminClient
from tests.support.production import Production
from tests.support.running_up import Running, is_alive, processes_under
from tests.support.scripted_upstream import Request, ScriptedUpstream, scripted_upstream

RESULT = {"structuredContent": {"table": "slow_table", "record_count": 3, "rows": [1, 2, 3]}, "content": []}
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}

CALLS = range(1, 9)
"""Enough connections that each worker gets some."""


def call(id_: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "method": "tools/call", "params": {"name": "slow", "arguments": {}}}


def result(id_: int) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id_, "result": RESULT}


def event(message: Any) -> bytes:
    """An SSE event as a chunk."""
    data = b"event: message\ndata: " + json.dumps(message).encode() + b"\n\n"
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


NOT_PROBED = "accepts connections but does not answer in"
"""The warning about an upstream that runs in the test itself, which waits for the gateway to start."""


class SlowUpstream:
    """Answers calls after `go_on` is set: odd ids with a stream, even ids with JSON. Listening streams never end."""

    def __init__(self) -> None:
        self.calls = asyncio.Semaphore(0)
        """Released for each call that arrives."""
        self.go_on = asyncio.Event()

    async def all_calls(self) -> None:
        """Wait until every call of `CALLS` has arrived."""
        async with asyncio.timeout(30):
            for _ in CALLS:
                await self.calls.acquire()

    async def answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.line.startswith(b"GET") or request.message["method"] == "subscriptions/listen":
            writer.write(STREAM + event(PROGRESS))
            return
        id_ = request.message["id"]
        if id_ % 2:
            writer.write(STREAM + event(PROGRESS))
            await writer.drain()
        self.calls.release()
        await self.go_on.wait()
        if id_ % 2:
            writer.write(event(result(id_)) + b"0\r\n\r\n")
            return
        body = json.dumps(result(id_)).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)


@pytest.fixture
async def slow() -> AsyncIterator[tuple[SlowUpstream, ScriptedUpstream]]:
    script = SlowUpstream()
    async with scripted_upstream() as upstream:
        upstream.answer = script.answer
        yield script, upstream
        script.go_on.set()


async def refuses_connections(running: Running) -> None:
    """Wait until the port refuses connections."""
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", running.proxy_port)
            except ConnectionRefusedError:
                return
            writer.close()
            await asyncio.sleep(0.01)


async def result_of(session: aiohttp.ClientSession, url: str, message: Any) -> bytes:
    """Send a call and return its result when the response is complete. Raises `aiohttp.ClientError`."""
    async with session.post(url, json=message) as response:
        body = await response.read()
        if response.content_type == "text/event-stream":
            return body.removesuffix(b"\n\n").rpartition(b"data: ")[2]
        return body


async def read_to_the_end(stream: aiohttp.ClientResponse) -> None:
    """Wait until a stream has ended or was closed."""
    try:
        await stream.read()
    except aiohttp.ClientPayloadError:
        return


async def test_running_calls_finish_and_are_metered_and_listening_streams_are_closed(
    production: Production, operator: AdminClient, slow: tuple[SlowUpstream, ScriptedUpstream]
) -> None:
    script, upstream = slow
    key = operator.new_key("draining")
    with production.proxy(expected=[NOT_PROBED], GATEWAY_UPSTREAM_URL=upstream.url) as proxy:
        url = f"{proxy.url}/mcp"
        headers = {"Authorization": f"Bearer {key.text}", "Accept": "application/json, text/event-stream"}
        async with aiohttp.ClientSession(headers=headers) as session:
            listening = await session.get(url)
            listen = {"jsonrpc": "2.0", "id": "l", "method": "subscriptions/listen", "params": {}}
            subscription = await session.post(url, json=listen)
            answers = [asyncio.create_task(result_of(session, url, call(id_))) for id_ in CALLS]
            await script.all_calls()

            proxy.process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(asyncio.gather(read_to_the_end(listening), read_to_the_end(subscription)), 30)
            await refuses_connections(proxy)
            assert not any(answer.done() for answer in answers)
            assert proxy.process.poll() is None
            script.go_on.set()
            async with asyncio.timeout(30):
                assert [json.loads(await answer) for answer in answers] == [result(id_) for id_ in CALLS]
        children = processes_under(proxy.process.pid)
        assert await asyncio.to_thread(proxy.wait, 5) == 0
        assert not any(is_alive(pid) for pid in children)
    calls = operator.calls(key.key_id, expected=len(CALLS))
    assert sorted((call["request_id"], call["table_name"], call["record_count"]) for call in calls) == [
        (str(id_), "slow_table", 3) for id_ in CALLS
    ]


async def test_a_call_that_exceeds_the_drain_time_out_is_aborted_and_never_looks_complete(
    production: Production, operator: AdminClient, slow: tuple[SlowUpstream, ScriptedUpstream]
) -> None:
    script, upstream = slow
    key = operator.new_key("never ending")
    changes = {"GATEWAY_UPSTREAM_URL": upstream.url, "GATEWAY_DRAIN_TIMEOUT": "1"}
    with production.proxy(expected=[NOT_PROBED], **changes) as proxy:
        url = f"{proxy.url}/mcp"
        async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {key.text}"}) as session:
            answers = [asyncio.create_task(result_of(session, url, call(id_))) for id_ in CALLS]
            await script.all_calls()
            proxy.process.send_signal(signal.SIGTERM)
            stopping = time.monotonic()
            for answer in answers:
                with pytest.raises(aiohttp.ClientError):
                    await answer
        assert await asyncio.to_thread(proxy.wait, 5) == 0
        assert time.monotonic() - stopping >= 1
    assert operator.calls(key.key_id, expected=0) == []
