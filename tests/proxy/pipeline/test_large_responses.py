"""Responses that are too large to be inspected pass, and are counted when they have passed, with their size."""

from __future__ import annotations

import asyncio
import gzip
import json

import pytest

from tests.proxy.streams import result
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import Request, ScriptedUpstream, answer_raw, chunk, http, sse_head

LARGE = 33 * 1024 * 1024
_START, _END = json.dumps(result()).encode().split(b'"content": []')
TEXT = _START + b'"content": [{"type": "text", "text": "' + b"x" * LARGE + b'"}]' + _END
EVENT = b"data: " + TEXT + b"\n\n"


def in_chunks(raw: bytes, size: int = 1024 * 1024) -> bytes:
    return b"".join(chunk(raw[start : start + size]) for start in range(0, len(raw), size)) + chunk(b"")


RESPONSES = {
    "json with a length": http(TEXT),
    "json in chunks": sse_head().replace(b"text/event-stream", b"application/json") + in_chunks(TEXT),
    "events with a length": http(EVENT, "text/event-stream"),
    "events in chunks": sse_head() + in_chunks(EVENT),
    "an incomplete event": sse_head() + in_chunks(EVENT[:-2]),
}


@pytest.mark.parametrize("name", RESPONSES)
async def test_a_large_response_is_counted_with_the_bytes_that_passed(
    gateway: Gateway, upstream: ScriptedUpstream, name: str
) -> None:
    upstream.answer = answer_raw(RESPONSES[name])
    response = await gateway.post(call(), await gateway.key())
    assert response.status == 200
    (counted,) = await gateway.events()
    assert (counted.status, counted.record_count, counted.count_method) == ("ok", None, "unknown")
    assert counted.response_bytes == len(response.body)
    assert len(response.body) >= LARGE


async def test_a_large_response_that_is_compressed_is_counted_with_its_bytes(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    body = gzip.compress(TEXT.replace(b"x" * 100, bytes(range(65, 91)) * 4), 1)
    upstream.answer = answer_raw(http(body, extra="Content-Encoding: gzip\r\n"))
    response = await gateway.post(call(), await gateway.key())
    assert response.body == body
    assert [(event.record_count, event.response_bytes) for event in await gateway.events()] == [(None, len(body))]


async def test_events_after_a_large_one_pass_as_they_are(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_raw(sse_head() + in_chunks(EVENT + b": end\n\n"))
    response = await gateway.post(call(), await gateway.key())
    assert response.body.endswith(b": end\n\n")
    assert [event.response_bytes for event in await gateway.events()] == [len(EVENT)]


@pytest.mark.parametrize("name", ["json with a length", "json in chunks", "events in chunks"])
async def test_a_large_response_that_breaks_off_is_not_counted(
    gateway: Gateway, upstream: ScriptedUpstream, name: str
) -> None:
    async def respond(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(RESPONSES[name][:-10])
        await writer.drain()
        writer.close()

    upstream.answer = respond
    headers = {"Authorization": f"Bearer {await gateway.key()}"}
    with pytest.raises(Exception, match=r"payload|closed|reset|disconnect"):
        async with gateway.session.post(gateway.url, json=call(), headers=headers) as response:
            await response.read()
    assert await gateway.events() == []


@pytest.mark.parametrize("name", RESPONSES)
async def test_a_large_response_is_502_for_a_key_limited_to_tables(
    gateway: Gateway, upstream: ScriptedUpstream, name: str
) -> None:
    upstream.answer = answer_raw(RESPONSES[name])
    response = await gateway.post(call(table="prices"), await gateway.key(allowed_tables=("prices",)))
    assert response.status == 502
    assert await gateway.events() == []
