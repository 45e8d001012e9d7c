"""Pings on silent event streams: between events only, and on nothing else."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from gateway.proxy.pipeline.streams import event_stream
from tests.proxy.streams import event, result
from tests.support.gateway import Gateway, running_gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, chunk, http, sse_head

PING = b": ping\n\n"
SECONDS = 0.2
CALL = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get", "arguments": {}}}
INITIALIZE = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {}}
RESULT = event(result())


@pytest.fixture
def start(redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path) -> Callable[..., Any]:
    """A function that returns a context with a gateway that pings after a short silence."""
    return lambda **changes: running_gateway(
        redis, valkey_url, upstream.url, tmp_path, **{"sse_ping_seconds": SECONDS, **changes}
    )


def respond(upstream: ScriptedUpstream, *parts: bytes | float) -> None:
    """Have the upstream send these parts of a response, and be silent for these seconds."""

    async def answer(_: Request, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            if isinstance(part, float):
                await writer.drain()
                await asyncio.sleep(part)
            else:
                writer.write(part)

    upstream.answer = answer


async def post(gateway: Gateway, message: Any = CALL, key: str | None = None) -> tuple[aiohttp.ClientResponse, bytes]:
    """Send a message and return the response with its whole body."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with gateway.session.post(gateway.url, json=message, headers=headers) as response:
        return response, await response.read()


def events(body: bytes) -> list[bytes]:
    """Return the events of a stream without the pings between them, which divide none."""
    parts = body.split(b"\n\n")
    assert parts.pop() == b""
    return [part + b"\n\n" for part in parts if part + b"\n\n" != PING]


@pytest.mark.parametrize("fast_path", [True, False])
async def test_a_stream_that_is_silent_from_its_head_on_gets_pings_until_its_event_comes(
    start: Callable[..., Any], upstream: ScriptedUpstream, fast_path: bool
) -> None:
    async with start(fast_path=fast_path) as gateway:
        key = await gateway.key()
        respond(upstream, sse_head(), chunk(RESULT), chunk(b""))
        await post(gateway, key=key)
        respond(upstream, sse_head(), 3.5 * SECONDS, chunk(RESULT), chunk(b""))
        _, body = await post(gateway, key=key)
        assert body.endswith(RESULT)
        assert events(body) == [RESULT]
        assert body.startswith(PING)
        assert len(await gateway.until_events(2)) == 2


async def test_pings_come_between_events_and_not_after_events_in_time(
    start: Callable[..., Any], upstream: ScriptedUpstream
) -> None:
    progress = event({"jsonrpc": "2.0", "method": "notifications/progress", "params": {}})
    async with start() as gateway:
        respond(
            *(upstream, sse_head(), chunk(progress), SECONDS / 2, chunk(progress), SECONDS / 2, chunk(progress)),
            *(1.5 * SECONDS, chunk(RESULT), chunk(b"")),
        )
        _, body = await post(gateway, key=await gateway.key())
        assert events(body) == [progress] * 3 + [RESULT]
        assert body.endswith(PING + RESULT)


@pytest.mark.parametrize("position", [1, 20, len(RESULT) - 2, len(RESULT) - 1])
async def test_an_event_that_arrives_in_two_halves_is_not_divided(
    start: Callable[..., Any], upstream: ScriptedUpstream, position: int
) -> None:
    async with start() as gateway:
        first, second = RESULT[:position], RESULT[position:]
        respond(upstream, sse_head(), chunk(first), 1.5 * SECONDS, chunk(second), chunk(b""))
        _, body = await post(gateway, key=await gateway.key())
        assert events(body) == [RESULT]
        assert body.startswith(PING)


async def test_an_event_that_is_passed_on_in_parts_is_not_divided(
    start: Callable[..., Any], upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "MAX_INSPECTED", 100)
    large = event({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x" * 1000}})
    async with start() as gateway:
        respond(
            *(upstream, sse_head(), chunk(large[:500]), 1.5 * SECONDS, chunk(large[500:]), 1.5 * SECONDS),
            *(chunk(RESULT), chunk(b"")),
        )
        _, body = await post(gateway, key=await gateway.key())
        assert events(body) == [large, RESULT]
        assert body.endswith(PING + RESULT)


async def test_a_stream_without_a_key_gets_pings_too(start: Callable[..., Any], upstream: ScriptedUpstream) -> None:
    async with start() as gateway:
        respond(upstream, sse_head(), 1.5 * SECONDS, chunk(RESULT), chunk(b""))
        _, body = await post(gateway, INITIALIZE)
        assert events(body) == [RESULT]
        assert body.startswith(PING)


async def test_a_listening_stream_gets_pings(start: Callable[..., Any], upstream: ScriptedUpstream) -> None:
    async with start() as gateway:
        respond(upstream, sse_head(), 10.0)
        headers = {"Authorization": f"Bearer {await gateway.key()}", "Accept": "text/event-stream"}
        async with asyncio.timeout(30), gateway.session.get(gateway.url, headers=headers) as response:
            assert await response.content.readexactly(3 * len(PING)) == PING * 3


@pytest.mark.parametrize("seconds", [0, 60])
async def test_no_ping_is_sent_before_its_time_or_if_that_is_0(
    start: Callable[..., Any], upstream: ScriptedUpstream, seconds: float
) -> None:
    async with start(sse_ping_seconds=seconds) as gateway:
        respond(upstream, sse_head(), 0.5, chunk(RESULT), chunk(b""))
        assert (await post(gateway, key=await gateway.key()))[1] == RESULT


async def test_nothing_but_event_streams_gets_pings(start: Callable[..., Any], upstream: ScriptedUpstream) -> None:
    body = json.dumps(result()).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with start() as gateway:
        key = await gateway.key()
        respond(upstream, head, 1.5 * SECONDS, chunk(body[:9]), 1.5 * SECONDS, chunk(body[9:]), chunk(b""))
        assert (await post(gateway, key=key))[1] == body
        complete = http(RESULT, "text/event-stream")
        respond(upstream, complete[:-9], 1.5 * SECONDS, complete[-9:])
        response, received = await post(gateway, key=key)
        assert (received, response.headers["Content-Length"]) == (RESULT, str(len(RESULT)))


async def test_a_compressed_stream_gets_no_pings(start: Callable[..., Any], upstream: ScriptedUpstream) -> None:
    packed = gzip.compress(RESULT)
    async with start() as gateway:
        respond(upstream, sse_head("Content-Encoding: gzip\r\n"), 1.5 * SECONDS, chunk(packed), chunk(b""))
        response, body = await post(gateway, key=await gateway.key())
        assert (response.headers["Content-Encoding"], body) == ("gzip", packed)


async def test_an_idle_connection_is_closed_after_the_keep_alive_timeout(
    start: Callable[..., Any], upstream: ScriptedUpstream
) -> None:
    async with start(keepalive_timeout=0.3) as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        async with asyncio.timeout(30):
            answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 200")
        writer.close()
