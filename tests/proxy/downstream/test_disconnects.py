"""A disconnect leaves nothing behind, and an incomplete response never looks complete."""

from __future__ import annotations

import asyncio
import functools
import gc
import logging
from collections.abc import Iterator

import pytest

from gateway.proxy.downstream.connection import ClientConnection
from gateway.proxy.downstream.server import ProxyServer
from gateway.proxy.pipeline.streams.response_stream import ResponseStream
from gateway.proxy.upstream.connection import UpstreamConnection
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
    PING,
    assert_untouched,
    connection,
    exchange,
    request,
)


async def test_a_disconnect_within_a_request_causes_no_error_and_no_upstream_request(
    gateway: Gateway, upstream: ScriptedUpstream, caplog: pytest.LogCaptureFixture
) -> None:
    raw = request(POST, key=await gateway.key())
    for end in (10, 60, len(raw) - len(PING), len(raw) - 1):
        async with connection(gateway) as (_, writer):
            writer.write(raw[:end])
            await socket_events()
            writer.transport.abort()
    assert [response.status for response in await exchange(gateway, request(POST, b"Connection: close"))] == [401]
    assert_untouched(upstream)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("version", [b"1.1", b"1.0"])
async def test_a_response_that_fails_half_way_is_closed_incomplete(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    version: bytes,
) -> None:
    chunks, proceed = iter([b"data: 1\n\n"]), asyncio.Event()

    async def next_chunk(_stream: ResponseStream) -> bytes:
        if data := next(chunks, b""):
            return data
        await proceed.wait()
        raise ValueError("sk-hidden")

    monkeypatch.setattr(ResponseStream, "next_chunk", next_chunk)
    upstream.answer = answer_raw(sse_head())
    async with connection(gateway) as (reader, writer):
        writer.write(request(b"POST /mcp HTTP/" + version, key=await gateway.key()))
        assert (await reader.readuntil(b"data: 1\n\n")).startswith(b"HTTP/1.1 200 ")
        proceed.set()
        rest, is_reset = b"", False
        try:
            rest = await reader.read()
        except ConnectionError:
            is_reset = True
    assert (rest, is_reset) == ((b"\r\n", False) if version == b"1.1" else (b"", True))
    assert "ValueError" in caplog.text
    assert "hidden" not in caplog.text


# Workers collect garbage rarely, so that connections must be freed without that.


@pytest.fixture
def _no_garbage_collection() -> Iterator[None]:
    # Recorded log entries would keep alive the errors that they name.
    logging.disable()
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    logging.disable(logging.NOTSET)


def connections_in_memory() -> int:
    """Return how many connections to clients and to upstreams exist, closed ones included."""
    return sum(isinstance(each, ClientConnection | UpstreamConnection) for each in gc.get_objects())


def has_ticked(server: ProxyServer, last_tick: float) -> bool:
    return server.last_tick > last_tick


@pytest.mark.usefixtures("_no_garbage_collection")
async def test_a_client_that_disconnects_within_a_request_leaves_no_garbage(gateway: Gateway) -> None:
    raw = request(POST, key=await gateway.key())
    before = connections_in_memory()
    server = gateway.worker.server
    for _ in range(3):
        async with connection(gateway) as (_, writer):
            writer.write(raw[:-1])
            await until(lambda: gateway.active_requests == 1)
            # The check of the deadlines does not keep the connection either.
            await until(functools.partial(has_ticked, server, server.last_tick))
            writer.transport.abort()
        await until(lambda: not server.connections)
    await until(lambda: connections_in_memory() <= before)


@pytest.mark.usefixtures("_no_garbage_collection")
@pytest.mark.parametrize("raw", [http(b"{}")[:-1], sse_head() + chunk(b"data: 1\n\n")], ids=["json", "stream"])
async def test_an_upstream_that_fails_leaves_no_garbage(
    gateway: Gateway, upstream: ScriptedUpstream, raw: bytes
) -> None:
    upstream.answer = answer_raw(raw, close=True)
    key = await gateway.key()
    before = connections_in_memory()
    for _ in range(3):
        await gateway.raw(request(POST, b"Connection: close", key=key))
    await until(lambda: not gateway.worker.server.connections)
    await until(lambda: connections_in_memory() <= before)
