"""One request and the way to answer it: whole, or piece by piece."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from gateway.protocol.buffers import Chunk
from gateway.proxy.admission.head_cache import CachedHead
from gateway.proxy.admission.headers import RawHeaders
from gateway.proxy.downstream.request import ClientRequest
from gateway.proxy.downstream.response import NO_BODY, Response, ResponseHead, fields

_IN_CHUNKS = b"Transfer-Encoding: chunked\r\n"
_LENGTH = b"Content-Length: %d\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
WORTH_A_COPY = 64 * 1024
"""Bytes up to which parts are copied together, so that they are one write."""


class Connection(Protocol):
    """The connection that a request came on."""

    peer: str
    head_cache: CachedHead | None

    def write(self, *parts: Chunk) -> None:
        """Send bytes. Raises `ConnectionError` if the client has disconnected."""

    async def drain(self) -> None:
        """Wait while the client takes what was sent. Raises `ConnectionError`."""

    def connection_header(self, request: ClientRequest) -> bytes:
        """Return the `Connection` header line of the response; empty if the HTTP version implies it."""

    def resume_reading(self) -> None:
        """Read on after a pause."""

    def finish(self, exchange: RequestContext, answer: Response) -> None:
        """Send the whole response to a request that is served without a task."""

    def continue_in_task(self, work: Continuation) -> None:
        """Serve the request in the task of the connection from here on."""


class RequestContext:
    """A request, and the way to answer it piece by piece."""

    __slots__ = (
        *("_connection", "_is_chunked", "_is_whole", "_prepared", "_unsent"),
        *("origin", "peer", "request", "status"),
    )

    def __init__(self, connection: Connection, request: ClientRequest) -> None:
        self._connection = connection
        self.request = request
        self.peer = connection.peer
        """The client's address; empty where it is unknown."""
        self.status = 0
        """The status of the answer, once its head has gone out."""
        self.origin: bytes | None = None
        """The origin of a browser's page that was found allowed."""
        self._is_chunked = False
        self._is_whole = False
        self._unsent: tuple[int, bytes] | None = None
        self._prepared: tuple[Response, bytes, bytes] | None = None
        """An answer, what its connection had to say when its bytes were made, and these."""

    @property
    def head_cache(self) -> CachedHead | None:
        """The head of the connection's last request, for the next request with the same head."""
        return self._connection.head_cache

    @head_cache.setter
    def head_cache(self, value: CachedHead | None) -> None:
        self._connection.head_cache = value

    @property
    def is_whole(self) -> bool:
        """Whether the answer has gone out to its end."""
        return self._is_whole

    def resume_reading(self) -> None:
        """Some of the body was taken: more may come."""
        self._connection.resume_reading()

    def send_continue(self) -> None:
        """Tell the client to send its body (RFC 9110, section 10.1.1)."""
        self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def begin(self, head: ResponseHead, length: int | None) -> None:
        """Make the head of an answer whose body comes by `write` and `end`; it leaves with the first of them."""
        framing = b""
        if length is not None:
            framing = _LENGTH % length
        elif head.status in NO_BODY:
            pass
        elif self.request.version == "1.1":
            self._is_chunked = True
            framing = _IN_CHUNKS
        else:
            self.request.is_kept_alive = False
        framing = self._connection.connection_header(self.request) + framing
        self._unsent = head.status, head.serialize(framing)

    async def flush(self) -> None:
        """Send the head by itself. Raises `ConnectionError` where the client is gone."""
        self._send()
        await self._connection.drain()

    async def write(self, piece: Chunk) -> None:
        """Send a piece of the body, when the client has taken enough. Raises `ConnectionError`."""
        self._send(*self._framed(piece))
        await self._connection.drain()

    async def end(self, piece: Chunk = b"", trailers: RawHeaders = ()) -> None:
        """Send the last piece and end the answer; trailers go where it is in chunks.

        Raises `ConnectionError`, and `ValueError` for a line end within a field.
        """
        last = (b"0\r\n" + fields(trailers) + b"\r\n",) if self._is_chunked else ()
        self._send(*self._framed(piece), *last)
        self._is_whole = True
        await self._connection.drain()

    def prepare(self, answer: Response) -> None:
        """Make the bytes of a whole answer, where they are few, before it is to be sent."""
        if len(answer.body) <= WORTH_A_COPY:
            whole = b"".join(self._whole(answer))
            self._prepared = answer, self._connection.connection_header(self.request), whole

    def finish(self, answer: Response) -> None:
        """Send a whole answer to what is served without a task, and be done with it."""
        self._connection.finish(self, answer)

    def continue_in_task(self, work: Continuation) -> None:
        """Serve in a task, from here on, what has been served without one."""
        self._connection.continue_in_task(work)

    def answer(self, answer: Response) -> None:
        """Send a whole answer at once. Raises `ConnectionError`."""
        if not self._send_prepared(answer):
            self._connection.write(*self._whole(answer))
        self.status = answer.head.status
        self._is_whole = True

    def _send_prepared(self, answer: Response) -> bool:
        if self._prepared is None:
            return False
        prepared, persistence, whole = self._prepared
        if prepared is not answer or persistence != self._connection.connection_header(self.request):
            return False
        self._connection.write(whole)
        return True

    def _whole(self, answer: Response) -> tuple[Chunk, ...]:
        if answer.close_connection or not self.request.is_received:
            # What is left of the body is not worth reading.
            self.request.is_kept_alive = False
        framing = self._connection.connection_header(self.request)
        head, body = answer.head, answer.body
        if answer.chunked:
            self._is_chunked = True
            return head.serialize(framing + _IN_CHUNKS), *self._framed(body), _LAST_CHUNK
        if head.status not in NO_BODY:
            framing += _LENGTH % len(body)
        # To HEAD goes the length of a body that does not follow (RFC 9110, section 9.3.2).
        return head.serialize(framing), b"" if self.request.method == "HEAD" else body

    def _framed(self, piece: Chunk) -> tuple[Chunk, ...]:
        if not piece or not self._is_chunked:
            return (piece,)
        return b"%x\r\n" % len(piece), piece, b"\r\n"

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
