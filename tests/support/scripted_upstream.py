"""An upstream that records every byte it is sent and answers as a test says; it speaks raw HTTP/1.1."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any


class Request:
    """One request as it arrived."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head = head
        self.body = body
        self.line, *fields = head.split(b"\r\n")[:-2]
        self.fields = [(name, value.strip()) for name, _, value in (field.partition(b":") for field in fields)]

    def values(self, name: str) -> list[bytes]:
        """Every value of a header field, under any case of its name."""
        return [value for field, value in self.fields if field.lower() == name.lower().encode()]

    @property
    def message(self) -> Any:
        """The JSON of the body."""
        return json.loads(self.body)


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


class ScriptedUpstream:
    """Records requests; `answer` writes what comes back."""

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
    """A listening `ScriptedUpstream`."""
    upstream = ScriptedUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        server.close_clients() if hasattr(server, "close_clients") else None


def http(body: bytes, content_type: str = "application/json", status: str = "200 OK", extra: str = "") -> bytes:
    """A whole answer with a length."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
    return head.encode() + body


def answer_raw(raw: bytes, *, close: bool = False) -> Answer:
    """Answers every request with these bytes."""

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        if close:
            await writer.drain()
            writer.close()

    return answer


def answer_json(value: Any, extra: str = "") -> Answer:
    """Answers every request with this JSON."""
    return answer_raw(http(json.dumps(value, separators=(",", ":")).encode(), extra=extra))


def answer_result(result: Any) -> Answer:
    """Answers each request with this result under the request's own id."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        value = {"jsonrpc": "2.0", "id": request.message["id"], "result": result}
        writer.write(http(json.dumps(value).encode()))

    return answer


def sse_head(extra: str = "") -> bytes:
    """The head of an event stream in chunks."""
    return (
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
        f"Transfer-Encoding: chunked\r\n{extra}\r\n"
    ).encode()


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body; empty data ends it."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def sse_event(value: Any, line_end: bytes = b"\n") -> bytes:
    """One event with this JSON."""
    return b"event: message" + line_end + b"data: " + json.dumps(value).encode() + line_end + line_end
