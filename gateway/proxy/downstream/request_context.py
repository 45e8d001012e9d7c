"""A request on the general path, as its connection and its handler share it, and the writer of its response.

The connection makes the `RequestContext` when it passes the head to aiohttp. The handler finds it with
`RequestContext.of`, and makes a `ResponseWriter`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from aiohttp import HttpVersion11, StreamReader, hdrs, web

from gateway.protocol.buffers import Chunk
from gateway.proxy.admission.head_cache import CachedRequestHead
from gateway.proxy.admission.headers import RawHeaders
from gateway.proxy.downstream.flow_control import NEVER
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.response import (
    CHUNKED,
    CONNECTION_CLOSE,
    CONTENT_LENGTH,
    COPY_LIMIT,
    NO_BODY,
    Response,
    ResponseHead,
    serialize_response,
    serialize_trailers,
)
from gateway.proxy.downstream.sent_response import SENT, SENT_LAST

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXTRA_INFO = "mcp_gateway.request_context"
"""The name for which `get_extra_info` of aiohttp's transport returns the context of the current request."""


class ClientDisconnected(Exception):
    """The client has disconnected before the response was sent."""


class SentCall(Protocol):
    """A call that the fast path has sent upstream."""

    started: float
    """Monotonic time at which the request was received."""

    def client_disconnected(self) -> None:
        """Release everything: the client has disconnected, or the server stops. Nothing else is called after that."""

    def respond(self, writer: ResponseWriter) -> Awaitable[Response | None]:
        """Continue on the general path: return the response, or send it and return `None`."""


class Connection(Protocol):
    """The connection of a request."""

    deadline: float
    """Loop time at which the connection is aborted."""

    @property
    def is_stopping(self) -> bool:
        """True if the connection will be closed after the response."""

    @property
    def context(self) -> RequestContext | None:
        """The request that aiohttp serves."""

    @property
    def is_writing_paused(self) -> bool:
        """True while the client reads more slowly than the response is written."""

    def remember(self, head: CachedRequestHead) -> None:
        """Keep the head of the current request for the next one with the same bytes."""

    def response_sent(self, context: RequestContext, *, keep_alive: bool) -> None:
        """Go on to the next request. If the connection is not kept alive, aiohttp closes it next."""

    def aiohttp_rejected(self) -> None:
        """Respond to a request that aiohttp rejects."""

    def aiohttp_closed(self) -> None:
        """Close: aiohttp is done with the connection."""


class RequestContext:
    """The state of one request."""

    __slots__ = (
        *("_call", "_content", "_error", "allows_keep_alive", "cached_head", "connection", "is_chunked", "is_handled"),
        *("header_lines", "is_http_1_1", "is_received", "is_response_complete", "is_unframed", "task"),
    )

    def __init__(self, connection: Connection, cached_head: CachedRequestHead | None, call: SentCall | None) -> None:
        self.connection = connection
        self.cached_head = cached_head
        """The same head, as an earlier request of the connection had it."""
        self.is_received = False
        """True once the whole request has arrived."""
        self.header_lines = b""
        """Further lines for the head of the response."""
        self.is_chunked = False
        self.is_http_1_1 = True
        self.allows_keep_alive = False
        """True if another request may follow on the connection, as far as the head of this one says."""
        self.is_handled = False
        """True once the handler has begun. What is written before is aiohttp's response to a head that it rejects."""
        self.is_unframed = False
        """True if the response ends with the connection (HTTP/1.0), so that nothing else shows that it is complete."""
        self.is_response_complete = False
        self.task: asyncio.Task[None] | None = None
        self._call = call
        self._content: StreamReader | None = None
        self._error: FramingError | None = None

    @staticmethod
    def of(request: web.BaseRequest) -> RequestContext:
        """Return the context of a request whose handler begins."""
        context = request.get_extra_info(EXTRA_INFO)
        assert isinstance(context, RequestContext)
        context.is_handled = True
        context.connection.deadline = NEVER
        context.task = request.task
        context.is_http_1_1 = request.version == HttpVersion11
        # Servers differ most on where a chunked request and one that offers an upgrade end.
        is_end_certain = not context.is_chunked and hdrs.UPGRADE not in request.headers
        context.allows_keep_alive = request.keep_alive and is_end_certain
        return context

    def take_call(self) -> SentCall | None:
        """Return the call to continue, if the fast path has sent the request; the caller must end it."""
        call, self._call = self._call, None
        return call

    def remember_head(self, head: CachedRequestHead) -> None:
        """Keep the head for the next request of the connection with the same bytes."""
        self.cached_head = head
        if self.is_http_1_1 and self.allows_keep_alive:
            self.connection.remember(head)

    def read_from(self, content: StreamReader) -> None:
        """Let invalid framing in the rest of the body fail its reader. Raises `FramingError` if it was found before."""
        if self._error is not None:
            raise self._error
        self._content = content

    def fail_body(self, error: FramingError) -> None:
        """Fail the reader of the body."""
        self._error = error
        if self._content is not None:
            self._content.set_exception(error)

    def end(self) -> None:
        """Forget the task, and end a call that it has not taken: it never will."""
        # The traceback of a cancelled task refers to the context: a reference cycle.
        self.task = None
        call = self.take_call()
        if call is not None:
            call.client_disconnected()


class ResponseWriter:
    """Sends one response: complete with `send`, or in chunks with `begin`, `write` and `end`.

    All methods wait for the write buffer, and raise `ClientDisconnected`.
    """

    __slots__ = ("_is_chunked", "_keep_alive", "_request", "_unsent", "context", "status")

    def __init__(self, request: web.BaseRequest, context: RequestContext) -> None:
        self._request = request
        self.context = context
        self._keep_alive = context.allows_keep_alive
        self._is_chunked = False
        self._unsent: tuple[int, bytes] | None = None
        self.status = 0
        """Status of the response; 0 until its head was sent."""

    async def send_continue(self) -> None:
        """Send 100 Continue (RFC 9110, section 10.1.1), which aiohttp's low-level server does not."""
        await self._write(_CONTINUE)

    def begin(self, head: ResponseHead, length: int | None) -> None:
        """Prepare the head of a response in chunks. It is sent with the first `flush`, `write` or `end`."""
        framing = b""
        if length is not None:
            framing = CONTENT_LENGTH % length
        elif head.status in NO_BODY:
            pass
        elif self.context.is_http_1_1:
            self._is_chunked = True
            framing = CHUNKED
        else:
            self._keep_alive = False
            self.context.is_unframed = True
        self._unsent = head.status, head.serialize(self.context.header_lines + self._connection_field() + framing)

    async def flush(self) -> None:
        """Send the head separately."""
        await self._send(b"")

    async def write(self, chunk: Chunk) -> None:
        """Send a chunk of the body."""
        await self._send(*self._framed(chunk))

    def write_nowait(self, chunk: Chunk) -> bool:
        """Send a chunk of the body without waiting; return False if the client reads too slowly or has disconnected."""
        transport = self._request.transport
        if transport is None or transport.is_closing() or self.context.connection.is_writing_paused:
            return False
        transport.write(b"".join(self._with_head(self._framed(chunk))))
        return True

    async def end(self, chunk: Chunk = b"", trailers: RawHeaders = ()) -> None:
        """Send the last chunk and end the response; trailers are sent if it is chunked.

        Raises `ValueError` for a line end within a trailer.
        """
        last = (b"0\r\n" + serialize_trailers(trailers) + b"\r\n",) if self._is_chunked else ()
        await self._send(*self._framed(chunk), *last)
        self.context.is_response_complete = True

    async def send(self, response: Response) -> None:
        """Send a complete response."""
        if response.close_connection or not self._request.content.is_eof():
            # Reading the rest of the request body is not worthwhile.
            self._keep_alive = False
        is_head = self._request.method == hdrs.METH_HEAD
        lines = self.context.header_lines + self._connection_field()
        parts = serialize_response(response, lines, omits_body=is_head)
        self.status = response.head.status
        await self._write(*parts)
        self.context.is_response_complete = True

    def finish(self) -> web.StreamResponse:
        """Release the connection for the next request, and return what the handler returns.

        The handler must not await after this: aiohttp may be fed the next head.
        """
        keep_alive = self._keep_alive and self._request.content.is_eof() and self.context.is_response_complete
        self.context.connection.response_sent(self.context, keep_alive=keep_alive)
        return SENT if keep_alive else SENT_LAST

    def _connection_field(self) -> bytes:
        """Return the `Connection` header line; empty if it is the default of the HTTP version."""
        if self.context.connection.is_stopping:
            self._keep_alive = False
        if not self._keep_alive:
            return CONNECTION_CLOSE
        return b"" if self.context.is_http_1_1 else b"Connection: keep-alive\r\n"

    def _framed(self, chunk: Chunk) -> tuple[Chunk, ...]:
        if not chunk or not self._is_chunked:
            return (chunk,)
        return b"%x\r\n" % len(chunk), chunk, b"\r\n"

    async def _send(self, *parts: Chunk) -> None:
        await self._write(*self._with_head(parts))

    def _with_head(self, parts: tuple[Chunk, ...]) -> tuple[Chunk, ...]:
        """Put the head before the first parts."""
        if self._unsent is None:
            return parts
        (self.status, head), self._unsent = self._unsent, None
        return head, *parts

    async def _write(self, *parts: Chunk) -> None:
        writer = self._request.writer
        if sum(map(len, parts)) <= COPY_LIMIT:
            parts = (b"".join(parts),)
        try:
            for part in parts:
                await writer.write(part)
            # aiohttp waits for the write buffer only every 64 KiB.
            await writer.drain()
        except ConnectionError:
            raise ClientDisconnected from None
