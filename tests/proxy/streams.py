"""An upstream with several streams, for responses that arrive on another stream than their request."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from tests.support.gateway import Gateway
from tests.support.scripted_upstream import Request, ScriptedUpstream, chunk, http, sse_head

PROGRESS = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}
ACCEPTED = http(b"Accepted", "text/plain", "202 Accepted")


def result(id_: Any = 1, table: str = "prices", rows: int = 2) -> dict[str, Any]:
    """The response to a call that read some rows of a table."""
    structured = {"table": table, "rows": [{"n": n} for n in range(rows)]}
    return {"jsonrpc": "2.0", "id": id_, "result": {"content": [], "structuredContent": structured}}


def text_result(id_: Any, text: str) -> dict[str, Any]:
    """The response to a call, with text that names no table."""
    return {"jsonrpc": "2.0", "id": id_, "result": {"content": [{"type": "text", "text": text}]}}


def event(value: Any, id_: str | None = None, type_: str = "message") -> bytes:
    """An SSE event."""
    data = value if isinstance(value, str) else json.dumps(value)
    return b"".join(
        [b"id: %s\n" % id_.encode() if id_ else b"", f"event: {type_}\ndata: {data}\n\n".encode()],
    )


def stream(*events: bytes) -> bytes:
    """A complete event stream."""
    return sse_head() + b"".join(map(chunk, events)) + chunk(b"")


class Streams:
    """Responds to each POST with the next of `posts`, to each GET with the next of `gets`; the last one is repeated."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.posts: list[bytes] = []
        self.gets: list[bytes] = []
        upstream.answer = self._answer

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        responses = self.posts if request.line.startswith(b"POST ") else self.gets
        writer.write(responses.pop(0) if len(responses) > 1 else responses[0])


class Listening:
    """A GET that stays open: the test sends for the upstream, and reads what the client gets."""

    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.posts: list[Request] = []
        self.on_post: Any = None
        self._writer: asyncio.StreamWriter | None = None
        self._is_open = asyncio.Event()
        upstream.answer = self._answer

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.line.startswith(b"GET "):
            self._writer = writer
            writer.write(sse_head())
            await writer.drain()
            self._is_open.set()
            return
        self.posts.append(request)
        if self.on_post is not None:
            await self.on_post(request)
        writer.write(ACCEPTED)

    async def send(self, data: bytes) -> None:
        """Send on the stream of the GET."""
        await self._is_open.wait()
        assert self._writer is not None
        self._writer.write(chunk(data))
        await self._writer.drain()


@contextlib.asynccontextmanager
async def listening(
    gateway: Gateway, key: str, path: str = "/mcp", **headers: str
) -> AsyncIterator[aiohttp.StreamReader]:
    """Open a listening stream; yield what the client receives."""
    fields = {"Authorization": f"Bearer {key}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    async with gateway.session.get(f"http://127.0.0.1:{gateway.port}{path}", headers=fields) as response:
        assert response.status == 200
        yield response.content


async def next_event(content: aiohttp.StreamReader) -> dict[str, str]:
    """Return the fields of the next event that the client receives."""
    fields: dict[str, str] = {}
    async with asyncio.timeout(30):
        while line := (await content.readline()).decode().rstrip("\n"):
            name, _, value = line.partition(": ")
            fields[name] = value
    return fields


def messages_in(body: bytes) -> list[Any]:
    """Return the messages of a complete event stream."""
    return [json.loads(line[6:]) for line in body.split(b"\n") if line.startswith(b"data: {")]
