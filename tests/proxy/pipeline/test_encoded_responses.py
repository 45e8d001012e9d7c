"""Compressed responses, although `identity` was asked for, are counted and checked like any other."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import Any

import pytest

from tests.proxy.keep_alive import PausedUpstream, warm_client
from tests.proxy.streams import ACCEPTED, PROGRESS, listening, messages_in, result
from tests.support.content_codings import ENCODERS, FlushingGzip
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import Request, ScriptedUpstream, answer_raw, chunk, http, sse_event, sse_head
from tests.support.waiting import until
from tests.support.wire import answers_in

CODINGS = pytest.mark.parametrize("coding", ENCODERS)
TEXT = json.dumps(result()).encode()
EVENTS = sse_event(PROGRESS) + sse_event(result())
TOOLS = {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "get_a"}, {"name": "drop"}]}}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
LIMITED = pytest.mark.parametrize("scopes", [{"allowed_tables": ("prices",)}, {"allowed_tools": ("get",)}])
UNDECODABLE = {
    "unknown": ("compress", b"\x1f\x9d"),
    "two codings": ("gzip, gzip", gzip.compress(gzip.compress(TEXT))),
    "damaged": ("gzip", gzip.compress(TEXT)[:15] + b"\xff\xff\xff\xff" + gzip.compress(TEXT)[19:]),
    "cut": ("gzip", gzip.compress(TEXT)[:-9]),
    "no gzip": ("gzip", TEXT),
    "bytes after the end": ("gzip", gzip.compress(TEXT) + b"{}"),
    "a bomb": ("gzip", gzip.compress(bytes(3_000_000))),
}


def encoded(body: bytes, coding: str, content_type: str = "application/json", status: str = "200 OK") -> bytes:
    return http(body, content_type, status, extra=f"Content-Encoding: {coding}\r\n")


@CODINGS
async def test_a_body_is_counted_and_sent_as_it_came(gateway: Gateway, upstream: ScriptedUpstream, coding: str) -> None:
    body = ENCODERS[coding](TEXT)
    upstream.answer = answer_raw(encoded(body, coding))
    key = await gateway.key()
    response = await gateway.post(call(), key)
    assert (response.body, response.headers["Content-Encoding"]) == (body, coding)
    async with warm_client(gateway, upstream, key) as client:
        (answer,) = answers_in(await client.exchange(call()))
    assert (answer.body, answer.values("content-encoding")) == (body, [coding])
    counted = [(event.table_names, event.record_count, event.response_bytes) for event in await gateway.events()]
    assert counted[0] == counted[2] == (("prices",), 2, len(TEXT))


@CODINGS
async def test_a_body_is_checked_and_what_replaces_it_is_not_compressed(
    gateway: Gateway, upstream: ScriptedUpstream, coding: str
) -> None:
    body = ENCODERS[coding](TEXT)
    upstream.answer = answer_raw(encoded(body, coding))
    allowed, other = await gateway.key(allowed_tables=("prices",)), await gateway.key(allowed_tables=("other",))
    response = await gateway.post(call(table="prices"), allowed)
    assert (response.body, response.headers["Content-Encoding"]) == (body, coding)
    response = await gateway.post(call(table="other"), other)
    assert "Content-Encoding" not in response.headers
    assert "may not read the table prices" in response.error["message"]
    assert [event.status for event in await gateway.events()] == ["ok", "denied"]


@CODINGS
async def test_a_list_of_tools_is_filtered(gateway: Gateway, upstream: ScriptedUpstream, coding: str) -> None:
    key = await gateway.key(allowed_tools=("get_*",))
    for content_type, text in (
        ("application/json", json.dumps(TOOLS).encode()),
        ("text/event-stream", sse_event(TOOLS)),
    ):
        upstream.answer = answer_raw(encoded(ENCODERS[coding](text), coding, content_type))
        response = await gateway.post(LIST, key)
        assert "Content-Encoding" not in response.headers
        (message,) = messages_in(response.body) if content_type != "application/json" else [response.json]
        assert message["result"]["tools"] == [{"name": "get_a"}]


@pytest.mark.parametrize(("content_type", "text"), [("application/json", TEXT), ("text/event-stream", EVENTS)])
async def test_the_records_of_a_result_are_limited(
    gateway: Gateway, upstream: ScriptedUpstream, content_type: str, text: bytes
) -> None:
    both_sent = asyncio.Event()

    async def respond(_request: Request, writer: asyncio.StreamWriter) -> None:
        if len(upstream.requests) == 2:
            both_sent.set()
        await both_sent.wait()
        writer.write(encoded(gzip.compress(text, mtime=0), "gzip", content_type))

    upstream.answer = respond
    key = await gateway.key(records_per_day=1)
    responses = await asyncio.gather(*(gateway.post(call(), key) for _ in range(2)))
    passed, denied = sorted(responses, key=lambda response: b"1 records a day" in response.body)
    is_json = content_type == "application/json"
    assert (passed.body == gzip.compress(text, mtime=0)) is is_json
    assert passed.headers.get("Content-Encoding") == ("gzip" if is_json else None)
    assert b"1 records a day" in denied.body
    assert "Content-Encoding" not in denied.headers
    assert sorted(event.status for event in await gateway.events()) == ["denied", "ok"]


async def test_events_are_counted_and_sent_as_they_came_when_they_arrive(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    encoder = FlushingGzip()
    parts = [encoder.part(sse_event(message)) for message in (PROGRESS, PROGRESS, result())] + [encoder.end()]
    may_continue = asyncio.Semaphore(1)

    async def respond(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(sse_head("Content-Encoding: gzip\r\n"))
        for part in parts:
            await may_continue.acquire()
            writer.write(chunk(part))
        writer.write(chunk(b""))

    upstream.answer = respond
    headers = {"Authorization": f"Bearer {await gateway.key()}"}
    async with asyncio.timeout(30), gateway.session.post(gateway.url, json=call(), headers=headers) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        for number, part in enumerate(parts):
            assert await response.content.readexactly(len(part)) == part
            assert len(await gateway.events()) == (number >= 2)
            may_continue.release()
        assert await response.read() == b""


@CODINGS
async def test_events_in_one_chunk_or_in_many_are_counted(
    gateway: Gateway, upstream: ScriptedUpstream, coding: str
) -> None:
    body = ENCODERS[coding](EVENTS)
    key = await gateway.key()
    for size in (len(body), 1, 10):
        chunks = b"".join(chunk(body[start : start + size]) for start in range(0, len(body), size))
        upstream.answer = answer_raw(sse_head(f"Content-Encoding: {coding}\r\n") + chunks + chunk(b""))
        assert (await gateway.post(call(), key)).body == body
    assert [event.record_count for event in await gateway.events()] == [2] * 3


@pytest.mark.parametrize(("table", "status"), [("prices", "ok"), ("other", "denied")])
async def test_events_that_may_have_to_be_replaced_are_sent_decoded(
    gateway: Gateway, upstream: ScriptedUpstream, table: str, status: str
) -> None:
    upstream.answer = answer_raw(encoded(gzip.compress(EVENTS), "gzip", "text/event-stream"))
    response = await gateway.post(call(table=table), await gateway.key(allowed_tables=(table,)))
    assert "Content-Encoding" not in response.headers
    progress, answer = messages_in(response.body)
    assert (progress, "result" in answer) == (PROGRESS, status == "ok")
    assert [event.status for event in await gateway.events()] == [status]


@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("name", UNDECODABLE)
async def test_what_cannot_be_decoded_passes_and_is_counted_as_unknown(
    gateway: Gateway, upstream: ScriptedUpstream, name: str, content_type: str
) -> None:
    coding, body = UNDECODABLE[name]
    upstream.answer = answer_raw(encoded(body, coding, content_type))
    key = await gateway.key()
    response = await gateway.post(call(), key)
    assert (response.status, response.body, response.headers["Content-Encoding"]) == (200, body, coding)
    async with warm_client(gateway, upstream, key) as client:
        (answer,) = answers_in(await client.exchange(call()))
    assert answer.body == body
    first, _, third = await gateway.events()
    assert (first.record_count, first.is_error, first.response_bytes) == (None, False, len(body))
    assert (third.record_count, third.is_error, third.response_bytes) == (None, False, len(body))


@LIMITED
@pytest.mark.parametrize("content_type", ["application/json", "text/event-stream"])
@pytest.mark.parametrize("name", UNDECODABLE)
async def test_what_cannot_be_decoded_is_502_for_a_key_with_scopes(
    gateway: Gateway, upstream: ScriptedUpstream, name: str, content_type: str, scopes: dict[str, Any]
) -> None:
    coding, body = UNDECODABLE[name]
    upstream.answer = answer_raw(encoded(body, coding, content_type))
    key = await gateway.key(**scopes)
    response = await gateway.post(call(table="prices"), key)
    assert (response.status, response.headers.get("Content-Encoding")) == (502, None)
    assert response.error["message"].startswith("The upstream's compressed response cannot be decoded: ")
    assert await gateway.events() == []
    assert [connection.state.value for connection in gateway.pool.connections] in ([], ["idle"])


async def test_a_failure_that_cannot_be_decoded_is_counted_as_an_error(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_raw(encoded(b"x", "compress", status="500 No"))
    assert (await gateway.post(call(), await gateway.key())).status == 500
    assert [(event.status, event.record_count) for event in await gateway.events()] == [("rpc_error", None)]


async def test_a_body_that_breaks_off_is_502_and_not_counted(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_raw(encoded(gzip.compress(TEXT), "gzip")[:-1], close=True)
    response = await gateway.post(call(), await gateway.key())
    assert response.status == 502
    assert await gateway.events() == []


async def test_a_call_whose_client_disconnects_is_counted(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        paused = PausedUpstream(upstream, encoded(gzip.compress(TEXT), "gzip"))
        client.send(call())
        await paused.arrived.wait()
        client.disconnect()
        await until(lambda: len(gateway.worker.services.forwarding.detached_calls) == 1)
        paused.release.set()
        assert [event.record_count for event in await gateway.until_events(2)] == [2, 2]


async def test_the_message_endpoint_is_replaced_in_a_compressed_stream(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    encoder = FlushingGzip()
    endpoint = encoder.part(b"event: endpoint\ndata: http://127.0.0.1:%d/m?session_id=abc\n\n" % upstream.port)

    async def respond(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(sse_head("Content-Encoding: gzip\r\n") + chunk(endpoint))

    upstream.answer = respond
    async with asyncio.timeout(30), listening(gateway, await gateway.key()) as content:
        assert await content.readline() == b"event: endpoint\n"
        assert await content.readline() == b"data: /mcp?session_id=abc\n"


async def test_results_on_a_compressed_listening_stream_are_counted(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    was_posted, encoder, key = asyncio.Event(), FlushingGzip(), await gateway.key()

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        if not request.line.startswith(b"GET "):
            was_posted.set()
            writer.write(ACCEPTED)
            return
        writer.write(sse_head("Content-Encoding: gzip\r\n"))
        writer.write(chunk(encoder.part(b"event: endpoint\ndata: /m?session_id=abc\n\n")))
        await was_posted.wait()
        writer.write(chunk(encoder.part(sse_event(result()))))

    upstream.answer = respond
    async with asyncio.timeout(30), listening(gateway, key) as content:
        await content.readuntil(b"\n\n")
        await gateway.request("POST", "/mcp?session_id=abc", key=key, data=call())
        assert await content.readuntil(b"\n\n") == sse_event(result())
    assert [event.record_count for event in await gateway.events()] == [2]


async def test_requests_other_than_calls_pass_undecoded(gateway: Gateway, upstream: ScriptedUpstream) -> None:
    upstream.answer = answer_raw(encoded(b"nonsense", "gzip"))
    response = await gateway.post({"jsonrpc": "2.0", "id": 1, "method": "ping"}, await gateway.key())
    assert (response.status, response.body) == (200, b"nonsense")
    assert await gateway.events() == []
