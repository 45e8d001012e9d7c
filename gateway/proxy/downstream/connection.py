"""One connection of a client: its requests, one after another, and their answers.

The rules:

- A request on whose framing two parsers could disagree is answered 4xx, as JSON, and the connection is closed; of what
  follows on it nothing is looked at. No line of what a client sent goes to a log.
- The next request is looked at when this one is answered; until then at most `_MAX_HELD` bytes of it are taken in. So
  the socket is read on, and a client that goes away is noticed at once: the task that serves its request is cancelled.
- A client that does not finish the head of its request in time loses its connection, and so does one that takes
  nothing of an answer for too long. Time is kept in `deadline`, which the server looks at; no request has a timer.
- An answer that cannot be brought to its end is never made to look whole.
- Head and body of an answer leave in one write.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import traceback
from collections.abc import Callable
from typing import Protocol, cast

from gateway.protocol.buffers import Chunk
from gateway.proxy.admission.head_cache import CachedHead
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.request import ClientRequest, RequestReader
from gateway.proxy.downstream.request_context import WORTH_A_COPY, Continuation, RequestContext
from gateway.proxy.downstream.response import Response

log = logging.getLogger(__name__)

KEEP_ALIVE = 75.0
"""Seconds that an idle connection stays open."""
LINGERING = 1.0
"""Seconds for a client to take the answer to a request whose body was refused."""
_LINGERING_BYTES = 256 * 1024
"""Bytes of a refused body that are read while its client takes the answer; then the client is held back."""
STALLED = 300.0
"""Seconds that a client may take nothing of an answer while more than the socket's buffers hold waits for it."""
_MAX_HELD = 64 * 1024
"""Bytes of further requests that are taken in while one is being answered."""
_PIECE = 4 * 1024
"""Bytes of further requests that are looked at together."""
_NEVER = float("inf")
_RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which a close becomes a reset."""


class InFlightRequest(Protocol):
    """What is being answered without a task.

    It ends with `RequestContext.finish`, or when the work begins that `RequestContext.continue_in_task` was given.
    """

    def client_disconnected(self) -> None:
        """The client has gone, or is to go: do neither; that work will not begin."""


class Serving(Protocol):
    """What answers requests."""

    async def __call__(self, context: RequestContext) -> Response | None:
        """Response one request: with what is given back, or, where that is `None`, through the context already."""

    def begin(self, context: RequestContext) -> InFlightRequest | None:
        """Begin to answer a request, whole, for which no task is needed; `None` where it has to be called."""

    def refuse(self, fault: FramingError) -> Response:
        """The answer to what is no request."""

    def failed(self) -> Response:
        """The answer to a request that could not be served for a fault in here."""


class ClientConnection(asyncio.Protocol):
    """What the server makes for each connection."""

    def __init__(
        self,
        serving: Serving,
        *,
        loop: asyncio.AbstractEventLoop,
        head_timeout: float,
        opened: Callable[[ClientConnection], None],
        lost: Callable[[ClientConnection], None],
    ) -> None:
        self._serving = serving
        self._loop = loop
        self._head_timeout = head_timeout
        self._opened = opened
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader()
        self._exchange: RequestContext | None = None
        self._task: asyncio.Task[None] | None = None
        self._arrival: asyncio.Future[None] | None = None
        self._work: Continuation | None = None
        """What the task is to do next."""
        self._begun: InFlightRequest | None = None
        """What is being answered without the task."""
        self._held = bytearray()
        self._is_head_awaited = False
        self._is_reading_paused = False
        self._room: asyncio.Future[None] | None = None
        self._is_stopping = False
        self._is_over = False
        self._discarded = 0
        self._stalled_at = _NEVER
        self._stalled_bytes = 0
        """What waited for the client when it was last seen to take something."""
        self.head_cache: CachedHead | None = None
        self.peer = ""
        self.deadline = _NEVER
        """Loop time at which the connection is to be ended."""

    # What the server asks of it.

    def stop(self) -> None:
        """Take no further request; the one that is being received or answered goes on."""
        self._is_stopping = True
        if self._exchange is None and not self._is_over and not self._reader.is_within_head:
            self._close()

    def cancel(self) -> None:
        """End the request that is being served, and the connection with it."""
        if self._begun is not None and self._exchange is not None:
            self._leave()
            self._break_off(self._exchange.request)
        elif self._task is not None and self._exchange is not None:
            self._task.cancel()
        else:
            self.abort()

    def check_deadlines(self, now: float) -> None:
        """End what has taken too long."""
        if self._stalled_at <= now and self._transport is not None:
            left = self.waiting_bytes
            if left >= self._stalled_bytes:
                _reset(self._transport)
            self._stalled_at, self._stalled_bytes = now + STALLED, left
        elif self.deadline <= now:
            self.abort()

    @property
    def waiting_bytes(self) -> int:
        """Bytes of answers that wait for the client to take them."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    # What an exchange asks of it.

    def write(self, *parts: Chunk) -> None:
        """Send bytes, at once. Raises `ConnectionError` where the client is gone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("The client has gone")
        if len(parts) == 2 and len(parts[1]) <= WORTH_A_COPY:
            transport.write(b"".join(parts))
        elif max(map(len, parts), default=0) > WORTH_A_COPY:
            transport.writelines(parts)
        elif parts:
            transport.write(b"".join(parts))

    async def drain(self) -> None:
        """Wait while more than the socket's buffers hold waits for the client. Raises `ConnectionError`."""
        if self._room is not None:
            await self._room
        if self._transport is None:
            raise ConnectionResetError("The client has gone")

    def connection_header(self, request: ClientRequest) -> bytes:
        """The line that tells whether another request may follow, where the version does not say so by itself."""
        if self._is_stopping:
            request.is_kept_alive = False
        if not request.is_kept_alive:
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if request.version == "1.0" else b""

    def resume_reading(self) -> None:
        """Read on, after a pause."""
        if self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = False
            self._transport.resume_reading()

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peername = transport.get_extra_info("peername")
        self.peer = str(peername[0]) if isinstance(peername, tuple) and peername else ""
        self._await_head()
        self._opened(self)

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            self._discard(len(data))
        elif self._held or (self._exchange is not None and self._exchange.request.is_received):
            self._held += data
            if len(self._held) > _MAX_HELD:
                self._pause_reading()
        else:
            self._held += self._feed(data)

    def eof_received(self) -> None:
        """A client that ends its side has gone."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._is_over = True
        self._reader.close()
        self._make_room()
        self._leave()
        if self._task is not None:
            self._task.cancel()
        self._lost(self)

    def pause_writing(self) -> None:
        self._room = self._loop.create_future()
        self._stalled_at = self._loop.time() + STALLED
        self._stalled_bytes = self.waiting_bytes

    def resume_writing(self) -> None:
        self._stalled_at = _NEVER
        self._make_room()

    # One request after another.

    def _feed(self, data: bytes) -> bytes:
        """Read on, to the end of a request at most; what is left belongs to the next one."""
        try:
            rest = self._reader.feed(data)
        except FramingError as fault:
            self._refuse(fault)
            return b""
        request = self._reader.request
        if request is None:
            self._await_head()
        elif self._exchange is None:
            self._serve(request)
        else:
            if request.is_full and not request.is_received:
                self._pause_reading()
            request.wake()
        return rest

    def _await_head(self) -> None:
        if not self._is_head_awaited:
            self._is_head_awaited = True
            self.deadline = self._loop.time() + self._head_timeout

    def _serve(self, request: ClientRequest) -> None:
        self._is_head_awaited = False
        self.deadline = _NEVER
        exchange = self._exchange = RequestContext(self, request)
        try:
            self._begun = self._serving.begin(exchange) if request.is_received else None
        except Exception as failure:
            self._fail(exchange, failure)
            self._end_of_answer(exchange)
            return
        if self._begun is None:
            self.continue_in_task(self._serving)

    def _leave(self) -> None:
        begun, self._begun = self._begun, None
        if begun is not None:
            begun.client_disconnected()

    def finish(self, exchange: RequestContext, answer: Response) -> None:
        """Send the whole answer to what was begun."""
        self._begun = None
        try:
            exchange.answer(answer)
        except ConnectionError:
            # Nobody is there to be told.
            pass
        except Exception as failure:
            self._fail(exchange, failure)
        if self._room is None:
            self._end_of_answer(exchange)
        else:
            self.continue_in_task(_nothing_more)

    def continue_in_task(self, work: Continuation) -> None:
        """Serve in the task of the connection, from here on; to make a task costs more than to wake one."""
        self._work = work
        if self._task is None:
            self._task = self._loop.create_task(self._run())
        elif self._arrival is not None and not self._arrival.done():
            self._arrival.set_result(None)

    async def _run(self) -> None:
        while not self._is_over:
            work, self._work = self._work, None
            if work is not None and self._exchange is not None:
                self._begun = None
                await self._answer(self._exchange, work)
            else:
                self._arrival = self._loop.create_future()
                await self._arrival

    async def _answer(self, exchange: RequestContext, work: Continuation) -> None:
        try:
            answer = await work(exchange)
            if answer is not None:
                exchange.answer(answer)
            await self.drain()
        except (asyncio.CancelledError, ConnectionError):
            # Nobody is there, or nobody is to be told more.
            pass
        except Exception as failure:
            self._fail(exchange, failure)
        finally:
            self._end_of_answer(exchange)

    def _fail(self, exchange: RequestContext, failure: Exception) -> None:
        log.error("a request failed within the gateway: %s", _where(failure))
        if exchange.status == 0:
            with contextlib.suppress(ConnectionError):
                exchange.answer(self._serving.failed())

    def _end_of_answer(self, exchange: RequestContext) -> None:
        if self._transport is None:
            return
        if not exchange.is_whole:
            self._break_off(exchange.request)
        elif not exchange.request.is_received:
            self._linger()
        elif not exchange.request.is_kept_alive or self._is_stopping:
            self._close()
        else:
            self._await_next()

    def _await_next(self) -> None:
        self._exchange = None
        self._reader.next()
        self.deadline = self._loop.time() + KEEP_ALIVE
        if self._held:
            # Who sends many requests at once waits for its turn after each.
            self._loop.call_soon(self._feed_held)
        if len(self._held) <= _MAX_HELD:
            self.resume_reading()

    def _feed_held(self) -> None:
        """Go on with what came while the last request was answered, as far as the next one goes."""
        while self._held and not self._is_over and (self._exchange is None or not self._exchange.request.is_received):
            piece = bytes(self._held[:_PIECE])
            rest = self._feed(piece)
            del self._held[: len(piece) - len(rest)]
        if len(self._held) <= _MAX_HELD:
            self.resume_reading()

    def _refuse(self, fault: FramingError) -> None:
        """Response 4xx, and look at nothing that follows."""
        self._is_over = True
        self._reader.close()
        if self._exchange is None:
            answer = self._serving.refuse(fault)
            request = ClientRequest("", "", "1.1", [], content_length=None, is_kept_alive=False)
            exchange = self._exchange = RequestContext(self, request)
            with contextlib.suppress(ConnectionError):
                exchange.answer(answer)
            self._linger()
        else:
            # Whoever reads the body is told.
            self._exchange.request.fail(fault)
            self._exchange.request.wake()

    # The end.

    def _linger(self) -> None:
        """Close when the client has had time to take the answer; a reset, met by what it still sends, could undo it."""
        self._is_over = True
        self.deadline = self._loop.time() + LINGERING
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > _LINGERING_BYTES:
            self._pause_reading()

    def _close(self) -> None:
        """Close when all that was written has been taken."""
        self._is_over = True
        if self._transport is not None:
            self._transport.close()

    def _break_off(self, request: ClientRequest) -> None:
        """End the connection in the middle of an answer, so that the answer cannot look whole."""
        self._is_over = True
        if self._transport is None:
            return
        if request.version == "1.1":
            # Length or chunks tell that something is missing; what has passed by still arrives.
            self._transport.close()
        else:
            _reset(self._transport)

    def abort(self) -> None:
        self._is_over = True
        if self._transport is not None:
            self._transport.abort()

    def _pause_reading(self) -> None:
        if not self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _make_room(self) -> None:
        if self._room is not None:
            if not self._room.done():
                self._room.set_result(None)
            self._room = None


async def _nothing_more(_exchange: RequestContext) -> None:
    """The work that is left when an answer has been written: to wait until the client has taken enough of it."""


def _reset(transport: asyncio.Transport) -> None:
    client = transport.get_extra_info("socket")
    if client is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


def _where(error: BaseException) -> str:
    """The kind of an error and the lines that it passed; its message may quote the request."""
    lines = (f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-8:])
    return f"{type(error).__name__} at {', '.join(lines)}"
