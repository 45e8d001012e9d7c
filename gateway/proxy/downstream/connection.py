"""A client's connection: its requests, one after another, and their responses.

Guarantees:

- A request whose framing two parsers could read differently gets a 4xx response, in JSON, and the connection is closed;
  nothing that follows on it is parsed. No byte that a client sent is logged.
- The next request is parsed after the response to this one; until then at most `_MAX_PIPELINED` bytes of it are
  buffered. While the socket is read, a disconnect is noticed immediately: the task that serves the request is
  cancelled. While reading is paused (a full buffer), it is noticed later, or when a write fails.
- A client that does not complete a request head in time, or that reads nothing of a response for too long, loses its
  connection. Deadlines are checked by the server; no request has a timer.
- A response that cannot be completed never looks complete.
- Head and body of a complete response of at most `COPY_LIMIT` bytes are sent in one write.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from typing import Protocol, cast

from gateway.protocol.buffers import Chunk
from gateway.proxy.admission.head_cache import CachedRequestHead
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.request import ClientRequest, RequestReader
from gateway.proxy.downstream.request_context import COPY_LIMIT, Continuation, RequestContext
from gateway.proxy.downstream.response import Response
from gateway.proxy.error_locations import error_locations

log = logging.getLogger(__name__)

KEEP_ALIVE = 75.0
"""Seconds that an idle connection stays open."""
LINGER_SECONDS = 1.0
"""Seconds for a client to read the response to a request whose body was rejected."""
_MAX_DISCARDED = 256 * 1024
"""Bytes of a rejected body that are discarded meanwhile; beyond, the socket is not read."""
WRITE_TIMEOUT = 300.0
"""Seconds that a client may read nothing of a response while the write buffer is above its high-water mark."""
_MAX_PIPELINED = 64 * 1024
"""Bytes of further requests that are buffered while one is served."""
_PIPELINED_CHUNK = 4 * 1024
"""Bytes of further requests that are parsed at a time."""
_NEVER = float("inf")
_RESET = struct.pack("ii", 1, 0)
"""Value of SO_LINGER that turns a close into a reset."""


class InFlightRequest(Protocol):
    """A request that is served in callbacks. A request that is served in a task has no such object.

    It ends with `RequestContext.finish` or `RequestContext.continue_in_task`.
    """

    def client_disconnected(self) -> None:
        """Release everything: the client has disconnected, or the server stops. Call neither method after that."""


class RequestHandler(Protocol):
    """Serves the requests of all connections."""

    async def __call__(self, context: RequestContext) -> Response | None:
        """Serve one request: return the response, or `None` if it was sent through the context."""

    def begin(self, context: RequestContext) -> InFlightRequest | None:
        """Start to serve a complete request in callbacks; return `None` if it has to be called in a task instead."""

    def refuse(self, error: FramingError) -> Response:
        """Return the response to a request with invalid framing."""

    def failed(self) -> Response:
        """Return the response to a request that failed because of an internal error."""


class ClientConnection(asyncio.Protocol):
    """The protocol of one client connection."""

    def __init__(
        self,
        handler: RequestHandler,
        *,
        loop: asyncio.AbstractEventLoop,
        head_timeout: float,
        on_opened: Callable[[ClientConnection], None],
        on_lost: Callable[[ClientConnection], None],
    ) -> None:
        self._handler = handler
        self._loop = loop
        self._head_timeout = head_timeout
        self._on_opened = on_opened
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._reader = RequestReader()
        self._context: RequestContext | None = None
        self._task: asyncio.Task[None] | None = None
        self._continuation_added: asyncio.Future[None] | None = None
        self._continuation: Continuation | None = None
        """The next thing for the task to do."""
        self._in_flight: InFlightRequest | None = None
        """The request that is served without the task."""
        self._pipelined = bytearray()
        self._is_head_timed = False
        self._is_reading_paused = False
        self._drain_waiter: asyncio.Future[None] | None = None
        self._is_stopping = False
        self._is_closing = False
        self._discarded = 0
        self._write_deadline = _NEVER
        self._unwritten_bytes = 0
        """Size of the write buffer when `_write_deadline` was set."""
        self.head_cache: CachedRequestHead | None = None
        self.peer = ""
        self.deadline = _NEVER
        """Loop time at which the connection is aborted."""

    # Called by the server.

    def stop(self) -> None:
        """Accept no further request; one that is being received or served is completed."""
        self._is_stopping = True
        if self._context is None and not self._is_closing and not self._reader.is_within_head:
            self._close()

    def cancel(self) -> None:
        """Cancel the request that is being served, and close the connection."""
        if self._in_flight is not None and self._context is not None:
            self._disconnect_in_flight()
            self._close_incomplete(self._context.request)
        elif self._task is not None and self._context is not None:
            self._task.cancel()
        else:
            self.abort()

    def check_deadlines(self, now: float) -> None:
        """Abort the connection if a deadline has passed."""
        if self._write_deadline <= now and self._transport is not None:
            left = self.write_buffer_bytes
            if left >= self._unwritten_bytes:
                _reset(self._transport)
            self._write_deadline, self._unwritten_bytes = now + WRITE_TIMEOUT, left
        elif self.deadline <= now:
            self.abort()

    @property
    def write_buffer_bytes(self) -> int:
        """Bytes of responses that wait in the write buffer."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    # Called by a `RequestContext`.

    def write(self, *parts: Chunk) -> None:
        """Write without waiting. Raises `ConnectionError` if the client has disconnected."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("The client has disconnected")
        if len(parts) == 2 and len(parts[1]) <= COPY_LIMIT:
            transport.write(b"".join(parts))
        elif max(map(len, parts), default=0) > COPY_LIMIT:
            # Not `writelines`: asyncio's does not pause the writer before Python 3.12.9 and 3.13.2 (CVE-2024-12254).
            for part in parts:
                transport.write(part)
        elif parts:
            transport.write(b"".join(parts))

    async def drain(self) -> None:
        """Wait until the write buffer is below its high-water mark. Raises `ConnectionError`."""
        if self._drain_waiter is not None:
            await self._drain_waiter
        if self._transport is None:
            raise ConnectionResetError("The client has disconnected")

    def connection_header(self, request: ClientRequest) -> bytes:
        """Return the `Connection` field of a response; empty if it is the default of the HTTP version.

        Sets `keep_alive` of the request to False if the server stops.
        """
        if self._is_stopping:
            request.keep_alive = False
        if not request.keep_alive:
            return b"Connection: close\r\n"
        return b"Connection: keep-alive\r\n" if request.version == "1.0" else b""

    def resume_reading(self) -> None:
        """Read the socket again if it is paused."""
        if self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = False
            self._transport.resume_reading()

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peername = transport.get_extra_info("peername")
        self.peer = str(peername[0]) if isinstance(peername, tuple) and peername else ""
        self._start_head_timeout()
        self._on_opened(self)

    def data_received(self, data: bytes) -> None:
        if self._is_closing:
            self._discard(len(data))
        elif self._pipelined or (self._context is not None and self._context.request.is_complete):
            self._pipelined += data
            if len(self._pipelined) > _MAX_PIPELINED:
                self._pause_reading()
        else:
            self._pipelined += self._feed(data)

    def eof_received(self) -> None:
        """Return None, which closes the transport: a half-closed client counts as disconnected."""

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._is_closing = True
        self._reader.close()
        self._wake_drain()
        self._disconnect_in_flight()
        if self._task is not None:
            self._task.cancel()
        self._on_lost(self)

    def pause_writing(self) -> None:
        self._drain_waiter = self._loop.create_future()
        self._write_deadline = self._loop.time() + WRITE_TIMEOUT
        self._unwritten_bytes = self.write_buffer_bytes

    def resume_writing(self) -> None:
        self._write_deadline = _NEVER
        self._wake_drain()

    # One request after another.

    def _feed(self, data: bytes) -> bytes:
        """Parse up to the end of a request, and return the rest, which belongs to the next one."""
        try:
            rest = self._reader.feed(data)
        except FramingError as error:
            self._reject(error)
            return b""
        request = self._reader.request
        if request is None:
            self._start_head_timeout()
        elif self._context is None:
            self._serve(request)
        else:
            if request.is_full and not request.is_complete:
                self._pause_reading()
            request.wake()
        return rest

    def _start_head_timeout(self) -> None:
        if not self._is_head_timed:
            self._is_head_timed = True
            self.deadline = self._loop.time() + self._head_timeout

    def _serve(self, request: ClientRequest) -> None:
        self._is_head_timed = False
        self.deadline = _NEVER
        context = self._context = RequestContext(self, request)
        try:
            self._in_flight = self._handler.begin(context) if request.is_complete else None
        except Exception as error:
            self._fail(context, error)
            self._end_response(context)
            return
        if self._in_flight is None:
            self.continue_in_task(self._handler)

    def _disconnect_in_flight(self) -> None:
        in_flight, self._in_flight = self._in_flight, None
        if in_flight is not None:
            in_flight.client_disconnected()

    def finish(self, context: RequestContext, response: Response) -> None:
        """Send the response to the request in flight."""
        self._in_flight = None
        try:
            context.send_response(response)
        except ConnectionError:
            # The client has disconnected.
            pass
        except Exception as error:
            self._fail(context, error)
        if self._drain_waiter is None:
            self._end_response(context)
        else:
            self.continue_in_task(_only_drain)

    def continue_in_task(self, continuation: Continuation) -> None:
        """Continue in the task of the connection; it is reused, because waking a task is cheaper than creating one."""
        self._continuation = continuation
        if self._task is None:
            self._task = self._loop.create_task(self._run())
        elif self._continuation_added is not None and not self._continuation_added.done():
            self._continuation_added.set_result(None)

    async def _run(self) -> None:
        while not self._is_closing:
            continuation, self._continuation = self._continuation, None
            if continuation is not None and self._context is not None:
                self._in_flight = None
                await self._serve_in_task(self._context, continuation)
            else:
                self._continuation_added = self._loop.create_future()
                await self._continuation_added

    async def _serve_in_task(self, context: RequestContext, continuation: Continuation) -> None:
        try:
            response = await continuation(context)
            if response is not None:
                context.send_response(response)
            await self.drain()
        except (asyncio.CancelledError, ConnectionError):
            # The client has disconnected, or the server stops.
            pass
        except Exception as error:
            self._fail(context, error)
        finally:
            self._end_response(context)

    def _fail(self, context: RequestContext, error: Exception) -> None:
        log.error("a request failed within the gateway: %s", error_locations(error))
        if context.status == 0:
            with contextlib.suppress(ConnectionError):
                context.send_response(self._handler.failed())

    def _end_response(self, context: RequestContext) -> None:
        if self._transport is None:
            return
        if not context.is_sent:
            self._close_incomplete(context.request)
        elif not context.request.is_complete:
            self._linger()
        elif not context.request.keep_alive or self._is_stopping:
            self._close()
        else:
            self._prepare_next()

    def _prepare_next(self) -> None:
        self._context = None
        self._reader.next()
        self.deadline = self._loop.time() + KEEP_ALIVE
        if self._pipelined:
            # In another turn of the loop, so that a client with many pipelined requests does not delay others.
            self._loop.call_soon(self._feed_pipelined)
        if len(self._pipelined) <= _MAX_PIPELINED:
            self.resume_reading()

    def _feed_pipelined(self) -> None:
        """Parse bytes that arrived while the last request was served, up to the end of the next request."""
        while (
            self._pipelined
            and not self._is_closing
            and (self._context is None or not self._context.request.is_complete)
        ):
            chunk = bytes(self._pipelined[:_PIPELINED_CHUNK])
            rest = self._feed(chunk)
            del self._pipelined[: len(chunk) - len(rest)]
        if len(self._pipelined) <= _MAX_PIPELINED:
            self.resume_reading()

    def _reject(self, error: FramingError) -> None:
        """Respond 4xx, and parse nothing that follows."""
        self._is_closing = True
        self._reader.close()
        if self._context is None:
            response = self._handler.refuse(error)
            request = ClientRequest("", "", "1.1", (), content_length=None, keep_alive=False)
            context = self._context = RequestContext(self, request)
            with contextlib.suppress(ConnectionError):
                context.send_response(response)
            self._linger()
        else:
            # Reported to the reader of the body.
            self._context.request.fail(error)
            self._context.request.wake()

    # Closing.

    def _linger(self) -> None:
        """Close after the client had time to read the response; an immediate close could reset the connection first."""
        self._is_closing = True
        self.deadline = self._loop.time() + LINGER_SECONDS
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > _MAX_DISCARDED:
            self._pause_reading()

    def _close(self) -> None:
        """Close once everything has been written."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.close()

    def _close_incomplete(self, request: ClientRequest) -> None:
        """Close within a response, in a way that it cannot look complete."""
        self._is_closing = True
        if self._transport is None:
            return
        if request.version == "1.1":
            # Length or chunked framing shows that something is missing, and what was written still arrives.
            self._transport.close()
        else:
            _reset(self._transport)

    def abort(self) -> None:
        self._is_closing = True
        if self._transport is not None:
            self._transport.abort()

    def _pause_reading(self) -> None:
        if not self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _wake_drain(self) -> None:
        if self._drain_waiter is not None:
            if not self._drain_waiter.done():
                self._drain_waiter.set_result(None)
            self._drain_waiter = None


async def _only_drain(_context: RequestContext) -> None:
    """Do nothing but wait for the write buffer, which the task does after every continuation."""


def _reset(transport: asyncio.Transport) -> None:
    client = transport.get_extra_info("socket")
    if client is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()
