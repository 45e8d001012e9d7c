"""One connection to the upstream, carrying one exchange at a time.

The rules:

- An answer is read by a strict parser; two lengths, a bare CR or LF in a field, a head beyond its bounds, or bytes that
  nobody asked for end the connection.
- An answer that broke off is never taken for a whole one: `read` raises.
- At most `_HIGH_WATER` bytes wait for the reader; then the socket is not read until half of them are gone.
- A connection goes back to the pool only after a whole answer that both sides keep alive; in every other case it is
  aborted.
- Time is kept by phase in `deadline`, which the pool looks at; there is no timer for each request.
"""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from gateway.proxy.upstream.failures import (
    AnswerError,
    FirstByteTimeoutError,
    IdleTimeoutError,
    UpstreamError,
)

_HIGH_WATER = 256 * 1024
_LOW_WATER = _HIGH_WATER // 2
MAX_HEAD = 64 * 1024
"""Bytes of an answer's head."""
MAX_HEADERS = 256


class UpstreamConnection(asyncio.Protocol):
    """An answer in the making, and the connection that it comes on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, first_byte_timeout: float, idle_timeout: float) -> None:
        self._loop = loop
        self._first_byte_timeout = first_byte_timeout
        self._idle_timeout = idle_timeout
        self._transport: asyncio.Transport | None = None
        self._is_reading_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self.deadline = float("inf")
        """Loop time at which `expire` is due."""
        self.is_lost = False
        self._begin_exchange()

    def _begin_exchange(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._failure: UpstreamError | None = None
        self._chunks: list[bytes] = []
        self._waiting_bytes = 0
        self._head_bytes = 0
        self._field_bytes = 0
        self._has_length = False
        self._is_keep_alive = False
        self._is_head_complete = False
        self._is_complete = False
        self._is_busy = False
        self.status = 0
        self.reason = ""
        self.headers: list[tuple[bytes, bytes]] = []

    # The exchange, as the proxy sees it.

    def send(self, request: bytes) -> None:
        """Begin an exchange: send one whole request."""
        self._begin_exchange()
        self._is_busy = True
        self.deadline = self._loop.time() + self._first_byte_timeout
        if self._transport is None or self.is_lost:
            raise AnswerError("The upstream closed the connection")
        self._transport.write(request)

    async def head(self) -> None:
        """Wait for the answer's head; then `status`, `reason` and `headers` hold it. Raises `UpstreamError`."""
        while not self._is_head_complete:
            await self._wait()

    async def read(self) -> bytes:
        """The next bytes of the answer's body, empty at its end. Raises `UpstreamError` where it broke off."""
        while not self._chunks:
            if self._is_complete:
                return b""
            await self._wait()
        chunk = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._waiting_bytes = 0
        if self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = False
            self._transport.resume_reading()
        return chunk

    def field(self, name: bytes) -> str:
        """A field of the answer's head by its lower-case name; empty where absent."""
        return next((value.decode("latin-1") for field, value in self.headers if field.lower() == name), "")

    @property
    def at_end(self) -> bool:
        """Whether the whole body has been received and read."""
        return self._is_complete and not self._chunks

    @property
    def is_reusable(self) -> bool:
        """Whether another exchange may use the connection."""
        return self._is_complete and self._is_keep_alive and not self.is_lost and self._failure is None

    def rest(self, keep_alive: float) -> None:
        """Wait in the pool for the next exchange, for at most `keep_alive` seconds."""
        self._is_busy = False
        self.deadline = self._loop.time() + keep_alive

    def abort(self) -> None:
        """Close at once."""
        self.is_lost = True
        if self._transport is not None:
            self._transport.abort()

    def expire(self) -> None:
        """End what has taken too long: a phase of an exchange, or the rest in the pool."""
        if self._is_busy and not self._is_complete:
            if self._is_head_complete:
                self._fail(IdleTimeoutError("The upstream stopped sending"))
            else:
                self._fail(FirstByteTimeoutError("The upstream did not answer in time"))
        else:
            self.abort()

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
        if self._failure is not None and not self._chunks:
            raise self._failure

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: UpstreamError) -> None:
        if self._failure is None and not self._is_complete:
            self._failure = failure
        self._wake()
        self.abort()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self._is_busy or self._is_complete:
            self._is_keep_alive = False
            self.abort()
            return
        if self._is_head_complete:
            self.deadline = self._loop.time() + self._idle_timeout
        else:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(self._failure or AnswerError("The upstream's answer is not valid HTTP"))
            return
        if not self._is_head_complete and self._head_bytes > MAX_HEAD:
            self._fail(AnswerError("The head of the upstream's answer is too large"))
        if self._waiting_bytes > _HIGH_WATER and not self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        self._end_of_stream()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        self._end_of_stream()

    def _end_of_stream(self) -> None:
        if self._is_busy and not self._is_complete:
            if self._is_head_complete and not self._has_length:
                self._is_complete = True
                self._is_keep_alive = False
                self._wake()
            else:
                self._fail(AnswerError("The upstream closed the connection before its answer was whole"))

    # What the parser calls.

    def on_status(self, reason: bytes) -> None:
        self.reason = reason.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._field_bytes += len(name) + len(value)
        if len(self.headers) >= MAX_HEADERS or self._field_bytes > MAX_HEAD:
            self._refuse("its head is too large")
        if b"\r" in value or b"\n" in value or b"\0" in value:
            self._refuse("a line end within a field")
        lower = name.lower()
        if lower == b"content-length" or lower == b"transfer-encoding":
            if self._has_length:
                self._refuse("two lengths")
            if lower == b"transfer-encoding" and value.strip().lower() != b"chunked":
                self._refuse("an unknown transfer encoding")
            self._has_length = True
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._is_complete:
            self._refuse("a second answer")
        status = self._parser.get_status_code()
        if status == 101:
            self._refuse("a switch of protocols")
        if status < 200:
            return
        self.status = status
        self._has_length = self._has_length or status in (204, 304)
        self._is_head_complete = True
        self.deadline = self._loop.time() + self._idle_timeout
        self._wake()

    def on_body(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._waiting_bytes += len(chunk)
        self._wake()

    def on_message_complete(self) -> None:
        if self.status == 0:
            # An informational answer (1xx); the true one follows.
            self.headers.clear()
            self._has_length = False
            return
        self._is_complete = True
        self._is_keep_alive = self._parser.should_keep_alive() and self._has_length
        self._wake()

    def _refuse(self, fault: str) -> None:
        self._failure = AnswerError(f"The upstream's answer is not valid HTTP: {fault}")
        raise self._failure
