"""One connection to the upstream, carrying one exchange at a time.

The rules:

- An answer that broke off is never taken for a whole one: `read` raises. A connection that was reset has broken off.
- At most `_HIGH_WATER` bytes, and what one read of the socket gives, wait for the reader; then the socket is not read
  until they are taken.
- While the answer has a place for its bytes, the socket is read into it; and to the end where the reader holds the
  answer, as the memory is taken already.
- A connection goes back to the pool only after a whole answer that both sides keep alive; in every other case it is
  aborted. One on which anything has happened since is not taken again.
- Time is kept by phase in `deadline`, which the pool looks at; there is no timer for each request.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from typing import cast

from gateway.protocol.buffers import Chunk
from gateway.proxy.upstream.errors import (
    FirstByteTimeoutError,
    IdleTimeoutError,
    ResponseError,
    UpstreamError,
)
from gateway.proxy.upstream.response_parser import ResponseParser

_HIGH_WATER = 256 * 1024
_AT_ONCE = 512 * 1024
"""Bytes that one read of the socket gives at most."""


class UpstreamConnection(asyncio.Protocol):
    """A connection, and the answer that comes on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, first_byte_timeout: float, idle_timeout: float) -> None:
        self._loop = loop
        self._first_byte_timeout = first_byte_timeout
        self._idle_timeout = idle_timeout
        self._transport: asyncio.Transport | None = None
        self._readable: select.poll | None = None
        self._is_reading_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self.listener: Callable[[], None] | None = None
        """Called when something has come, or the exchange has failed, in place of waking who waits."""
        self._answer = ResponseParser()
        self.head_cache: object = None
        """What was remembered of the last answer."""
        self._failure: UpstreamError | None = None
        self._is_in_place = False
        self._is_held = False
        self._is_busy = False
        self.deadline = float("inf")
        """Loop time at which `expire` is due."""
        self.is_lost = False

    # The exchange, as the proxy sees it.

    def send(self, request: bytes) -> None:
        """Begin an exchange: send one whole request. Raises `UpstreamError`."""
        self._answer = ResponseParser(self._answer.known)
        self._failure = None
        self._is_held = False
        self._is_busy = True
        self.deadline = self._loop.time() + self._first_byte_timeout
        if self._transport is None or self.is_lost:
            raise ResponseError("The upstream closed the connection")
        self._transport.write(request)

    async def wait_for_head(self) -> None:
        """Wait for the answer's head; then `status`, `reason` and `headers` hold it. Raises `UpstreamError`."""
        while not self._answer.is_head_complete:
            await self._wait()

    def body_view(self) -> tuple[bytes | bytearray, int, int]:
        """What has come of the body, still to be taken: where it begins and ends in the first; empty where it is not
        in one."""
        return self._answer.so_far()

    def buffer_whole(self) -> None:
        """The reader holds the answer until it is whole."""
        self._is_held = True

    def read_nowait(self) -> Chunk:
        """The bytes of the answer's body that have come; empty where there are none."""
        chunk = self._answer.take()
        if self._is_reading_paused:
            self._resume_reading()
        return chunk

    async def read(self) -> Chunk:
        """The next bytes of the answer's body, empty at its end. Raises `UpstreamError` where it broke off."""
        while not self._answer.waiting_bytes:
            if self._answer.is_complete:
                return b""
            await self._wait()
        return self.read_nowait()

    @property
    def status(self) -> int:
        """The answer's status."""
        return self._answer.status

    @property
    def reason(self) -> str:
        """The answer's reason phrase; may be empty."""
        return self._answer.reason

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The fields of the answer's head, its length aside; the same object while the head is the same."""
        return self._answer.headers

    @property
    def trailers(self) -> list[tuple[bytes, bytes]]:
        """The fields behind the answer's last chunk; complete once `at_eof`."""
        return self._answer.trailers

    def header(self, name: bytes) -> str:
        """A field of the answer's head by its lower-case name, its length aside; empty where absent."""
        for field, value in self._answer.headers:
            if len(field) == len(name) and field.lower() == name:
                return value.decode("latin-1")
        return ""

    @property
    def is_complete(self) -> bool:
        """Whether the answer has come to its end."""
        return self._answer.is_complete and self._failure is None

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will come: the answer is whole, or has failed."""
        return self._answer.is_complete or self._failure is not None

    @property
    def is_head_pending(self) -> bool:
        """Whether neither the answer's head has come nor a failure."""
        return not self._answer.is_head_complete and self._failure is None

    @property
    def is_event_stream(self) -> bool:
        """Whether the answer is a stream of server-sent events."""
        return self.header(b"content-type").lower().startswith("text/event-stream")

    @property
    def content_length(self) -> int | None:
        """The length that the answer's head states; `None` where it states none."""
        return self._answer.content_length

    @property
    def is_readable(self) -> bool:
        """Whether some of the body, or its end, has been received."""
        return self._answer.waiting_bytes > 0 or self._answer.is_complete

    @property
    def at_eof(self) -> bool:
        """Whether the whole body has been received and read."""
        return self._answer.is_complete and not self._answer.waiting_bytes

    @property
    def unread_bytes(self) -> int:
        """Bytes of the body that wait to be read."""
        return self._answer.waiting_bytes

    # What the pool does with it.

    @property
    def is_reusable(self) -> bool:
        """Whether another exchange may use the connection."""
        return self._answer.is_complete and self._answer.is_keep_alive and not self.is_lost and self._failure is None

    @property
    def is_fresh(self) -> bool:
        """Whether a connection at rest has not rested too long, and nothing has happened on it.

        That holds for what the loop has not come to see yet, too: a server that is closing the connection, or sends
        what nobody asked for (a late 408), must not get a request.
        """
        if self.is_lost or self.deadline <= self._loop.time():
            return False
        return self._readable is None or not self._readable.poll(0)

    def rest(self, keep_alive: float) -> None:
        """Wait in the pool for the next exchange, for at most `keep_alive` seconds."""
        self._is_busy = False
        self.deadline = self._loop.time() + keep_alive
        self._answer.forget()
        if self._is_reading_paused:
            self._resume_reading()

    def abort(self) -> None:
        """Close at once."""
        self.is_lost = True
        self._answer.drop()
        if self._transport is not None:
            self._transport.abort()

    def expire(self) -> None:
        """End what has taken too long: a phase of an exchange, or the rest in the pool."""
        if not self._is_busy or self._answer.is_complete:
            self.abort()
        elif self._is_reading_paused:
            # The upstream is held back by a slow reader, and is not to blame.
            self.deadline = self._loop.time() + self._idle_timeout
        elif self._answer.is_head_complete:
            self._fail(IdleTimeoutError("The upstream stopped sending"))
        else:
            self._fail(FirstByteTimeoutError("The upstream did not answer in time"))

    async def _wait(self) -> None:
        if self._failure is not None:
            raise self._failure
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

    def _fail(self, failure: UpstreamError) -> None:
        if self._failure is None and not self._answer.is_complete:
            self._failure = failure
        self._wake()
        self.abort()

    def _resume_reading(self) -> None:
        if self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = False
            self._transport.resume_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        socket = transport.get_extra_info("socket")
        if socket is not None:
            self._readable = select.poll()
            self._readable.register(socket.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if not self._is_busy or self._answer.is_complete:
            self.abort()
            return
        try:
            self._answer.feed(data)
        except ResponseError as failure:
            self._fail(failure)
            return
        self._received()

    def room(self) -> memoryview:
        """Where the next bytes of the answer are to be put."""
        assert self._answer.room is not None
        return self._answer.room if self._is_held else self._answer.room[:_AT_ONCE]

    def filled(self, size: int) -> None:
        """So many bytes were put there."""
        self._answer.fill(size)
        self._received()

    def _received(self) -> None:
        answer, transport = self._answer, self._transport
        if answer.is_head_complete:
            self.deadline = self._loop.time() + self._idle_timeout
        is_in_place = answer.room is not None
        if transport is not None and (is_in_place or self._is_in_place or not answer.is_complete):
            is_bounded = is_in_place and self._is_held
            if answer.waiting_bytes > _HIGH_WATER and not is_bounded and not self._is_reading_paused:
                self._is_reading_paused = True
                transport.pause_reading()
            if is_in_place is not self._is_in_place:
                self._is_in_place = is_in_place
                transport.set_protocol(BufferedReceiver(self) if is_in_place else self)
        self._wake()

    def eof_received(self) -> None:
        if self._is_busy:
            try:
                self._answer.end()
            except ResponseError as failure:
                self._fail(failure)
        self.is_lost = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        # The end of the stream has come before as `eof_received`; what comes here alone is a reset, or an abort.
        if self._is_busy:
            self._fail(ResponseError("The upstream broke the connection off before its answer was whole"))
        self.is_lost = True
        self._transport = None
        self._readable = None


class BufferedReceiver(asyncio.BufferedProtocol):
    """Stands in for a connection while it receives in place."""

    def __init__(self, connection: UpstreamConnection) -> None:
        self._connection = connection

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._connection.room()

    def buffer_updated(self, nbytes: int) -> None:
        self._connection.filled(nbytes)

    def eof_received(self) -> None:
        self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connection.connection_lost(exc)
