"""One request, and the means to send its response: complete, or in chunks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.protocol.buffers import Chunk
from gateway.proxy.admission.head_cache import CachedRequestHead
from gateway.proxy.admission.headers import RawHeaders
from gateway.proxy.downstream.request import ClientRequest
from gateway.proxy.downstream.response import NO_BODY, Response, ResponseHead, serialize_trailers

_CHUNKED = b"Transfer-Encoding: chunked\r\n"
_LENGTH = b"Content-Length: %d\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
COPY_LIMIT = 64 * 1024
"""Bytes up to which parts are joined to one write."""


class Connection(Protocol):
    """The connection that a request came on."""

    peer: str
    head_cache: CachedRequestHead | None

    def write(self, *parts: Chunk) -> None:
        """Write without waiting. Raises `ConnectionError` if the client has disconnected."""

    async def drain(self) -> None:
        """Wait until the write buffer is below its high-water mark. Raises `ConnectionError`."""

    def connection_header(self, request: ClientRequest) -> bytes:
        """Return the `Connection` header line of the response; empty if the HTTP version implies it."""

    def resume_reading(self) -> None:
        """Read the socket again if it is paused."""

    def finish(self, context: RequestContext, response: Response) -> None:
        """Send the response to a request that is served without a task."""

    def continue_in_task(self, continuation: Continuation) -> None:
        """Continue in the task of the connection."""


class RequestContext:
    """A request, and its response: sent with `send_response`, or with `begin`, `write` and `end`."""

    __slots__ = (
        *("_connection", "_is_chunked", "_is_sent", "_prepared", "_unsent"),
        *("origin", "peer", "request", "status"),
    )

    def __init__(self, connection: Connection, request: ClientRequest) -> None:
        self._connection = connection
        self.request = request
        self.peer = connection.peer
        """Address of the client; empty if it is unknown."""
        self.status = 0
        """Status of the response; 0 until its head was sent."""
        self.origin: bytes | None = None
        """The allowed origin of a browser's page."""
        self._is_chunked = False
        self._is_sent = False
        self._unsent: tuple[int, bytes] | None = None
        self._prepared: tuple[Response, bytes, bytes] | None = None
        """A response, and the `Connection` field and bytes that were prepared for it."""

    @property
    def head_cache(self) -> CachedRequestHead | None:
        """The head of the connection's last request, for the next request with the same head."""
        return self._connection.head_cache

    @head_cache.setter
    def head_cache(self, value: CachedRequestHead | None) -> None:
        self._connection.head_cache = value

    @property
    def is_sent(self) -> bool:
        """True once the whole response was sent."""
        return self._is_sent

    def resume_reading(self) -> None:
        """Receive more of the request body, some of which was read."""
        self._connection.resume_reading()

    def send_continue(self) -> None:
        """Send 100 Continue (RFC 9110, section 10.1.1)."""
        self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def begin(self, head: ResponseHead, length: int | None) -> None:
        """Prepare the head of a response in chunks. It is sent with the first `flush`, `write` or `end`."""
        framing = b""
        if length is not None:
            framing = _LENGTH % length
        elif head.status in NO_BODY:
            pass
        elif self.request.version == "1.1":
            self._is_chunked = True
            framing = _CHUNKED
        else:
            self.request.keep_alive = False
        framing = self._connection.connection_header(self.request) + framing
        self._unsent = head.status, head.serialize(framing)

    async def flush(self) -> None:
        """Send the head separately. Raises `ConnectionError` if the client has disconnected."""
        self._send()
        await self._connection.drain()

    async def write(self, chunk: Chunk) -> None:
        """Send a chunk of the body, and wait for the write buffer. Raises `ConnectionError`."""
        self._send(*self._framed(chunk))
        await self._connection.drain()

    async def end(self, chunk: Chunk = b"", trailers: RawHeaders = ()) -> None:
        """Send the last chunk and end the response. Trailers are sent if the response is chunked.

        Raises `ConnectionError`, and `ValueError` for a line end within a field.
        """
        last = (b"0\r\n" + serialize_trailers(trailers) + b"\r\n",) if self._is_chunked else ()
        self._send(*self._framed(chunk), *last)
        self._is_sent = True
        await self._connection.drain()

    def prepare(self, response: Response) -> None:
        """Serialize a small response ahead of sending it."""
        if len(response.body) <= COPY_LIMIT:
            raw = b"".join(self._serialize(response))
            self._prepared = response, self._connection.connection_header(self.request), raw

    def finish(self, response: Response) -> None:
        """Send the response to a request that is served without a task."""
        self._connection.finish(self, response)

    def continue_in_task(self, continuation: Continuation) -> None:
        """Continue in a task to serve a request that was served without one."""
        self._connection.continue_in_task(continuation)

    def send_response(self, response: Response) -> None:
        """Send a complete response. Raises `ConnectionError`."""
        if not self._send_prepared(response):
            self._connection.write(*self._serialize(response))
        self.status = response.head.status
        self._is_sent = True

    def _send_prepared(self, response: Response) -> bool:
        if self._prepared is None:
            return False
        prepared, connection_header, raw = self._prepared
        if prepared is not response or connection_header != self._connection.connection_header(self.request):
            return False
        self._connection.write(raw)
        return True

    def _serialize(self, response: Response) -> tuple[Chunk, ...]:
        if response.close_connection or not self.request.is_complete:
            # Reading the rest of the request body is not worthwhile.
            self.request.keep_alive = False
        framing = self._connection.connection_header(self.request)
        head, body = response.head, response.body
        if response.chunked:
            self._is_chunked = True
            return head.serialize(framing + _CHUNKED), *self._framed(body), _LAST_CHUNK
        if head.status not in NO_BODY:
            framing += _LENGTH % len(body)
        # A response to HEAD states the length of the body that it omits (RFC 9110, section 9.3.2).
        return head.serialize(framing), b"" if self.request.method == "HEAD" else body

    def _framed(self, chunk: Chunk) -> tuple[Chunk, ...]:
        if not chunk or not self._is_chunked:
            return (chunk,)
        return b"%x\r\n" % len(chunk), chunk, b"\r\n"

    def _send(self, *parts: Chunk) -> None:
        if self._unsent is not None:
            status, head = self._unsent
            self._connection.write(head, *parts)
            self._unsent = None
            self.status = status
        else:
            self._connection.write(*parts)


Continuation = Callable[[RequestContext], Awaitable[Response | None]]
"""Serves a request in a task: returns the response, or sends it through the context and returns `None`."""
