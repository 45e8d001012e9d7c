"""A call that goes straight is answered, counted and refused as any other; nobody can tell the ways apart."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent
from tests.proxy.kept import (
    RESULT,
    USUAL,
    Kept,
    Ways,
    in_pieces,
    kept,
    narrow_gateway,
    undated,
    until,
    warm,
    without_time,
)
from tests.support.gateway import INITIALIZE, Gateway, call
from tests.support.scripted_upstream import (
    Request,
    ScriptedUpstream,
    answer_raw,
    chunk,
    http,
    sse_head,
)
from tests.support.wire import answers_in


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Ways:
    return Ways(monkeypatch)


@pytest.fixture
async def gateway(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, ways: Ways
) -> AsyncIterator[Gateway]:
    async with narrow_gateway(redis, valkey_url, upstream, tmp_path, max_request_bytes=10_000) as gateway:
        yield gateway


class Seen(NamedTuple):
    """What anybody can see of one exchange."""

    answer: bytes
    is_closed: bool
    sent: list[tuple[bytes, bytes]]
    """Heads and bodies that the upstream got."""
    events: list[UsageEvent]
    told: list[str]
    """Reasons and phases that the metrics were told."""


async def seen(gateway: Gateway, upstream: ScriptedUpstream, client: Kept, data: Any) -> Seen:
    events, reasons, phases = len(await gateway.events()), len(gateway.heard.reasons), len(gateway.heard.phases)
    upstream.requests.clear()
    answer = await client.ask(data)
    await until(lambda: len(gateway.heard.reasons) > reasons)
    return Seen(
        undated(answer),
        await client.is_closed(),
        [(sent.head, sent.body) for sent in upstream.requests],
        [without_time(event) for event in (await gateway.events())[events:]],
        gateway.heard.reasons[reasons:] + gateway.heard.phases[phases:],
    )


async def seen_on_both_ways(
    gateway: Gateway,
    upstream: ScriptedUpstream,
    key: str,
    data: Any,
    *fields: bytes,
    version: bytes = b"1.1",
) -> tuple[Seen, Seen]:
    """One exchange as the first of its connection, and as one that could go straight."""
    async with kept(gateway, key, *fields, version=version) as client:
        first = await seen(gateway, upstream, client, data)
    async with warm(gateway, upstream, key, *fields, version=version) as client:
        second = await seen(gateway, upstream, client, data)
    return first, second


def sse(data: bytes, line_end: bytes = b"\n", fields: bytes = b"event: message") -> bytes:
    return fields + (line_end if fields else b"") + b"data: " + data + line_end * 2


def in_chunks(*events: bytes, trailers: bytes = b"", extra: str = "") -> bytes:
    return sse_head(extra) + b"".join(map(chunk, events)) + b"0\r\n" + trailers + b"\r\n"


def answer_with(result: Any, id_: Any = 1) -> bytes:
    return http(json.dumps({"jsonrpc": "2.0", "id": id_, "result": result}).encode())


CLIENTS: dict[str, tuple[bytes, tuple[bytes, ...]]] = {
    "1.1": (b"1.1", ()),
    "1.0": (b"1.0", (b"Connection: keep-alive",)),
    "browser": (b"1.1", (b"Origin: http://localhost:5173", b"User-Agent: page/1")),
    "session": (b"1.1", (b"Mcp-Session-Id: s-1", b"MCP-Protocol-Version: 2025-11-25", b"Mcp-Method: tools/call")),
}
PROGRESS = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}'
TASK = {"task": {"taskId": "t-1", "status": "working", "ttl": 1000}}
USUAL_ANSWERS = {
    "json": http(USUAL),
    "json with spaces": http(
        b' {"id" : 1, "jsonrpc":"2.0",\n"result":{"content":[{"type":"text","text":"\\u00e9"}]}} '
    ),
    "json in chunks": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunk(USUAL[:20])
    + chunk(USUAL[20:])
    + chunk(b""),
    "json of an odd type": http(USUAL, content_type="text/html"),
    "events in chunks": in_chunks(sse(USUAL)),
    "events in two chunks": in_chunks(sse(USUAL)[:30], sse(USUAL)[30:]),
    "events with crlf": in_chunks(sse(USUAL, b"\r\n")),
    "events of data alone": in_chunks(sse(USUAL, fields=b"")),
    "events of a length": http(sse(USUAL), "text/event-stream; charset=utf-8"),
    "an error of the tool": answer_with({"content": [{"type": "text", "text": "no"}], "isError": True}),
    "a complete result": answer_with({"content": [], "resultType": "complete"}),
    "fields": http(
        USUAL, extra="Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX: \xe9\r\n"
    ),
    "a connection that closes": http(USUAL, extra="Connection: close\r\n"),
    "HTTP/1.0": http(USUAL).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "another reason": http(USUAL, status="200 Quite Fine"),
    "201": http(USUAL, status="201 Created"),
    "500 with a result": http(USUAL, status="500 Oops"),
    "100 first": b"HTTP/1.1 100 Continue\r\n\r\n" + http(USUAL),
    "more than the answer": http(USUAL) + b"HTTP/1.1 200 OK\r\n",
}
UNUSUAL_ANSWERS = {
    "an error object": http(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'),
    "an error beside a result": http(USUAL[:-1] + b',"error":{"code":1,"message":"no"}}'),
    "a wrong id": answer_with(RESULT, 2),
    "the id as a string": answer_with(RESULT, "1"),
    "the id with a point": http(USUAL.replace(b'"id":1', b'"id":1.0')),
    "no id": http(USUAL.replace(b'"id":1,', b"")),
    "input required": answer_with({"resultType": "input_required", "inputRequests": {}}),
    "input required with content": answer_with({"resultType": "input_required", "content": []}),
    "a task": answer_with(TASK),
    "a task with content": answer_with({"content": [], **TASK}),
    "no result of a tool": answer_with({}),
    "a batch": http(b"[" + USUAL + b"]"),
    "not json": http(b"<html>"),
    "nan": http(USUAL.replace(b"[1,2]", b"[NaN]")),
    "an empty body": http(b""),
    "202": b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "307": b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "404": http(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"no"}}', status="404 Not Found"),
    "500": http(b'{"error":"oops"}', status="500 Oops"),
    "gzip": http(b"\x1f\x8b\x08", extra="Content-Encoding: gzip\r\n"),
    "progress first": in_chunks(sse(PROGRESS), sse(USUAL)),
    "progress last": in_chunks(sse(USUAL), sse(PROGRESS)),
    "twice": in_chunks(sse(USUAL), sse(USUAL)),
    "a comment first": in_chunks(b": hello\n\n" + sse(USUAL)),
    "an id": in_chunks(sse(USUAL, fields=b"id: 7")),
    "a time to retry": in_chunks(sse(USUAL, fields=b"retry: 7")),
    "a type of its own": in_chunks(sse(USUAL, fields=b"event: other")),
    "data on two lines": in_chunks(b"data: " + USUAL[:17] + b"\ndata: " + USUAL[17:] + b"\n\n"),
    "no blank line": in_chunks(b"data: " + USUAL + b"\n"),
    "a mark of order": in_chunks(b"\xef\xbb\xbf" + sse(USUAL)),
    "an error as an event": in_chunks(sse(b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}')),
    "no events": in_chunks(),
    "trailers": in_chunks(sse(USUAL), trailers=b"X-Sum: 1\r\n"),
    "json with trailers": in_chunks(USUAL, trailers=b"X-Sum: 1\r\n").replace(b"text/event-stream", b"application/json"),
}
ENDING_ANSWERS = {
    "nothing": b"",
    "half a head": http(USUAL)[:30],
    "a head alone": http(USUAL)[: -len(USUAL)],
    "half a body": http(USUAL)[:-5],
    "half a chunk": in_chunks(sse(USUAL))[:-20],
    "no last chunk": in_chunks(sse(USUAL))[:-5],
    "until the end": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + USUAL,
    "events until the end": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + sse(USUAL),
    "a whole answer": http(USUAL),
    "garbage": b"nonsense\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a line end in a field": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
}


LARGE = USUAL.replace(b"[1,2]", b"[" + b",".join(b'{"n":%d}' % n for n in range(15_000)) + b"]")
"""More than a read of the socket gives, and less than what is waited for."""
VERY_LARGE = LARGE.replace(b'"content":[]', b'"content":[{"type":"text","text":"%b"}]' % (b"x" * 400_000))
LARGE_ANSWERS = {
    "json": http(LARGE),
    "events in chunks": in_chunks(sse(LARGE)),
    "events in two chunks": in_chunks(sse(LARGE)[:90_000], sse(LARGE)[90_000:]),
    "events of a length": http(sse(LARGE), "text/event-stream"),
    "very large json": http(VERY_LARGE),
    "very large events in chunks": in_chunks(sse(VERY_LARGE)),
}


@pytest.mark.parametrize("name", USUAL_ANSWERS)
async def test_the_usual_answer_is_the_same_in_every_byte_on_both_ways(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, name: str
) -> None:
    upstream.answer = answer_raw(USUAL_ANSWERS[name])
    key = await gateway.key()
    for client, (version, fields) in CLIENTS.items():
        ways.taken.clear()
        first, second = await seen_on_both_ways(gateway, upstream, key, call(), *fields, version=version)
        assert first == second
        assert [event.status for event in second.events] == ["tool_error" if "tool" in name else "ok"]
        assert second.told == ["forwarded"]
        # HTTP/1.0 has no chunks: where the body ends with the connection, it is not sent whole.
        is_cut = client == "1.0" and name.startswith("events") and "length" not in name
        assert ways.taken == ["long", "long", "straight", *(["taken up"] if is_cut else [])]


@pytest.mark.parametrize("name", UNUSUAL_ANSWERS)
async def test_any_other_answer_is_the_same_in_every_byte_on_both_ways(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, name: str
) -> None:
    upstream.answer = answer_raw(UNUSUAL_ANSWERS[name])
    key = await gateway.key()
    for version, fields in CLIENTS.values():
        ways.taken.clear()
        first, second = await seen_on_both_ways(gateway, upstream, key, call(), *fields, version=version)
        assert first == second
        assert ways.taken == ["long", "long", "straight", "taken up"]


@pytest.mark.parametrize("name", ENDING_ANSWERS)
async def test_an_upstream_that_closes_its_connection_is_answered_for_alike_on_both_ways(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, name: str
) -> None:
    upstream.answer = answer_raw(ENDING_ANSWERS[name], close=True)
    key = await gateway.key()
    for version, fields in CLIENTS.values():
        ways.taken.clear()
        first, second = await seen_on_both_ways(gateway, upstream, key, call(), *fields, version=version)
        assert first == second
        assert len(second.sent) == 1, "a call is never sent twice"
        assert ways.taken[:3] == ["long", "long", "straight"]


@pytest.mark.parametrize("name", ["json", "json in chunks", "events in chunks", "events with crlf"])
async def test_an_answer_that_is_read_in_two_pieces_is_the_same_wherever_it_was_cut(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, name: str
) -> None:
    raw = USUAL_ANSWERS[name]
    key = await gateway.key()
    async with warm(gateway, upstream, key) as client:
        upstream.answer = answer_raw(raw)
        whole = undated(await client.ask(call()))
        for cut in range(1, len(raw)):
            upstream.answer = in_pieces(raw[:cut], raw[cut:])
            assert dechunked(await client.ask(call())) == dechunked(whole), cut
    assert len({without_time(event) for event in await gateway.events()}) == 1
    assert len(await gateway.events()) == len(raw) + 1
    assert ways.taken.count("straight") == len(raw)


@pytest.mark.parametrize("name", LARGE_ANSWERS)
async def test_a_large_answer_is_the_same_on_both_ways_wherever_it_was_cut(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, name: str
) -> None:
    raw = LARGE_ANSWERS[name]
    upstream.answer = answer_raw(raw)
    key = await gateway.key()
    first, second = await seen_on_both_ways(gateway, upstream, key, call())
    assert first == second
    assert second.answer.count(b'"n":14999}') == 1
    async with warm(gateway, upstream, key) as client:
        for cut in [*range(50, 250, 10), 65_536, 100_000, len(raw) - 65_600, *range(len(raw) - 12, len(raw))]:
            upstream.answer = in_pieces(raw[:cut], raw[cut:])
            assert dechunked(await client.ask(call())) == dechunked(first.answer), cut
            assert ways.taken.pop() in ("straight", "taken up")
    large = [event for event in await gateway.events() if event.record_count == 15_000]
    assert len(large) == 2 + 20 + 3 + 12
    assert len({without_time(event) for event in large}) == 1


@pytest.mark.parametrize("missing", [1, 5, 70_000, 140_000])
@pytest.mark.parametrize("name", LARGE_ANSWERS)
async def test_a_large_answer_that_breaks_off_is_never_made_to_look_whole(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, name: str, missing: int
) -> None:
    upstream.answer = answer_raw(LARGE_ANSWERS[name][:-missing], close=True)
    for version, fields in CLIENTS.values():
        for broken in await seen_on_both_ways(gateway, upstream, await gateway.key(), call(), *fields, version=version):
            head, _, body = broken.answer.partition(b"\r\n\r\n")
            if b" 502 " not in head:
                assert broken.is_closed
                assert b"chunked" in head or b"Content-Length: %d\r\n" % len(body) not in head + b"\r\n"
                assert not body.endswith(b"0\r\n\r\n")
            assert broken.told[-1] == "answer"
            # Where the only event was whole, it was answered and counted, though its stream was not.
            assert len(broken.events) <= (missing < 70_000 and "chunks" in name)
    assert "straight" in ways.taken


def dechunked(raw: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
    (answer,) = answers_in(undated(raw))
    return answer.status, answer.fields, answer.body


@pytest.mark.parametrize("closes", [True, False])
async def test_a_connection_that_the_upstream_closes_at_rest_costs_nobody_an_answer(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, closes: bool
) -> None:
    writers: list[asyncio.StreamWriter] = []

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(http(USUAL))

    upstream.answer = answer
    async with kept(gateway, await gateway.key()) as client:
        for _ in range(4):
            assert (await client.ask(call())).endswith(USUAL)
            if closes:
                writers[-1].transport.abort()
    assert len(await gateway.events()) == 4
    assert ways.taken == ["long", *(["long"] if closes else ["straight"]) * 3]


async def test_an_upstream_that_is_too_slow_is_504_and_the_call_is_not_sent_twice(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, ways: Ways
) -> None:
    upstream.answer = answer_raw(b"")
    async with narrow_gateway(redis, valkey_url, upstream, tmp_path, first_byte_timeout=0.3) as gateway:
        first, second = await seen_on_both_ways(gateway, upstream, await gateway.key(), call())
        assert first == second
        assert second.answer.startswith(b"HTTP/1.1 504 ")
        assert second.told == ["upstream_timeout", "first_byte"] or second.told[-1] == "first_byte"
        assert len(second.sent) == 1
    assert ways.taken[:4] == ["long", "long", "straight", "taken up"]


# What a request asks for.


def named(method: str, /, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


STRAIGHT_REQUESTS: dict[str, Any] = {
    "a call": call(),
    "an id of text": call(id_="a\"b'é"),
    "no id but null": call(id_=None),
    "a large id": call(id_=2**53 - 1),
    "arguments": call("query", table="prices", limit=3, text="\u20ac", nested=[{"a": [1]}]),
    "no params": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "get"}},
    "meta": named(
        "tools/call",
        name="get",
        arguments={},
        _meta={"progressToken": 1, "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "2"}},
    ),
    "a task": named("tools/call", name="get", arguments={}, task={"ttl": 1}),
    "spaces": b' { "method":"tools/call","id":1, "jsonrpc":"2.0","params" : {"name":"get","arguments":{"a":1.0}}}\n',
    "a member more": {**call(), "other": 1},
}
LONG_REQUESTS: dict[str, Any] = {
    "initialize": INITIALIZE,
    "ping": {"jsonrpc": "2.0", "id": 1, "method": "ping"},
    "tools/list": named("tools/list"),
    "tasks/get": named("tasks/get", taskId="t-1"),
    "tasks/result": named("tasks/result", taskId="t-1"),
    "tasks/cancel": named("tasks/cancel", taskId="t-1"),
    "a notification": {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}},
    "a call that is a notification": {"jsonrpc": "2.0", "method": "tools/call", "params": {"name": "get"}},
    "an answer": {"jsonrpc": "2.0", "id": 1, "result": {}},
    "a batch": [call(id_=1), call(id_=2)],
    "a batch of one": [call()],
    "an empty batch": [],
    "the same id twice": [call(), call()],
    "not json": b"{",
    "nothing": b"",
    "text": b'"tools/call"',
    "a member twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","method":"ping","params":{"name":"get"}}',
    "a name twice": b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get","name":"drop"}}',
    "a mark of order": b"\xef\xbb\xbf" + json.dumps(call()).encode(),
    "utf-16": json.dumps(call()).encode("utf-16"),
    "nested": b"[" * 5000 + b"]" * 5000,
    "too large": call(text="x" * 10_000),
    "a method in other case": named("Tools/Call", name="get"),
    "a member in other case": {**call(), "Method": "ping"},
    "a name in other case": named("tools/call", name="get", Name="drop"),
    "params that are a list": {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": ["get"]},
    "an id that is a number with a point": call(id_=1.5),
    "an id that is true": call(id_=True),
    "an id beyond 53 bits": call(id_=2**53),
    "another version": {**call(), "jsonrpc": "1.0"},
}


async def echo(request: Request, writer: asyncio.StreamWriter) -> None:
    """Answers each request with a result under its id, in a batch where it is one."""
    message = request.message
    if isinstance(message, dict) and "id" not in message:
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n")
        return
    answers = [{"jsonrpc": "2.0", "id": one["id"], "result": RESULT} for one in _listed(message)]
    writer.write(http(msgspec.json.encode(answers if isinstance(message, list) else answers[0])))


def _listed(message: Any) -> list[Any]:
    return message if isinstance(message, list) else [message]


@pytest.mark.parametrize("name", [*STRAIGHT_REQUESTS, *LONG_REQUESTS])
async def test_every_request_is_answered_sent_and_counted_alike_on_both_ways(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, name: str
) -> None:
    upstream.answer = echo
    requests = {**STRAIGHT_REQUESTS, **LONG_REQUESTS}
    first, second = await seen_on_both_ways(gateway, upstream, await gateway.key(), requests[name])
    assert first == second
    assert len(second.told) == 1
    assert ways.last == ("straight" if name in STRAIGHT_REQUESTS else "long")


@pytest.mark.parametrize("name", ["arguments", "ping", "a batch"])
@pytest.mark.parametrize("fields", [(b"Mcp-Method: tools/call", b"Mcp-Name: get"), (b"Mcp-Name: get",)])
async def test_routing_headers_that_differ_from_the_body_are_400_on_both_ways(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, name: str, fields: tuple[bytes, ...]
) -> None:
    upstream.answer = echo
    requests = {**STRAIGHT_REQUESTS, **LONG_REQUESTS}
    first, second = await seen_on_both_ways(gateway, upstream, await gateway.key(), requests[name], *fields)
    assert first == second
    is_let_in = name == "ping" and len(fields) == 1
    assert second.answer.startswith(b"HTTP/1.1 200 " if is_let_in else b"HTTP/1.1 400 ")
    assert len(second.sent) == is_let_in
    assert ways.last == "long"


async def test_sql_that_takes_long_to_read_is_read_off_the_loop_on_the_long_way(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    upstream.answer = answer_with_rows
    columns = ", ".join(f"column_{n}" for n in range(300))
    asked = call("query", sql=f"select {columns} from trades where way = {id(ways)}")
    async with warm(gateway, upstream, await gateway.key()) as client:
        for way in ("long", "straight"):
            assert (await client.ask(asked)).startswith(b"HTTP/1.1 200 ")
            assert ways.last == way
    assert [event.table_names for event in await gateway.events()][1:] == [("trades",)] * 2


async def answer_with_rows(_request: Request, writer: asyncio.StreamWriter) -> None:
    writer.write(answer_with({"content": [], "structuredContent": {"rows": [{"n": 1}]}}))


async def test_a_call_of_a_tool_with_a_rule_is_counted_by_the_rule(
    redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path, ways: Ways
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[metering.rule]]\ntool = "ruled"\nrecords = "length(result.structuredContent.rows)"\n')
    upstream.answer = answer_raw(http(USUAL))
    async with narrow_gateway(redis, valkey_url, upstream, tmp_path / "data", metering_rules=str(rules)) as gateway:
        first, second = await seen_on_both_ways(gateway, upstream, await gateway.key(), call("ruled"))
        assert first == second
        assert [event.count_method for event in second.events] == ["rule"]
    assert ways.taken[:4] == ["long", "long", "straight", "taken up"]


# What a key may.


@pytest.mark.parametrize("way_out", ["revoked", "expired"])
async def test_a_key_that_has_ended_since_the_last_call_is_401(
    gateway: Gateway, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch, ways: Ways, way_out: str
) -> None:
    record, key = await gateway.new_key(expires_at=now_ms() + 3_600_000)
    upstream.answer = answer_raw(http(USUAL))
    async with warm(gateway, upstream, key) as client:
        assert (await client.ask(call())).startswith(b"HTTP/1.1 200 ")
        assert ways.last == "straight"
        upstream.requests.clear()
        if way_out == "revoked":
            await gateway.keys.revoke(record.key_id)
            await until(lambda: gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is None)
        else:
            monkeypatch.setattr(KeyRecord, "status", lambda _record, _now_ms: "expired")
        raw = await client.ask(call())
        assert raw.startswith(b"HTTP/1.1 401 ")
        assert b"Invalid or expired API key" in raw
        assert (await client.ask(call())).startswith(b"HTTP/1.1 401 ")
    assert (ways.last, upstream.requests) == ("long", [])
    assert len(await gateway.events()) == 2
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"allowed_tools": ("list_*",)}, 403),
        ({"allowed_tools": ("ge?",)}, 200),
        ({"allowed_tables": ("secrets",)}, 200),
        ({"allowed_ips": ("10.0.0.0/8",)}, 403),
        ({"allowed_ips": ("127.0.0.0/8",)}, 200),
        ({"rate_limit_per_minute": 1}, 200),
        ({"calls_per_day": 1}, 200),
        ({"records_per_day": 1}, 200),
    ],
)
async def test_what_a_key_is_limited_to_holds_from_the_next_call_on(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, changes: dict[str, Any], status: int
) -> None:
    record, key = await gateway.new_key()
    upstream.answer = answer_raw(http(USUAL))
    async with warm(gateway, upstream, key) as client:
        await gateway.keys.update(record.key_id, **changes)
        await until(lambda: gateway.worker.stores.keys.cached_record(ApiKey.parse(key)) is None)
        raw = await client.ask(call())
        assert raw.startswith(b"HTTP/1.1 %d " % status)
        assert (b'"rows"' in raw) == (status == 200 and "allowed_tables" not in changes)
        # From the second call on, the record is remembered as it is now.
        before = len(await gateway.events())
        again = await client.ask(call())
        spent = changes.keys() & {"rate_limit_per_minute", "calls_per_day", "records_per_day"}
        assert again.startswith(b"HTTP/1.1 %d " % (429 if spent else status))
        assert (b'"rows"' in again) == (status == 200 and not spent and "allowed_tables" not in changes)
        assert len(await gateway.events()) == before + (status == 200 and not spent)
        may_go_straight = status == 200 and not spent and "allowed_tables" not in changes
        assert ways.last == ("straight" if may_go_straight else "long")


async def test_a_key_limited_to_tools_calls_these_and_no_others_on_both_ways(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    upstream.answer = answer_raw(http(USUAL))
    key = await gateway.key(allowed_tools=("get*",))
    for tool, way, status in (("get_a", "straight", 200), ("drop", "long", 403), ("Get", "long", 403)):
        first, second = await seen_on_both_ways(gateway, upstream, key, call(tool))
        assert first == second
        assert (ways.last, second.answer.split(b" ")[1]) == (way, b"%d" % status)
        assert len(second.sent) == len(second.events) == (status == 200)


@pytest.mark.parametrize("name", [*UNUSUAL_ANSWERS, *USUAL_ANSWERS])
async def test_a_key_limited_to_tools_gains_nothing_by_any_answer(
    gateway: Gateway, upstream: ScriptedUpstream, name: str
) -> None:
    upstream.answer = answer_raw({**UNUSUAL_ANSWERS, **USUAL_ANSWERS}[name])
    key = await gateway.key(allowed_tools=("get",))
    first, second = await seen_on_both_ways(gateway, upstream, key, call(), b"Mcp-Session-Id: s")
    assert first == second


async def test_a_session_of_another_owner_is_404_on_a_connection_that_carried_calls(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    upstream.answer = answer_raw(http(USUAL))
    assert (await gateway.post(call(), await gateway.key("bob@example.com"), Mcp_Session_Id="bobs")).status == 200
    async with kept(gateway, await gateway.key("ann@example.com"), b"Mcp-Session-Id: bobs") as client:
        for _ in range(3):
            assert (await client.ask(call())).startswith(b"HTTP/1.1 404 ")
    assert set(ways.taken) == {"long"}
    assert len(upstream.requests) == 1


async def test_a_session_that_has_ended_upstream_is_the_upstreams_404_on_both_ways(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways
) -> None:
    key = await gateway.key()
    async with warm(gateway, upstream, key, b"Mcp-Session-Id: s") as client:
        upstream.answer = answer_raw(http(b"", status="200 OK"))
        assert (await gateway.request("DELETE", key=key, Mcp_Session_Id="s")).status == 200
        upstream.answer = answer_raw(UNUSUAL_ANSWERS["404"])
        assert undated(await client.ask(call())).endswith(UNUSUAL_ANSWERS["404"].partition(b"\r\n\r\n")[2])
    assert ways.last == "taken up"
    assert len(await gateway.events()) == 1


# Nobody chose these.


@pytest.mark.parametrize("seed", range(12))
async def test_requests_in_any_order_on_one_connection_are_as_each_on_a_connection_of_its_own(
    gateway: Gateway, upstream: ScriptedUpstream, ways: Ways, seed: int
) -> None:
    random = Random(seed)
    requests = {**STRAIGHT_REQUESTS, **LONG_REQUESTS}
    answers = {**USUAL_ANSWERS, **UNUSUAL_ANSWERS, **ENDING_ANSWERS}
    steps = [
        (
            random.choice([*["a call", "arguments"] * 30, *requests]),
            random.choice([*["json", "events in chunks", "echo"] * 30, *answers]),
        )
        for _ in range(60)
    ]
    version, fields = random.choice(list(CLIENTS.values()))
    record, key = await gateway.new_key()
    other_key = await gateway.key()

    async def step(client: Kept, request_name: str, answer_name: str, *, is_other: bool = False) -> Seen:
        data, raw = requests[request_name], answers.get(answer_name)
        if is_other:
            # Sessions and tasks are remembered: what the first calls made, the second must not find.
            raw = raw and raw.replace(b"t-1", b"t-2")
            data = json.loads(json.dumps(data).replace("t-1", "t-2")) if isinstance(data, dict) else data
        upstream.answer = echo if raw is None else answer_raw(raw, close=answer_name in ENDING_ANSWERS)
        return await seen(gateway, upstream, client, data)

    together = []
    async with contextlib.AsyncExitStack() as stack:
        client = await stack.enter_async_context(kept(gateway, key, *fields, version=version))
        for names in steps:
            together.append(await step(client, *names))
            if together[-1].is_closed:
                client = await stack.enter_async_context(kept(gateway, key, *fields, version=version))
    assert ways.taken.count("straight") > 10
    ways.taken.clear()
    others = tuple(field.replace(b"s-1", b"s-2") for field in fields)
    for names, first in zip(steps, together, strict=True):
        async with kept(gateway, other_key, *others, version=version) as alone:
            second = await step(alone, *names, is_other=True)
        second = second._replace(
            answer=second.answer.replace(b"t-2", b"t-1"),
            sent=[(head.replace(b"s-2", b"s-1"), body.replace(b"t-2", b"t-1")) for head, body in second.sent],
            events=[
                msgspec.structs.replace(event, key_id=record.key_id, session_id=event.session_id.replace("s-2", "s-1"))
                for event in second.events
            ],
        )
        assert second == first, names
    assert "straight" not in ways.taken
