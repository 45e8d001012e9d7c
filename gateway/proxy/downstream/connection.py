"""A client's connection: its requests, one after another, and their responses.

It owns the socket, checks the framing of requests, and keeps the deadlines. aiohttp serves the requests, except those
that the fast path takes.

Guarantees:

- A request whose framing two parsers could read differently gets a 4xx response, and the connection is closed. No byte
  that a client sent is logged.
- The next request is parsed after the response to this one. Pipelined bytes are buffered up to a bound; then reading
  pauses.
- A disconnect cancels the handler. While reading is paused, it is noticed at the next failing write.
- A client that does not complete a head in time, or reads nothing of a response for too long, is disconnected.
- A response that cannot be completed never looks complete.

| state     | event                                                   | next state | action                          |
| --------- | ------------------------------------------------------- | ---------- | ------------------------------- |
| `idle`    | a whole request that the fast path takes                | `fast`     | none                            |
| `idle`    | a head known to the fast path, and a part of its body   | `partial`  | keep them                       |
| `idle`    | a part of a head                                        | `head`     | start its time-out              |
| `idle`    | any other bytes                                         | `general`  | feed aiohttp                    |
| `idle`    | keep-alive time-out, `stop`                             | `closing`  | close                           |
| `partial` | the rest of the body                                    | `fast`     | or `general`, as from `idle`    |
| `partial` | another part of the body, the next tick                 | `general`  | feed aiohttp                    |
| `head`    | the rest of the head                                    | `general`  | feed aiohttp                    |
| `head`    | the time-out                                            | `closing`  | close                           |
| `fast`    | `finish`                                                | `idle`     | write the response              |
| `fast`    | `hand_over`                                             | `general`  | feed the same bytes to aiohttp  |
| `general` | a response was sent that keeps the connection alive     | `idle`     | none                            |
| `general` | invalid framing in the body                             | `closing`  | fail the reader of the body     |
| `general` | aiohttp closes: the response is complete                | `closing`  | close; linger if the body isn't |
| `general` | aiohttp closes: the response is incomplete              | `closing`  | close; reset if it is unframed  |
| `general` | aiohttp rejects the head                                | `closing`  | respond 400, linger             |
| `idle`, `head` | invalid framing                                    | `closing`  | respond 4xx, linger             |
| any       | end of stream, `cancel`, a client that reads nothing    | `closing`  | end the request, close          |

In `closing`, the connection waits for its handler to end, for the client to read the last response (lingering close),
or for the write buffer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from typing import Literal, Protocol

from gateway.protocol.buffers import Chunk
from gateway.protocol.head_template import HeadTemplate
from gateway.proxy.admission.head_cache import CachedRequestHead
from gateway.proxy.downstream.aiohttp_bridge import AiohttpBridge
from gateway.proxy.downstream.flow_control import BODY, NEVER, PIPELINE, FlowControl
from gateway.proxy.downstream.framing import FramingError, RequestFraming
from gateway.proxy.downstream.request_context import RequestContext, SentCall
from gateway.proxy.downstream.response import CONNECTION_CLOSE, Response, serialize_response
from gateway.tls.transport import client_transport

CLOSE_SECONDS = 75.0
"""Seconds that a client has to read the rest of the last response."""
LINGER_SECONDS = 1.0
"""Seconds for a client to read the response to a request whose body was rejected."""
_MAX_WAIT_BYTES = 64 * 1024
"""Bytes of a body for whose end the fast path waits. Many clients send head and body separately."""
_MAX_PIPELINED = 64 * 1024
"""Bytes of further requests, or of a rejected one, that are buffered."""
_PIPELINED_CHUNK = 4 * 1024
"""Bytes of further requests that are taken at a time."""
_RESET = struct.pack("ii", 1, 0)
"""Value of SO_LINGER that turns a close into a reset."""


State = Literal["idle", "partial", "head", "fast", "general", "closing"]
"""See the transition table of this module."""


class FastPath(Protocol):
    """A shortcut in front of the general path."""

    def begin(
        self, connection: ClientConnection, head: CachedRequestHead, request: bytes, body_start: int
    ) -> SentCall | None:
        """Send a whole request, whose body begins at `body_start`, upstream; return `None` if nothing was done.

        A call that was sent ends with `ClientConnection.finish` or `hand_over`, in a later turn of the event loop.
        """


class Server(Protocol):
    """The server of a connection."""

    loop: asyncio.AbstractEventLoop
    fast_path: FastPath | None
    is_stopping: bool
    last_tick: float
    """Loop time of the last check of the deadlines."""
    head_timeout: float
    keepalive_timeout: float
    connections: set[ClientConnection]

    def make_protocol(self) -> asyncio.Protocol:
        """Return a protocol object of aiohttp."""

    def framing_response(self, error: FramingError) -> Response:
        """Count a request with invalid framing, and return the response to it."""

    def connection_lost(self, connection: ClientConnection) -> None:
        """Forget a connection."""


class ClientConnection(asyncio.Protocol):
    """The protocol of one client connection."""

    __slots__ = (
        *("_bridge", "_call", "_context", "_flow", "_framing", "_pipelined", "_remembered", "_server", "_state"),
        *("_transport", "_unfed", "deadline"),
    )

    def __init__(self, server: Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._state: State = "idle"
        self._framing = RequestFraming()
        self._pipelined = bytearray()
        """Bytes of further requests, not checked yet. Those of a rejected request are never taken out."""
        self._unfed = b""
        """The bytes of a request that aiohttp gets unless the fast path serves it."""
        self._remembered: tuple[HeadTemplate, CachedRequestHead] | None = None
        """The head of the last request, and its template."""
        self._call: SentCall | None = None
        """The request that the fast path serves."""
        self._context: RequestContext | None = None
        """The request that aiohttp serves."""
        self._bridge: AiohttpBridge | None = None
        self.deadline = NEVER
        """Loop time at which the connection is aborted."""

    # asyncio.Protocol.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = client_transport(transport, self._server.loop)
        self._flow = FlowControl(self._transport)
        self._server.connections.add(self)
        self.deadline = self._server.loop.time() + self._server.head_timeout
        if self._server.is_stopping:
            self._close()

    def data_received(self, data: bytes) -> None:
        size = self._receive(data) if self._is_receiving and not self._pipelined else 0
        if size < len(data):
            self._pipelined += data[size:]
            if len(self._pipelined) > _MAX_PIPELINED:
                self._flow.pause_reading(PIPELINE)

    def eof_received(self) -> None:
        """Close: a half-closed client counts as disconnected, although what was written may still be on its way."""
        self.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._state = "closing"
        self._end_request(exc)
        # Ends the reference cycles.
        self._context = self._bridge = None
        self._server.connection_lost(self)

    def pause_writing(self) -> None:
        self._flow.pause_writing(self._server.loop.time())
        if self._bridge is not None:
            self._bridge.protocol.pause_writing()

    def resume_writing(self) -> None:
        self._flow.resume_writing()
        if self._bridge is not None:
            self._bridge.protocol.resume_writing()

    # One request after another.

    @property
    def _is_receiving(self) -> bool:
        """True if the next bytes belong to the current request, or begin one."""
        if self._state == "general":
            return self._context is not None and not self._context.is_received
        return self._state in ("idle", "partial", "head")

    def _receive(self, data: bytes) -> int:
        """Take the bytes of one request, up to its end; return how many those are."""
        if self._state == "idle":
            return self._start_fast(data, may_wait=True) or self._feed(data)
        if self._state != "partial":
            return self._feed(data)
        beginning, self._unfed = self._unfed, b""
        data = beginning + data
        return (self._start_fast(data, may_wait=False) or self._feed(data)) - len(beginning)

    def _start_fast(self, data: bytes, *, may_wait: bool) -> int:
        """Offer a request to the fast path; return its size, or 0 if it must take the general path."""
        remembered, fast_path = self._remembered, self._server.fast_path
        if remembered is None or fast_path is None or (match := remembered[0].match(data)) is None:
            return 0
        head = remembered[1]
        start, length = match
        end = start + length
        if end > len(data) and may_wait and length <= _MAX_WAIT_BYTES and head.admission is not None:
            self._unfed = data
            self._state = "partial"
            return len(data)
        if end > len(data) or self._flow.is_writing_paused:
            return 0
        request = data if end == len(data) else data[:end]
        call = fast_path.begin(self, head, request, start)
        if call is None:
            return 0
        self._call = call
        self._unfed = request
        self._state = "fast"
        self.deadline = NEVER
        return end

    def _feed(self, data: bytes, call: SentCall | None = None) -> int:
        """Feed aiohttp with the bytes of one request, up to its end; return how many those are."""
        try:
            checked, size = self._framing.feed(data)
        except FramingError as error:
            self._reject(error)
            return len(data)
        if checked:
            context = self._context or self._start_general(checked, call)
            context.is_received = self._framing.is_between_requests
            if self._bridge is not None:
                self._bridge.feed(checked)
        elif self._state == "idle":
            self._state = "head"
            self.deadline = self._server.last_tick + self._server.head_timeout
        return size

    def _start_general(self, head: bytes, call: SentCall | None) -> RequestContext:
        template, cached_head = self._remembered or (None, None)
        is_known = template is not None and template.match(head) is not None
        context = RequestContext(self, cached_head if is_known else None, call)
        context.is_chunked = self._framing.is_chunked
        self._context = context
        self._state = "general"
        # Until the handler begins.
        self.deadline = self._server.last_tick + self._server.head_timeout
        if self._bridge is None and self._transport is not None:
            self._bridge = AiohttpBridge(self, self._transport, self._flow, self._server.make_protocol())
            if self._flow.is_writing_paused:
                self._bridge.protocol.pause_writing()
        return context

    def _await_next(self) -> None:
        """Serve the next request, or wait for it."""
        self._state = "idle"
        if self._server.is_stopping:
            self._close()
            return
        self.deadline = self._server.last_tick + self._server.keepalive_timeout
        if self._pipelined:
            # In another turn of the loop, so that a client with many pipelined requests does not delay others.
            self._server.loop.call_soon(self._receive_pipelined)

    def _receive_pipelined(self) -> None:
        """Take bytes that arrived while the last request was served, up to the end of the next request."""
        while self._pipelined and self._is_receiving:
            del self._pipelined[: self._receive(bytes(self._pipelined[:_PIPELINED_CHUNK]))]
        if len(self._pipelined) <= _MAX_PIPELINED and self._state != "closing":
            self._flow.resume_reading(PIPELINE)

    def _reject(self, error: FramingError) -> None:
        """Respond 4xx, and parse nothing that follows."""
        if self._context is None:
            self._write_rejection(error)
        else:
            # Its handler responds.
            self._state = "closing"
            self._context.fail_body(error)

    def _write_rejection(self, error: FramingError) -> None:
        (response,) = serialize_response(self._server.framing_response(error), CONNECTION_CLOSE)
        if self._transport is not None:
            self._transport.write(response)
        self._linger()

    # Called by the fast path.

    def finish(self, *response: Chunk) -> None:
        """Send the response to the call."""
        self._call = None
        self._unfed = b""
        if self._transport is not None:
            for part in response:
                self._transport.write(part)
        self._await_next()

    def hand_over(self, call: SentCall) -> None:
        """Let the general path respond to a call that was sent upstream."""
        request, self._unfed = self._unfed, b""
        self._call = None
        self._feed(request, call)

    # Called on the general path.

    @property
    def is_stopping(self) -> bool:
        """True if the connection will be closed after the response."""
        return self._server.is_stopping

    @property
    def context(self) -> RequestContext | None:
        """The request that aiohttp serves."""
        return self._context

    @property
    def is_writing_paused(self) -> bool:
        """True while the write buffer is above its high-water mark."""
        return self._flow.is_writing_paused

    def remember(self, head: CachedRequestHead) -> None:
        """Keep the head of the current request for the next one with the same bytes."""
        template = self._framing.head
        self._remembered = None if template is None else (template, head)

    def response_sent(self, context: RequestContext, *, keep_alive: bool) -> None:
        """Go on to the next request. If the connection is not kept alive, aiohttp closes it next."""
        if keep_alive and context is self._context and self._state == "general":
            self._context = None
            self._await_next()

    def aiohttp_rejected(self) -> None:
        """Respond to a request that aiohttp rejects."""
        if self._context is not None and self._context.is_handled:
            self.cancel()
        else:
            self._write_rejection(FramingError())

    def aiohttp_closed(self) -> None:
        """Close: aiohttp is done with the connection."""
        context = self._context
        if context is None:
            self.cancel()
        elif not context.is_response_complete:
            self._close_incomplete()
        elif not context.is_received:
            self._linger()
        else:
            self._close()

    # Called by the server.

    @property
    def write_buffer_bytes(self) -> int:
        """Bytes of responses that wait in the write buffer."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def stop(self) -> None:
        """Accept no further request; one that is being received or served is completed."""
        if self._state == "idle":
            self._close()

    def cancel(self) -> asyncio.Task[None] | None:
        """End the request that is being served, and close the connection; return the task to wait for, if any."""
        task = self._context.task if self._context is not None else None
        self._state = "closing"
        self._end_request(None)
        self._close_incomplete()
        return task

    def check_deadlines(self, now: float) -> None:
        """Close the connection if a deadline has passed."""
        if self._state == "partial":
            data, self._unfed = self._unfed, b""
            self._feed(data)
        if self._flow.has_stalled(now):
            self._reset()
        elif self.deadline <= now:
            self._expire()

    def _expire(self) -> None:
        if self._state == "closing" and self._transport is not None and not self._transport.is_closing():
            # Lingering is over. An earlier response may still be in the write buffer.
            self._close()
        elif self._context is not None and self._context.is_unframed:
            self._reset()
        else:
            self.abort()

    def abort(self) -> None:
        """Close without writing what is left."""
        self._state = "closing"
        if self._transport is not None:
            self._transport.abort()

    # Closing.

    def _end_request(self, error: Exception | None) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.client_disconnected()
        if self._context is not None:
            self._context.end()
        if self._bridge is not None:
            self._bridge.detach(error)

    def _linger(self) -> None:
        """Close after the client had time to read the response; an immediate close could reset the connection first."""
        self._state = "closing"
        self.deadline = self._server.loop.time() + LINGER_SECONDS
        # A client that cannot send the rest of its request might not read.
        self._flow.resume_reading(PIPELINE | BODY)
        if self._transport is not None and self._transport.can_write_eof():
            with contextlib.suppress(OSError):
                self._transport.write_eof()

    def _close(self) -> None:
        """Close once everything has been written, but after `CLOSE_SECONDS` in any case."""
        self._state = "closing"
        self.deadline = self._server.loop.time() + CLOSE_SECONDS
        if self._transport is not None:
            self._transport.close()

    def _close_incomplete(self) -> None:
        """Close within a response, in a way that it cannot look complete."""
        if self._context is not None and self._context.is_unframed:
            self._reset()
        else:
            # Length or chunked framing shows that something is missing, and what was written still arrives.
            self._close()

    def _reset(self) -> None:
        if self._transport is not None:
            client = self._transport.get_extra_info("socket")
            if client is not None:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.abort()
