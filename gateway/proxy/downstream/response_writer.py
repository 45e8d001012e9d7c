"""The writer of a response on the general path, through aiohttp's writer."""

from __future__ import annotations

from aiohttp import hdrs, web

from gateway.protocol.buffers import Chunk
from gateway.proxy.admission.headers import RawHeaders
from gateway.proxy.downstream.request_context import RequestContext
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

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientDisconnected(Exception):
    """The client has disconnected before the response was sent."""


class _SentResponse(web.StreamResponse):
    """A stub for a response that was written through `request.writer`.

    aiohttp's own serializer drops bytes of header values that are not UTF-8, and it sends no trailers.
    """

    def __init__(self, *, keep_alive: bool) -> None:
        # One object stands for all responses. aiohttp calls nothing but the methods below.
        self._keeps_alive = keep_alive

    @property
    def keep_alive(self) -> bool | None:
        return self._keeps_alive

    async def prepare(self, request: web.BaseRequest) -> None:
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        return None


_SENT = _SentResponse(keep_alive=True)
_SENT_LAST = _SentResponse(keep_alive=False)


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
        return _SENT if keep_alive else _SENT_LAST

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
