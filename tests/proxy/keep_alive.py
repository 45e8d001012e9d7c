"""Clients that reuse their connection, so that calls may take the fast path; and a record of the paths taken."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from redis.asyncio import Redis

from gateway.proxy.downstream.connection import ClientConnection
from gateway.proxy.downstream.request_context import RequestContext, SentCall
from gateway.proxy.fast_path.fast_path import FastPath
from gateway.proxy.upstream.connection import ConnectionState
from gateway.usage.event import UsageEvent
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import Answer, Request, ScriptedUpstream, answer_raw, http
from tests.support.waiting import until
from tests.support.wire import request

RESULT = {"content": [], "structuredContent": {"table": "prices", "rows": [{"n": 1}, {"n": 2}]}}
SINGLE_RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{"table":"prices","rows":[1,2]}}}'
"""The single-result response to the call with id 1."""
_DATE = re.compile(rb"Date: [^\r]*\r\n")


@contextlib.asynccontextmanager
async def limited_gateway(
    redis: Redis, url: str, upstream: ScriptedUpstream, folder: Path, **changes: Any
) -> AsyncIterator[Gateway]:
    """A gateway with a concurrency limit of one; at its end, no request and no upstream connection may be in use."""
    async with running_gateway(
        redis, url, upstream.url, folder, **{"max_concurrent_requests": 1, **changes}
    ) as gateway:
        yield gateway
        upstream.answer = answer_raw(http(SINGLE_RESULT))
        await until(lambda: not gateway.active_requests)
        assert (await gateway.post(call(), await gateway.key("last@example.com"))).status == 200
        pool = gateway.pool
        await until(lambda: all(connection.state is ConnectionState.IDLE for connection in pool.connections))


class PathRecorder:
    """Records the path of each request, in order.

    `general`: the general path. `fast`: the fast path. `fell back`: the request before it in the list, which was sent
    on the fast path, continues on the general path.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.taken: list[str] = []
        begin, hand_over, of = FastPath.begin, ClientConnection.hand_over, RequestContext.of
        handed_over = 0

        def recording_begin(fast_path: FastPath, *arguments: Any) -> SentCall | None:
            call = begin(fast_path, *arguments)
            if call is not None:
                self.taken.append("fast")
            return call

        def recording_hand_over(connection: ClientConnection, call: SentCall) -> None:
            nonlocal handed_over
            handed_over += 1
            self.taken.append("fell back")
            hand_over(connection, call)

        def recording_of(request: web.BaseRequest) -> RequestContext:
            nonlocal handed_over
            if handed_over:
                handed_over -= 1
            else:
                self.taken.append("general")
            return of(request)

        patch.setattr(FastPath, "begin", recording_begin)
        patch.setattr(ClientConnection, "hand_over", recording_hand_over)
        patch.setattr(RequestContext, "of", staticmethod(recording_of))

    @property
    def last(self) -> str:
        """The path of the last request."""
        return self.taken[-1]


class KeepAliveClient:
    """A client connection on which all requests have the same head, apart from `Content-Length`."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        key: str | None,
        fields: tuple[bytes, ...],
        version: bytes,
    ) -> None:
        self.reader = reader
        self.writer = writer
        self._key = key
        self._fields = fields
        self._version = version

    def encode(self, data: Any) -> bytes:
        """Return a request with this body, which is encoded as JSON unless it is bytes."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        return request(b"POST /mcp HTTP/" + self._version, *self._fields, key=self._key, body=body)

    def send(self, data: Any) -> None:
        """Send one request, in one segment."""
        self.writer.write(self.encode(data))

    async def exchange(self, data: Any) -> bytes:
        """Send one request and return its response as bytes."""
        self.send(data)
        return await self.read_response()

    async def read_response(self) -> bytes:
        """Return the next response; an incomplete one if the connection is closed before its end."""
        async with asyncio.timeout(30):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError) as end:
                return getattr(end, "partial", b"")
            return head + await self._body(head.lower())

    async def _body(self, head: bytes) -> bytes:
        if length := re.search(rb"\r\ncontent-length: (\d+)\r\n", head):
            return await self._exactly(int(length[1]))
        if b"\r\ntransfer-encoding: chunked\r\n" not in head:
            is_bodiless = head.startswith((b"http/1.1 204", b"http/1.1 304"))
            return b"" if is_bodiless else await self._exactly(None)
        body = b""
        while True:
            line = await self.reader.readline()
            body += line
            if line in (b"", b"0\r\n"):
                break
            body += await self._exactly(int(line, 16) + 2)
        while line not in (b"", b"\r\n"):
            line = await self.reader.readline()
            body += line
        return body

    async def _exactly(self, size: int | None) -> bytes:
        """Return so many bytes, or `None` for all up to the end of the connection."""
        try:
            return await (self.reader.read() if size is None else self.reader.readexactly(size))
        except asyncio.IncompleteReadError as end:
            return end.partial
        except ConnectionError:
            return b"and a reset"

    async def is_closed(self) -> bool:
        """Return True if the gateway, which runs in this event loop, has closed the connection."""
        for _ in range(10):
            await asyncio.sleep(0)
        if self.reader.exception() is not None or self.reader.at_eof():
            return True
        assert not self.reader._buffer, "something follows the response"  # type: ignore[attr-defined]
        return False

    def disconnect(self) -> None:
        """Close the connection immediately."""
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def keep_alive(
    gateway: Gateway, key: str | None, *fields: bytes, version: bytes = b"1.1"
) -> AsyncIterator[KeepAliveClient]:
    """A client connection; `fields` are header lines of each request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=2**24)
    try:
        yield KeepAliveClient(reader, writer, key, fields, version)
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def warm_client(
    gateway: Gateway, upstream: ScriptedUpstream, key: str | None, *fields: bytes, version: bytes = b"1.1"
) -> AsyncIterator[KeepAliveClient]:
    """A client connection whose next call takes the fast path, unless something else prevents it.

    The upstream's responses are set as they were before.
    """
    async with keep_alive(gateway, key, *fields, version=version) as client:
        configured, upstream.answer = upstream.answer, answer_raw(http(SINGLE_RESULT))
        raw = await client.exchange(call())
        assert raw.startswith(b"HTTP/1.1 200 ")
        assert raw.endswith(SINGLE_RESULT)
        upstream.answer = configured
        upstream.requests.clear()
        yield client


def without_date(raw: bytes) -> bytes:
    """Return a response without its `Date`."""
    return _DATE.sub(b"", raw, count=1)


def without_time(event: UsageEvent) -> UsageEvent:
    """Return a usage event without its id, time and duration."""
    return msgspec.structs.replace(event, event_id="", created_at=0, duration_ms=0.0)


class PausedUpstream:
    """An upstream that responds when the test releases it."""

    def __init__(self, upstream: ScriptedUpstream, raw: bytes = http(SINGLE_RESULT)) -> None:
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.raw = raw
        self.writer: asyncio.StreamWriter | None = None
        upstream.answer = self._respond

    async def _respond(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.arrived.set()
        await self.release.wait()
        writer.write(self.raw)


def in_segments(*segments: bytes, close: bool = False) -> Answer:
    """Respond in segments that arrive one by one."""

    async def respond(_request: Request, writer: asyncio.StreamWriter) -> None:
        for segment in segments:
            writer.write(segment)
            await writer.drain()
            # The gateway runs in this event loop: it reads each segment before the next one is written.
            for _ in range(3):
                await asyncio.sleep(0)
        if close:
            writer.close()

    return respond
