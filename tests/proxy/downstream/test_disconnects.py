"""A disconnect leaves nothing behind, and an incomplete response never looks complete."""

from __future__ import annotations

import asyncio
import logging

import pytest

from gateway.proxy.pipeline.response_stream import ResponseStream
from tests.proxy.downstream.lines import POST
from tests.support.gateway import Gateway
from tests.support.scripted_upstream import (
    ScriptedUpstream,
    answer_raw,
    sse_head,
)
from tests.support.waiting import socket_events
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
