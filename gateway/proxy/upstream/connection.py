"""One connection to the upstream, which carries one request and its response at a time.

Guarantees:

- A response that ended early is never taken for a complete one: `read` raises. A reset always means an early end.
- Memory is bounded: see `gateway.proxy.upstream.socket_reader`.
- A connection is reused only after a complete response that both sides keep alive, and only if nothing has happened on
  it since; in every other case it is aborted.
- Time-outs are kept by phase in `deadline`, which the pool checks; no request has a timer.

A connection is in one state at a time:

| state        | event                                              | next state |
| ------------ | -------------------------------------------------- | ---------- |
| `CONNECTING` | `connection_made`                                  | `IDLE`     |
| `IDLE`       | `send_request`                                     | `BUSY`     |
| `IDLE`       | received bytes, end of stream, keep-alive time-out | `CLOSED`   |
| `BUSY`       | `mark_idle`, after a reusable response             | `IDLE`     |
| `BUSY`       | invalid response, bytes after it, end of stream    | `CLOSED`   |
| `BUSY`       | first-byte or idle time-out                        | `CLOSED`   |
| any          | `abort`, `connection_lost`                         | `CLOSED`   |

While it is `BUSY`, the progress of the response is the state of its `ResponseParser`. If the connection is closed
before that is complete, `error` says why. A response that was complete by then can still be read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import cast

from gateway.protocol.buffers import BufferSlice, Chunk
from gateway.proxy.upstream.body_buffer import BodyBuffer
from gateway.proxy.upstream.config import UpstreamTimeouts
from gateway.proxy.upstream.errors import FirstByteTimeoutError, IdleTimeoutError, ResponseError, UpstreamError
from gateway.proxy.upstream.response_parser import COMPLETE, ResponseParser
from gateway.proxy.upstream.socket_reader import SocketReader


class ConnectionState(Enum):
    """State of a connection; see the transition table of this module."""

    CONNECTING = "connecting"
    IDLE = "idle"
    BUSY = "busy"
    CLOSED = "closed"


_IDLE = ConnectionState.IDLE
_BUSY = ConnectionState.BUSY
_CLOSED = ConnectionState.CLOSED


class UpstreamConnection(asyncio.Protocol):
    """A connection, and the response that is received on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeouts: UpstreamTimeouts) -> None:
        self.state = ConnectionState.CONNECTING
        self.deadline = float("inf")
        """Loop time at which `on_deadline` is to be called."""
        self.error: UpstreamError | None = None
        """The reason why the response will not be complete."""
        self.listener: Callable[[], None] | None = None
        """Called when something was received or the response has failed, instead of waking a waiting reader."""
        self.on_released: Callable[[], None] | None = None
        """Called once when the request has ended and the connection is released."""
        self.head_cache: object = None
        """Whatever the caller derived from the head of the last response, for the next one with the same head."""
        self._loop = loop
        self._timeouts = timeouts
        self._transport: asyncio.Transport | None = None
        self._reader: SocketReader | None = None
        self._body = BodyBuffer()
        self.response = ResponseParser(self._body)
        """The response to the last request, as far as it has arrived."""
        self._waiter: asyncio.Future[None] | None = None

    # Request and response.

    def send_request(self, request: bytes) -> None:
        """Send one whole request. Raises `UpstreamError`."""
        if self._transport is None or self.state is _CLOSED:
            raise ResponseError("The upstream closed the connection")
        self.response = ResponseParser(self._body, self.response.cached_head)
        self.error = None
        if self._reader is not None:
            self._reader.buffer_whole = False
        self.state = _BUSY
        self.deadline = self._loop.time() + self._timeouts.first_byte
        self._transport.write(request)

    async def wait_for_head(self) -> None:
        """Wait for the head of the response. Raises `UpstreamError`."""
        while not self.response.status:
            await self._wait()

    def body_view(self) -> BufferSlice:
        """Return (buffer, start, end) of the unread body, without consuming it; empty if it is not contiguous."""
        return self._body.view()

    def buffer_whole(self) -> None:
        """Let a large body be received to its end, because the caller needs all of it before it reads any."""
        if self._reader is not None:
            self._reader.buffer_whole = True

    def read_nowait(self) -> Chunk:
        """Return the unread bytes of the body; empty if there are none."""
        chunk = self._body.read_nowait()
        if self._reader is not None and self._reader.is_paused:
            self._reader.resume()
        return chunk

    async def read(self) -> Chunk:
        """Return the next bytes of the body, empty at its end. Raises `UpstreamError` if the response ended early."""
        while not self._body.unread_bytes:
            if self.response.state is COMPLETE:
                return b""
            await self._wait()
        return self.read_nowait()

    @property
    def is_head_pending(self) -> bool:
        """True until the head of the response has arrived or the response has failed."""
        return not self.response.status and self.error is None

    @property
    def is_finished(self) -> bool:
        """True if nothing more will be received: the response is complete or has failed."""
        return self.response.state is COMPLETE or self.error is not None

    @property
    def unread_bytes(self) -> int:
        """Bytes of the body that were received and not read."""
        return self._body.unread_bytes

    @property
    def is_readable(self) -> bool:
        """True if `read` would return without waiting."""
        return self._body.unread_bytes > 0 or self.response.state is COMPLETE

    @property
    def at_eof(self) -> bool:
        """True if the whole body has been received and read."""
        return self.response.state is COMPLETE and not self._body.unread_bytes

    # For the pool.

    @property
    def is_reusable(self) -> bool:
        """True if the connection may carry another request after this one."""
        response = self.response
        return response.state is COMPLETE and response.keep_alive and self.state is _BUSY

    @property
    def is_usable(self) -> bool:
        """True if a request may be sent: the connection is idle, not for too long, and nothing has happened on it.

        That includes events that the loop has not delivered yet: a server that is closing the connection, or sends a
        response to no request (a late 408), must not be sent one.
        """
        if self.state is not _IDLE or self.deadline <= self._loop.time():
            return False
        return self._reader is None or not self._reader.has_unseen_event()

    def mark_idle(self, seconds: float) -> None:
        """Wait for the next request, until so long after the response. The unread rest of the response is dropped."""
        self.state = _IDLE
        # The upstream counts from the end of the response, which may have waited for a slow client since.
        self.deadline += seconds - self._timeouts.idle
        self._body.clear()
        if self._reader is not None and self._reader.is_paused:
            self._reader.resume()

    def abort(self) -> None:
        """Close immediately."""
        self.state = _CLOSED
        self.response.close()
        if self._transport is not None:
            self._transport.abort()

    def on_deadline(self) -> None:
        """End the phase that has taken too long."""
        parser = self.response
        if self.state is not _BUSY or parser.state is COMPLETE:
            self.abort()
        elif self._reader is not None and self._reader.is_paused:
            # A slow reader is the cause, not the upstream.
            self.deadline = self._loop.time() + self._timeouts.idle
        elif parser.status:
            self._fail(IdleTimeoutError("The upstream stopped sending its response"))
        else:
            self._fail(FirstByteTimeoutError("The upstream did not respond in time"))

    async def _wait(self) -> None:
        if self.error is not None:
            raise self.error
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self.listener is not None:
            self.listener()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, error: UpstreamError) -> None:
        if self.error is None and self.response.state is not COMPLETE:
            self.error = error
        self._wake()
        self.abort()

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._reader = SocketReader(self._transport, self, self._body, self._buffer_updated)
        if self.state is ConnectionState.CONNECTING:
            self.state = _IDLE

    def data_received(self, data: bytes) -> None:
        parser = self.response
        if self.state is not _BUSY or parser.state is COMPLETE:
            self.abort()
            return
        try:
            parser.feed(data)
        except ResponseError as error:
            self._fail(error)
            return
        self._received()

    def _buffer_updated(self, size: int) -> None:
        self.response.buffer_updated(size)
        self._received()

    def _received(self) -> None:
        parser, reader = self.response, self._reader
        if parser.status:
            self.deadline = self._loop.time() + self._timeouts.idle
        if reader is not None and (parser.state is not COMPLETE or reader.is_direct):
            reader.update()
        self._wake()

    def eof_received(self) -> None:
        if self.state is _BUSY:
            try:
                self.response.feed_eof()
            except ResponseError as error:
                self._fail(error)
        self.state = _CLOSED
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        # An orderly end of the stream was reported by `eof_received`: this is a reset or follows an abort.
        self._fail(ResponseError("The upstream closed the connection before its response was complete"))
        self._transport = None
        self._reader = None
