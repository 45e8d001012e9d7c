"""Slow clients pause the upstream within bounded memory, and do not delay others."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import cast

import pytest

from gateway.proxy.downstream import connection as connection_module
from gateway.proxy.downstream import flow_control
from tests.proxy.downstream.lines import POST
from tests.support.gateway import Gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
    answer_raw,
    chunk,
    http,
    sse_head,
)
from tests.support.waiting import socket_events, until
from tests.support.wire import (
    EVIL,
    connection,
    request,
)


def pause_reading(writer: asyncio.StreamWriter) -> None:
    cast(asyncio.Transport, writer.transport).pause_reading()


def resume_reading(writer: asyncio.StreamWriter) -> None:
    cast(asyncio.Transport, writer.transport).resume_reading()


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked", b"Content-Length: 20000000"])
async def test_a_slow_reader_pauses_the_upstream_within_bounded_memory(
    gateway: Gateway, upstream: ScriptedUpstream, framing: bytes
) -> None:
    event = b"data: " + b"x" * 9_990 + b"\n\n\n\n"
    is_chunked = b"chunked" in framing
    written, finished = 0, asyncio.Event()

    async def answer(_request: object, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        writer.transport.set_write_buffer_limits(high=65_536)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n" + framing + b"\r\n\r\n")
        for _ in range(2000):
            writer.write(chunk(event) if is_chunked else event)
            await writer.drain()
            written += len(event)
        if is_chunked:
            writer.write(chunk(b""))
        finished.set()

    upstream.answer = answer
    async with connection(gateway) as (reader, writer):
        pause_reading(writer)
        writer.write(request(POST, key=await gateway.key(), body=EVIL))
        previous = -1
        while written != previous:
            previous = written
            await asyncio.sleep(0.1)
        assert not finished.is_set()
        assert 0 < _buffered(gateway) < 1024 * 1024
        # Apart from the sockets' own buffers (some MB), little was read.
        assert written < 16 * 1024 * 1024
        resume_reading(writer)
        size = 0
        while not finished.is_set() or size < 20_000_000:
            size += len(await reader.read(1 << 20))


def _buffered(gateway: Gateway) -> int:
    """Return the bytes that the worker buffers for clients and of the upstream."""
    to_clients = gateway.unwritten_bytes
    of_upstream = sum(connection.unread_bytes for connection in gateway.pool.connections)
    return to_clients + of_upstream


async def test_a_client_that_reads_nothing_for_too_long_is_disconnected(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_control, "WRITE_TIMEOUT", 0.2)
    broken = asyncio.Event()

    async def answer(_request: object, writer: asyncio.StreamWriter) -> None:
        writer.write(sse_head())
        try:
            while True:
                writer.write(chunk(b"data: " + b"x" * 65_536 + b"\n\n"))
                await writer.drain()
        except ConnectionError:
            broken.set()
            raise

    upstream.answer = answer
    async with connection(gateway) as (_, writer):
        pause_reading(writer)
        writer.write(request(b"GET /mcp HTTP/1.1", key=await gateway.key(), body=b"", length=False))
        await asyncio.wait_for(broken.wait(), 30)
    assert gateway.pool.connections == []


async def test_a_client_that_does_not_read_the_end_of_its_last_response_is_disconnected(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_SECONDS", 0.2)

    upstream.answer = partial(end_after_filling_sockets, gateway)
    async with connection(gateway) as (_, writer):
        pause_reading(writer)
        writer.write(request(POST, b"Connection: close", key=await gateway.key(), body=EVIL))
        await until(lambda: gateway.unwritten_bytes)
        await until(lambda: not gateway.worker.server.connections)


async def test_a_response_without_framing_that_is_not_read_to_its_end_is_reset(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_SECONDS", 0.2)

    upstream.answer = partial(end_after_filling_sockets, gateway)
    async with connection(gateway) as (reader, writer):
        pause_reading(writer)
        writer.write(request(b"POST /mcp HTTP/1.0", key=await gateway.key(), body=EVIL))
        await until(lambda: gateway.unwritten_bytes)
        await until(lambda: not gateway.worker.server.connections)
        resume_reading(writer)
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_a_rejected_request_does_not_cut_off_the_response_to_an_earlier_one(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "LINGER_SECONDS", 0.1)
    events = 0

    async def answer(_request: object, writer: asyncio.StreamWriter) -> None:
        nonlocal events
        events = await fill_sockets(gateway, writer)
        writer.write(chunk(b""))

    upstream.answer = answer
    async with connection(gateway) as (reader, writer):
        pause_reading(writer)
        writer.write(request(POST, key=await gateway.key(), body=EVIL) + b"GARBAGE\r\n\r\n")
        await until(lambda: gateway.unwritten_bytes)
        await until(lambda: gateway.metrics.reasons == ["forwarded", "framing"])
        await asyncio.sleep(0.4)
        resume_reading(writer)
        received = await reader.read()
        assert received.count(b"data: ") == events
        assert received.count(b"HTTP/1.1 400 ") == 1


async def end_after_filling_sockets(gateway: Gateway, _request: object, writer: asyncio.StreamWriter) -> None:
    """Respond with a complete stream whose end the gateway has to buffer for its client."""
    await fill_sockets(gateway, writer)
    writer.write(chunk(b""))


async def fill_sockets(gateway: Gateway, writer: asyncio.StreamWriter) -> int:
    """Send events until the gateway has to buffer some for its client, less than what pauses its writing.

    Returns how many those are.
    """
    events = 0
    writer.write(sse_head())
    while not gateway.unwritten_bytes:
        events += 1
        writer.write(chunk(b"data: " + b"x" * 20_000 + b"\n\n"))
        await writer.drain()
        await socket_events()
    return events


async def test_a_client_that_reads_nothing_and_closes_its_side_ends_its_stream(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    async def answer(_request: object, writer: asyncio.StreamWriter) -> None:
        await fill_sockets(gateway, writer)

    upstream.answer = answer
    async with connection(gateway) as (_, writer):
        pause_reading(writer)
        writer.write(request(b"GET /mcp HTTP/1.1", key=await gateway.key(), body=b"", length=False))
        await until(lambda: gateway.unwritten_bytes)
        assert gateway.metrics.open_streams == 1
        writer.write_eof()
        await until(lambda: not gateway.metrics.open_streams)
        writer.transport.abort()


async def test_a_slow_reader_that_makes_progress_stays_connected(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flow_control, "WRITE_TIMEOUT", 0.7)
    size = 30_000_000
    upstream.answer = answer_raw(http(b" " * size))
    async with connection(gateway) as (reader, writer):
        pause_reading(writer)
        writer.write(request(POST, key=await gateway.key()))
        received = 0
        while received < size:
            resume_reading(writer)
            received += len(await reader.read(1 << 20))
            pause_reading(writer)
            await asyncio.sleep(0.01)


async def test_many_pipelined_requests_do_not_delay_other_clients(gateway: Gateway) -> None:
    flood = b"OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20_000
    async with connection(gateway) as (reader, writer), connection(gateway) as (other, asking):
        writer.write(flood)
        await reader.readexactly(1)
        asking.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        received, answered = 1, asyncio.ensure_future(other.readuntil(b"}"))
        while not answered.done():
            received += len(await reader.read(65_536))
        size = len(await reader.readuntil(b"\r\n\r\n"))
        assert received < 20_000 * size / 4, "the other client is served long before the last pipelined request"
