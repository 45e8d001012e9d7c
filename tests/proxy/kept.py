"""A client's connection that carries one call after another, and the ways that they take through the gateway."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.proxy.downstream.request_context import Continuation, RequestContext
from gateway.proxy.fast_path.call import FastPathCall
from gateway.proxy.fast_path.fast_path import FastPath
from gateway.proxy.upstream.connection import ConnectionState
from gateway.usage.event import UsageEvent
from tests.support.gateway import Gateway, call, running_gateway
from tests.support.scripted_upstream import Answer, Request, ScriptedUpstream, answer_raw, http
from tests.support.wire import request

RESULT = {"content": [], "structuredContent": {"table": "prices", "rows": [{"n": 1}, {"n": 2}]}}
USUAL = b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"structuredContent":{"table":"prices","rows":[1,2]}}}'
"""The usual answer to the call of the id 1."""
_DATE = re.compile(rb"Date: [^\r]*\r\n")


@contextlib.asynccontextmanager
async def narrow_gateway(
    redis: Redis, url: str, upstream: ScriptedUpstream, folder: Path, **changes: Any
) -> AsyncIterator[Gateway]:
    """A gateway with room for one request; in the end the room is free, and no connection upstream is left busy."""
    async with running_gateway(
        redis, url, upstream.url, folder, **{"max_concurrent_requests": 1, **changes}
    ) as gateway:
        yield gateway
        upstream.answer = answer_raw(http(USUAL))
        await until(lambda: not gateway.active_requests)
        assert (await gateway.post(call(), await gateway.key("last@example.com"))).status == 200
        pool = gateway.pool
        await until(lambda: all(connection.state is ConnectionState.IDLE for connection in pool.connections))


class Ways:
    """What became of each request whose body came with its head, in their order.

    `long`: it took the long way from its beginning. `straight`: it was sent straight. `taken up`: the request before it
    in the list, which was sent straight, takes the long way from its answer on.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.taken: list[str] = []
        begin, go_on = FastPath.begin, RequestContext.continue_in_task

        def seen_to_begin(straight: FastPath, exchange: RequestContext) -> FastPathCall | None:
            begun = begin(straight, exchange)
            self.taken.append("long" if begun is None else "straight")
            return begun

        def seen_to_go_on(exchange: RequestContext, work: Continuation) -> None:
            self.taken.append("taken up")
            go_on(exchange, work)

        patch.setattr(FastPath, "begin", seen_to_begin)
        patch.setattr(RequestContext, "continue_in_task", seen_to_go_on)

    @property
    def last(self) -> str:
        """What became of the last request."""
        return self.taken[-1]


class Kept:
    """A client's connection on which every request has the same head, but for its length."""

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

    def bytes_of(self, data: Any) -> bytes:
        """A request with this body, as JSON unless it is bytes."""
        body = data if isinstance(data, bytes) else json.dumps(data).encode()
        return request(b"POST /mcp HTTP/" + self._version, *self._fields, key=self._key, body=body)

    def send(self, data: Any) -> None:
        """Send one request, in one segment."""
        self.writer.write(self.bytes_of(data))

    async def ask(self, data: Any) -> bytes:
        """Send one request and read the answer to it, as bytes."""
        self.send(data)
        return await self.answer()

    async def answer(self) -> bytes:
        """The next answer; what there is of it where the connection is closed before its end."""
        async with asyncio.timeout(10):
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
        """So many bytes, or those up to the end of the connection."""
        try:
            return await (self.reader.read() if size is None else self.reader.readexactly(size))
        except asyncio.IncompleteReadError as end:
            return end.partial
        except ConnectionError:
            return b"and a reset"

    async def is_closed(self) -> bool:
        """Whether the gateway, which is in this loop, has closed the connection with the last answer."""
        for _ in range(10):
            await asyncio.sleep(0)
        if self.reader.exception() is not None or self.reader.at_eof():
            return True
        assert not self.reader._buffer, "something follows the answer"  # type: ignore[attr-defined]
        return False

    def leave(self) -> None:
        """Close the connection at once."""
        self.writer.transport.abort()


@contextlib.asynccontextmanager
async def kept(gateway: Gateway, key: str | None, *fields: bytes, version: bytes = b"1.1") -> AsyncIterator[Kept]:
    """A client's connection; `fields` stand in the head of each request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port, limit=2**24)
    try:
        yield Kept(reader, writer, key, fields, version)
    finally:
        writer.transport.abort()


@contextlib.asynccontextmanager
async def warm(
    gateway: Gateway, upstream: ScriptedUpstream, key: str, *fields: bytes, version: bytes = b"1.1"
) -> AsyncIterator[Kept]:
    """A client's connection whose next call goes straight, if nothing else keeps it from that.

    The answers of the upstream are what they were before.
    """
    async with kept(gateway, key, *fields, version=version) as client:
        answer, upstream.answer = upstream.answer, answer_raw(http(USUAL))
        raw = await client.ask(call())
        assert raw.startswith(b"HTTP/1.1 200 ")
        assert raw.endswith(USUAL)
        upstream.answer = answer
        upstream.requests.clear()
        yield client


def undated(raw: bytes) -> bytes:
    """An answer without the time at which it was made."""
    return _DATE.sub(b"", raw, count=1)


def without_time(event: UsageEvent) -> UsageEvent:
    """A usage event without what differs from one call to the next."""
    return msgspec.structs.replace(event, event_id="", created_at=0, duration_ms=0.0)


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Held:
    """An upstream that answers when the test lets it."""

    def __init__(self, upstream: ScriptedUpstream, raw: bytes = http(USUAL)) -> None:
        self.arrived = asyncio.Event()
        self.release = asyncio.Event()
        self.raw = raw
        self.writer: asyncio.StreamWriter | None = None
        upstream.answer = self._answer

    async def _answer(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.arrived.set()
        await self.release.wait()
        writer.write(self.raw)


def in_pieces(*pieces: bytes, close: bool = False) -> Answer:
    """Answers with pieces that arrive one by one."""

    async def answer(_request: Request, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            # The gateway is in this loop: it reads what has arrived before the next piece is written.
            for _ in range(3):
                await asyncio.sleep(0)
        if close:
            writer.close()

    return answer
