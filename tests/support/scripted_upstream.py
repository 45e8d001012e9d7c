"""An HTTP/1.1 upstream that records its requests and sends responses that the test scripts."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any


class Request:
    """A received request."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        self.line, *fields = head.split(b"\r\n")[:-2]
        self.fields = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)]

    def values(self, name: str) -> list[bytes]:
        """Return every value of a header field, ignoring the case of its name."""
        return [value for field, value in self.fields if field.lower() == name.lower().encode()]

    @property
    def message(self) -> Any:
        """The body, decoded as JSON."""
        return json.loads(self.body)


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


class ScriptedUpstream:
    """Records requests; `answer` writes the responses."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.answer: Answer = answer_json({"jsonrpc": "2.0", "id": 1, "result": {}})
        self.connections = 0
        self.open_connections = 0
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                request = Request(head, b"")
                if lengths := request.values("content-length"):
                    request.body = await reader.readexactly(int(lengths[0]))
                self.requests.append(request)
                await self.answer(request, writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open_connections -= 1
            writer.close()


@contextlib.asynccontextmanager
async def scripted_upstream() -> AsyncIterator[ScriptedUpstream]:
    """Run a `ScriptedUpstream` on a free port."""
    upstream = ScriptedUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None


def http(body: bytes, content_type: str = "application/json", status: str = "200 OK", extra: str = "") -> bytes:
    """Return a complete response with a Content-Length."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def answer_raw(raw: bytes, *, close: bool = False) -> Answer:
    """Respond to every request with these bytes."""

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        if close:
            await writer.drain()
            writer.close()

    return answer


def answer_json(value: Any, extra: str = "") -> Answer:
    """Respond to every request with this JSON."""
    return answer_raw(http(json.dumps(value, separators=(",", ":")).encode(), extra=extra))


def answer_result(result: Any) -> Answer:
    """Respond to each request with this result and the id of the request."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        value = {"jsonrpc": "2.0", "id": request.message["id"], "result": result}
        writer.write(http(json.dumps(value).encode()))

    return answer


def sse_head(extra: str = "") -> bytes:
    """Return the head of a chunked event stream."""
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
        f"Transfer-Encoding: chunked\r\n{extra}\r\n"
    ).encode()


def chunk(data: bytes) -> bytes:
    """Return a chunk of a chunked body; empty data is the last chunk."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def sse_event(value: Any, line_end: bytes = b"\n") -> bytes:
    """Return an SSE event with this JSON."""
    return b"event: message" + line_end + b"data: " + json.dumps(value).encode() + line_end + line_end
