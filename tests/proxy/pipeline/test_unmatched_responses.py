"""Whatever form a result has, no client gets it without one usage event, and no key gets it that may not."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.usage.event import UsageEvent
from tests.proxy.keep_alive import in_segments, warm_client
from tests.proxy.streams import PROGRESS, Listening, Streams, event, listening, next_event, result, stream
from tests.support.gateway import Gateway, call
from tests.support.scripted_upstream import Request, ScriptedUpstream, answer_json, answer_raw, chunk, http, sse_head
from tests.support.waiting import until

MARK = b"the-data"
NAN = b'"structuredContent":{"rows":[1,2],"a":NaN}'
ROWS = b'{"content":[{"type":"text","text":"[{\\"a\\":\\"the-data\\"},{\\"a\\":2}]"}]}'
ERROR = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'
EVENTS = "text/event-stream"


def message(id_: str = "1", result: bytes = ROWS) -> bytes:
    return b'{"jsonrpc":"2.0","id":%s,"result":%s}' % (id_.encode(), result)


def sse(data: bytes) -> bytes:
    return http(b"data: " + data + b"\n\n", EVENTS)


RESULT = message()
WITHOUT_ID = RESULT.replace(b'"id":1,', b"")
LARGE = message(result=b'{"content":[{"type":"text","text":"the-data%s"}],%s}' % (b"x" * 2_600_000, NAN))
DEEP = message(result=b'{"content":"the-data","a":%s%s}' % (b"[" * 5000, b"]" * 5000))
COUNTED = {
    "the id as a fraction": http(message("1.0")),
    "the id with an exponent": http(message("1e0")),
    "an event with the id as a fraction": sse(message("1.0")),
    "UTF-16": http(RESULT.decode().encode("utf-16"), "application/json; charset=utf-16"),
    "a byte order mark": http(b"\xef\xbb\xbf" + RESULT),
    "no content type": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(RESULT), RESULT),
    "plain text": http(RESULT, "text/plain"),
    "JSON as events": http(RESULT, EVENTS),
    "JSON and empty lines as events": http(RESULT + b"\n\n", EVENTS),
    "events with two content types": http(b"data: " + RESULT + b"\n\n", extra=f"Content-Type: {EVENTS}\r\n"),
    "JSON with two content types": http(RESULT, extra=f"Content-Type: {EVENTS}\r\n"),
    "events with a list of content types": http(b"data: " + RESULT + b"\n\n", f"application/json, {EVENTS}"),
    "a result and an error": http(RESULT[:-1] + b',"error":{"code":1,"message":"no"}}'),
    "a result and a method": http(RESULT[:-1] + b',"method":"notifications/message"}'),
    "an escaped member": http(RESULT.replace(b'"result"', b'"res\\u0075lt"')),
    "a result twice": http(b"[" + RESULT + b"," + RESULT + b"]"),
    "another type of event": http(b"event: other\ndata: " + RESULT + b"\n\n", EVENTS),
    "lone carriage returns": http(b"data: " + RESULT + b"\r\r: end\r\r", EVENTS),
    "another case of the content type": http(b"data: " + RESULT + b"\n\n", "Text/Event-Stream"),
    "205": http(RESULT, status="205 Reset Content"),
    "206": http(RESULT, status="206 Partial Content"),
    "202": http(RESULT, status="202 Accepted"),
    **{f"{status}": http(RESULT, status=f"{status} Other") for status in (300, 305, 306, 400, 404, 500, 600)},
}
"""Responses with a result that is counted like any other."""
UNKNOWN = {
    "the id as a string": http(message('"1"')),
    "another id": http(message("2")),
    "no id": http(WITHOUT_ID),
    "a null id": http(message("null")),
    "an event with the id as a string": sse(message('"1"')),
    "an event with no id": sse(WITHOUT_ID),
    "an event and then an error for nobody": http(
        b"data: %b\n\ndata: %b\n\n" % (message("2"), ERROR.replace(b'"id":1', b'"id":null')), EVENTS
    ),
    "not strict and large": http(LARGE),
    "an event not strict and large": sse(LARGE),
    "very deep": http(DEEP),
    "an event very deep": sse(DEEP),
    "an event with a NUL": sse(RESULT.replace(b'"id"', b'\0"id"')),
    "two lines": http(RESULT + b"\n" + RESULT, "application/x-ndjson"),
    "a nested list": http(b"[[" + RESULT + b"]]"),
    "several parts": http(b"--x\r\n\r\n" + RESULT + b"\r\n--x--\r\n", "multipart/mixed; boundary=x"),
    "events as JSON": http(b"data: " + RESULT + b"\n\n"),
    "compressed without a field": http(gzip.compress(RESULT)),
    "no JSON-RPC": http(b'{"rows":["the-data"]}'),
    "half of it as 206": http(RESULT[:-5], status="206 Partial Content"),
    "a comment": http(b": " + RESULT + b"\n\n", EVENTS),
    "an event id": http(b"id: " + RESULT + b"\n\n", EVENTS),
    "a retry time": http(b"retry: " + RESULT + b"\n\n", EVENTS),
}
"""Responses with a result that cannot be read, or that no id assigns to the call."""
UNANSWERED = {
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\nContent-Length: %d\r\n\r\n%b" % (len(RESULT), RESULT),
    "a text as 500": http(b"Internal Server Error", "text/plain", "500 Oops"),
    "a text as 202": http(b"Accepted", "text/plain", "202 Accepted"),
    "an empty body": http(b""),
    "an error for nobody": http(ERROR.replace(b'"id":1', b'"id":null'), status="400 No"),
    "a keep-alive event": http(b"event: ping\ndata: 2026-01-01\n\n", EVENTS),
}
"""Responses without a result."""
SESSIONS = pytest.mark.parametrize("fields", [(), (b"Mcp-Session-Id: s-1",)], ids=["no session", "a session"])


def answers(responses: dict[str, bytes]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("raw", responses.values(), ids=responses.keys())


async def both_paths(
    gateway: Gateway, upstream: ScriptedUpstream, raw: bytes, *fields: bytes
) -> AsyncIterator[tuple[bytes, list[UsageEvent]]]:
    """Yield the response to a call and its usage events: on the general path, and if it begins on the fast path."""
    named = {name.replace("-", "_"): value for name, value in (field.decode().split(": ") for field in fields)}
    upstream.answer = answer_raw(raw)
    body = (await gateway.post(call(), await gateway.key(), **named)).body
    yield body, await gateway.events()
    async with warm_client(gateway, upstream, await gateway.key(), *fields) as client:
        before = len(await gateway.events())
        body = await client.exchange(call())
        yield body, (await gateway.events())[before:]


@answers(COUNTED)
async def test_a_result_in_any_form_is_counted_once(gateway: Gateway, upstream: ScriptedUpstream, raw: bytes) -> None:
    async for _, events in both_paths(gateway, upstream, raw):
        (counted,) = events
        assert (counted.status, counted.record_count) == ("ok", 2)
        assert counted.response_bytes >= len(RESULT)


@SESSIONS
@answers(UNKNOWN)
async def test_a_result_that_cannot_be_read_or_matched_is_counted_once_with_unknown_records(
    gateway: Gateway, upstream: ScriptedUpstream, raw: bytes, fields: tuple[bytes, ...]
) -> None:
    async for body, events in both_paths(gateway, upstream, raw, *fields):
        assert body
        (counted,) = events
        assert (counted.status, counted.record_count, counted.tool_name) == ("ok", None, "get")
        assert counted.response_bytes > 0


@answers(UNANSWERED)
async def test_a_response_without_a_result_makes_no_event(
    gateway: Gateway, upstream: ScriptedUpstream, raw: bytes
) -> None:
    async for _, events in both_paths(gateway, upstream, raw):
        assert events == []


@answers(
    {name: raw for name, raw in (COUNTED | UNKNOWN).items() if name not in ("a comment", "an event id", "a retry time")}
)
async def test_a_key_limited_to_tables_gets_no_unknown_result_in_any_form(
    gateway: Gateway, upstream: ScriptedUpstream, raw: bytes
) -> None:
    upstream.answer = answer_raw(raw)
    response = await gateway.post(call(), await gateway.key(allowed_tables=("ok",)))
    assert MARK not in response.body
    assert MARK.decode() not in response.body.decode("utf-16", "replace")
    assert [each.status for each in await gateway.events()] in (["denied"], [])
    if response.body:
        assert len(await gateway.events()) == 1


@answers(UNKNOWN)
async def test_a_key_limited_to_tools_gets_the_result_of_its_call_and_it_is_counted(
    gateway: Gateway, upstream: ScriptedUpstream, raw: bytes
) -> None:
    upstream.answer = answer_raw(raw)
    response = await gateway.post(call(), await gateway.key(allowed_tools=("get",)))
    assert response.status in (200, 206)
    (counted,) = await gateway.events()
    assert (counted.status, counted.record_count) == ("ok", None)


@pytest.mark.parametrize("as_batch", [False, True], ids=["events", "a batch"])
@pytest.mark.parametrize("limits", [{}, {"allowed_tools": ("get",)}, {"allowed_tables": ("ok",)}])
async def test_the_first_of_several_responses_with_one_id_counts(
    gateway: Gateway, upstream: ScriptedUpstream, limits: dict[str, Any], as_batch: bool
) -> None:
    both = http(b"[" + ERROR + b"," + RESULT + b"]") if as_batch else stream(
        b"data: " + ERROR + b"\n\n", b"data: " + RESULT + b"\n\n"
    )  # fmt: skip
    upstream.answer = answer_raw(both)
    response = await gateway.post(call(), await gateway.key(**limits))
    assert (MARK in response.body) is ("allowed_tables" not in limits)
    assert [each.status for each in await gateway.events()] == ["rpc_error"]


async def test_a_result_under_another_id_does_not_take_the_place_of_the_right_one(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    upstream.answer = answer_raw(stream(event(result("1", rows=5)), event(result(1, rows=2))))
    await gateway.post(call(), await gateway.key())
    (counted,) = await gateway.events()
    assert (counted.request_id, counted.record_count) == ("1", 2)


async def test_a_result_on_a_later_stream_is_counted_although_its_call_has_no_session(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    listener, key = Listening(upstream), await gateway.key()
    async with listening(gateway, key) as content:
        assert (await gateway.post(call(), key)).status == 202
        await listener.send(event(result(1)))
        assert '"result"' in (await next_event(content))["data"]
    (counted,) = await gateway.events()
    assert (counted.tool_name, counted.record_count) == ("get", 2)


TASK = {"taskId": "t-1", "status": "completed", "ttlMs": 60_000}
READ = {"jsonrpc": "2.0", "id": 1, "method": "tasks/get", "params": {"taskId": "t-1"}}


@pytest.mark.parametrize(("version", "message"), [("2025-11-25", call()), ("2026-07-28", call()), ("2026-07-28", READ)])
async def test_a_client_that_leaves_with_a_part_of_a_result_is_counted(
    gateway: Gateway, upstream: ScriptedUpstream, version: str, message: dict[str, Any]
) -> None:
    key, value = await gateway.key(), result(rows=20_000)
    if message is READ:
        upstream.answer = answer_json({"jsonrpc": "2.0", "id": 1, "result": {**TASK, "resultType": "task"}})
        assert (await gateway.post(call(), key)).status == 200
        value["result"] = {**TASK, "resultType": "complete", "result": value["result"]}
    body = json.dumps(value).encode()
    pieces = [chunk(body[start : start + 8192]) for start in range(0, len(body), 8192)]
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    has_left = asyncio.Event()

    async def respond(request: Request, writer: asyncio.StreamWriter) -> None:
        await in_segments(head, *pieces[:4])(request, writer)
        await has_left.wait()
        writer.write(b"".join(pieces[4:]) + chunk(b""))

    upstream.answer = respond
    gateway.metrics.reasons.clear()
    fields = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "MCP-Protocol-Version": version}
    async with gateway.session.post(gateway.url, data=json.dumps(message), headers=fields) as response:
        await response.content.readexactly(8192)
        response.close()
    await until(lambda: gateway.metrics.reasons == ["forwarded"])
    has_left.set()
    (counted,) = await gateway.until_events(1)
    assert (counted.tool_name, counted.record_count, counted.response_bytes) == ("get", 20_000, len(body))


@pytest.mark.parametrize(
    "content_type", [EVENTS, "text/plain", "application/octet-stream", f"application/json, {EVENTS}"]
)
async def test_a_result_on_a_resumed_stream_is_counted_whatever_its_content_type(
    gateway: Gateway, upstream: ScriptedUpstream, content_type: str
) -> None:
    streams, key = Streams(upstream), await gateway.key()
    streams.posts = [stream(event("", "1"))]
    streams.gets = [http(b"data: " + RESULT + b"\n\n", content_type)]
    await gateway.post(call(), key, Mcp_Session_Id="s-1")
    response = await gateway.request("GET", key=key, Mcp_Session_Id="s-1", Last_Event_Id="1")
    assert response.body == b"data: " + RESULT + b"\n\n"
    (counted,) = await gateway.events()
    assert (counted.tool_name, counted.record_count) == ("get", 2)


async def test_a_replaced_event_does_not_contradict_a_stated_length(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    listed = b'{"jsonrpc":"2.0","id":7,"result":{"tools":[{"name":"get"},{"name":"drop"}]}}'
    upstream.answer = answer_raw(http(b"data: " + listed + b"\n\ndata: " + RESULT + b"\n\n", EVENTS))
    response = await gateway.post(call(), await gateway.key(allowed_tools=("get",)))
    assert (b'"drop"' in response.body, MARK in response.body) == (False, True)
    assert len(await gateway.events()) == 1


async def test_a_stream_that_breaks_off_after_an_unmatched_result_is_counted(
    gateway: Gateway, upstream: ScriptedUpstream
) -> None:
    part = sse_head() + chunk(event(PROGRESS)) + chunk(b"data: " + message("2") + b"\n\n")
    upstream.answer = answer_raw(part, close=True)
    async with warm_client(gateway, upstream, await gateway.key()) as client:
        assert MARK in await client.exchange(call())
    assert [each.record_count for each in await gateway.events()] == [2, None]
