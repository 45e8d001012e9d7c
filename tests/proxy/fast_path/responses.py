"""Responses of an upstream to the call with id 1, by name."""

from __future__ import annotations

import gzip
import json
from typing import Any

from tests.proxy.keep_alive import RESULT, SINGLE_RESULT
from tests.support.scripted_upstream import chunk, http, sse_head


def sse(data: bytes, line_end: bytes = b"\n", fields: bytes = b"event: message") -> bytes:
    return fields + (line_end if fields else b"") + b"data: " + data + line_end * 2


def in_chunks(*events: bytes, trailers: bytes = b"", extra: str = "") -> bytes:
    return sse_head(extra) + b"".join(map(chunk, events)) + b"0\r\n" + trailers + b"\r\n"


def response_with(result: Any, id_: Any = 1) -> bytes:
    return http(json.dumps({"jsonrpc": "2.0", "id": id_, "result": result}).encode())


PROGRESS = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}'
TASK = {"task": {"taskId": "t-1", "status": "working", "ttl": 1000}}
SINGLE_RESULT_RESPONSES = {
    "json": http(SINGLE_RESULT),
    "json with spaces": http(
        b' {"id" : 1, "jsonrpc":"2.0",\n"result":{"content":[{"type":"text","text":"\\u00e9"}]}} '
    ),
    "json in chunks": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    + chunk(SINGLE_RESULT[:20])
    + chunk(SINGLE_RESULT[20:])
    + chunk(b""),
    "json with another content type": http(SINGLE_RESULT, content_type="text/html"),
    "events in chunks": in_chunks(sse(SINGLE_RESULT)),
    "events in two chunks": in_chunks(sse(SINGLE_RESULT)[:30], sse(SINGLE_RESULT)[30:]),
    "events with crlf": in_chunks(sse(SINGLE_RESULT, b"\r\n")),
    "events with data only": in_chunks(sse(SINGLE_RESULT, fields=b"")),
    "events with a length": http(sse(SINGLE_RESULT), "text/event-stream; charset=utf-8"),
    "a tool error": response_with({"content": [{"type": "text", "text": "no"}], "isError": True}),
    "a complete result": response_with({"content": [], "resultType": "complete"}),
    "fields": http(
        SINGLE_RESULT, extra="Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nX: \xe9\r\n"
    ),
    "a closing connection": http(SINGLE_RESULT, extra="Connection: close\r\n"),
    "HTTP/1.0": http(SINGLE_RESULT).replace(b"HTTP/1.1", b"HTTP/1.0"),
    "another reason phrase": http(SINGLE_RESULT, status="200 Quite Fine"),
    "201": http(SINGLE_RESULT, status="201 Created"),
    "500 with a result": http(SINGLE_RESULT, status="500 Oops"),
    "100 first": b"HTTP/1.1 100 Continue\r\n\r\n" + http(SINGLE_RESULT),
    "bytes after the response": http(SINGLE_RESULT) + b"HTTP/1.1 200 OK\r\n",
}
OTHER_RESPONSES = {
    "an error object": http(b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'),
    "an error and a result": http(SINGLE_RESULT[:-1] + b',"error":{"code":1,"message":"no"}}'),
    "a wrong id": response_with(RESULT, 2),
    "the id as a string": response_with(RESULT, "1"),
    "the id as a fraction": http(SINGLE_RESULT.replace(b'"id":1', b'"id":1.0')),
    "no id": http(SINGLE_RESULT.replace(b'"id":1,', b"")),
    "input required": response_with({"resultType": "input_required", "inputRequests": {}}),
    "input required with content": response_with({"resultType": "input_required", "content": []}),
    "a task": response_with(TASK),
    "a task with content": response_with({"content": [], **TASK}),
    "no tool result": response_with({}),
    "a batch": http(b"[" + SINGLE_RESULT + b"]"),
    "not json": http(b"<html>"),
    "nan": http(SINGLE_RESULT.replace(b"[1,2]", b"[NaN]")),
    "an empty body": http(b""),
    "202": b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n",
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "307": b"HTTP/1.1 307 Temporary Redirect\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n",
    "404": http(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"no"}}', status="404 Not Found"),
    "500": http(b'{"error":"oops"}', status="500 Oops"),
    "gzip": http(b"\x1f\x8b\x08", extra="Content-Encoding: gzip\r\n"),
    "gzip json": http(gzip.compress(SINGLE_RESULT, mtime=0), extra="Content-Encoding: gzip\r\n"),
    "gzip events": http(
        gzip.compress(sse(SINGLE_RESULT), mtime=0), "text/event-stream", extra="Content-Encoding: gzip\r\n"
    ),
    "401": http(SINGLE_RESULT, status="401 No", extra="WWW-Authenticate: Bearer\r\n"),
    "two session ids": http(SINGLE_RESULT, extra="Mcp-Session-Id: a\r\nMcp-Session-Id: b\r\n"),
    "one session id twice": http(SINGLE_RESULT, extra="Mcp-Session-Id: a\r\nMcp-Session-Id: a\r\n"),
    "progress first": in_chunks(sse(PROGRESS), sse(SINGLE_RESULT)),
    "progress last": in_chunks(sse(SINGLE_RESULT), sse(PROGRESS)),
    "twice": in_chunks(sse(SINGLE_RESULT), sse(SINGLE_RESULT)),
    "a comment first": in_chunks(b": hello\n\n" + sse(SINGLE_RESULT)),
    "an id": in_chunks(sse(SINGLE_RESULT, fields=b"id: 7")),
    "a retry time": in_chunks(sse(SINGLE_RESULT, fields=b"retry: 7")),
    "another event type": in_chunks(sse(SINGLE_RESULT, fields=b"event: other")),
    "data on two lines": in_chunks(b"data: " + SINGLE_RESULT[:17] + b"\ndata: " + SINGLE_RESULT[17:] + b"\n\n"),
    "no blank line": in_chunks(b"data: " + SINGLE_RESULT + b"\n"),
    "a byte order mark": in_chunks(b"\xef\xbb\xbf" + sse(SINGLE_RESULT)),
    "an error as an event": in_chunks(sse(b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"no"}}')),
    "no events": in_chunks(),
    "trailers": in_chunks(sse(SINGLE_RESULT), trailers=b"X-Sum: 1\r\n"),
    "json with trailers": in_chunks(SINGLE_RESULT, trailers=b"X-Sum: 1\r\n").replace(
        b"text/event-stream", b"application/json"
    ),
}
CLOSING_RESPONSES = {
    "nothing": b"",
    "half a head": http(SINGLE_RESULT)[:30],
    "a head alone": http(SINGLE_RESULT)[: -len(SINGLE_RESULT)],
    "half a body": http(SINGLE_RESULT)[:-5],
    "half a chunk": in_chunks(sse(SINGLE_RESULT))[:-20],
    "no last chunk": in_chunks(sse(SINGLE_RESULT))[:-5],
    "json until the connection closes": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + SINGLE_RESULT,
    "events until the connection closes": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    + sse(SINGLE_RESULT),
    "a complete response": http(SINGLE_RESULT),
    "garbage": b"nonsense\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    "a protocol switch": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "a line end in a field": b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 0\r\n\r\n",
}


LARGE = SINGLE_RESULT.replace(b"[1,2]", b"[" + b",".join(b'{"n":%d}' % n for n in range(15_000)) + b"]")
"""Larger than one read of a socket, smaller than the limit up to which a response is buffered."""
VERY_LARGE = LARGE.replace(b'"content":[]', b'"content":[{"type":"text","text":"%b"}]' % (b"x" * 400_000))
LARGE_RESPONSES = {
    "json": http(LARGE),
    "events in chunks": in_chunks(sse(LARGE)),
    "events in two chunks": in_chunks(sse(LARGE)[:90_000], sse(LARGE)[90_000:]),
    "events with a length": http(sse(LARGE), "text/event-stream"),
    "very large json": http(VERY_LARGE),
    "very large events in chunks": in_chunks(sse(VERY_LARGE)),
}
