"""One request of a client, read from the bytes of its connection.

The rules:

- Two readers go over every byte, `gateway.proxy.downstream.framing` first; where they disagree, the request is
  refused.
- A head that has been read before on the connection, byte for byte but for its length, is what it was then.
- What a field may not hold is refused by the parser, which is llhttp without any of its leniencies. Trailers are read
  and dropped: they become headers of nothing.
- At most `HIGH_WATER` bytes of a body, and what one read of the socket gives, wait for whoever reads it; then
  `is_full` asks that the socket be not read.

Nothing here does I/O.
"""

from __future__ import annotations

import asyncio

import httptools

from gateway.protocol.head_template import HeadTemplate
from gateway.proxy.downstream.framing import FramingError, RequestFraming

HIGH_WATER = 256 * 1024
MAX_FIELD = 16 * 1024
"""Bytes of one header field."""
MAX_FIELDS = 256
_MAX_REMEMBERED = 4 * 1024
"""Bytes."""
_LENGTH = b"content-length"


class ClientRequest:
    """A request whose head is complete; its body may be on its way."""

    __slots__ = (
        *("_chunks", "_fault", "_waiter", "_waiting_bytes", "content_length", "headers", "is_kept_alive"),
        *("is_received", "method", "target", "version"),
    )

    def __init__(
        self,
        method: str,
        target: str,
        version: str,
        headers: list[tuple[bytes, bytes]],
        *,
        content_length: int | None,
        is_kept_alive: bool,
    ) -> None:
        self.method = method
        self.target = target
        """As it was sent."""
        self.version = version
        """`1.0` or `1.1`."""
        self.headers = headers
        """Without `Content-Length`."""
        self.content_length = content_length
        """`None` where none is stated."""
        self.is_kept_alive = is_kept_alive
        """Whether the client allows another request on the connection."""
        self.is_received = False
        """Whether the whole body has come."""
        self._chunks: list[bytes] = []
        self._waiting_bytes = 0
        self._fault: FramingError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def with_body(self, length: int, body: bytes | None = None) -> ClientRequest:
        """Another request with the same head, but for its length; `body` is the whole body, if it has come."""
        request = ClientRequest(
            self.method, self.target, self.version, self.headers, content_length=length, is_kept_alive=True
        )
        if body is not None:
            request._chunks.append(body)
            request.is_received = True
        return request

    @property
    def is_small(self) -> bool:
        """Whether its fields are few enough to be remembered while the connection is idle."""
        return sum(len(name) + len(value) for name, value in self.headers) <= _MAX_REMEMBERED

    @property
    def is_full(self) -> bool:
        """Whether no more of the body should be taken in before some of it was read."""
        return self._waiting_bytes > HIGH_WATER

    def whole_body(self) -> bytes:
        """The body of a request that was received in one piece; empty for any other."""
        return self._chunks[0] if self.is_received and len(self._chunks) == 1 and self._fault is None else b""

    def take(self) -> bytes:
        """What has come of the body, without waiting. Raises `FramingError`."""
        if self._fault is not None:
            raise self._fault
        chunks, self._chunks = self._chunks, []
        self._waiting_bytes = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def arrival(self) -> None:
        """Wait for more of the body, its end, or its fault."""
        if not self._chunks and not self.is_received and self._fault is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    # What the reader tells.

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._waiting_bytes += len(chunk)

    def fail(self, fault: FramingError) -> None:
        self._fault = fault

    def wake(self) -> None:
        """Let whoever waits look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class RequestReader:
    """Feeds on the bytes of one connection, one request at a time."""

    def __init__(self) -> None:
        self.request: ClientRequest | None = None
        """The last request whose head was complete."""
        self._framing = RequestFraming()
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._content_length: int | None = None
        self._fault: FramingError | None = None
        self._is_unparsed = False
        self._known: tuple[HeadTemplate, ClientRequest] | None = None
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)

    @property
    def is_within_head(self) -> bool:
        """Whether a head has begun and is not complete."""
        return self._framing.is_within_head

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; what is left belongs to the next request. Raises `FramingError`."""
        if self._parser is None:
            raise FramingError
        if self._known is not None and self._framing.is_between_requests:
            head, request = self._known
            if (found := head.match(data)) is not None:
                start, length = found
                end = start + length
                self._is_unparsed = True
                if len(data) >= end:
                    # The whole request has come, as most do.
                    self.request = request.with_body(length, data[start:end])
                    return data[end:]
                self.request = request.with_body(length)
                self._framing.pass_head(length)
                data = data[start:]
        end = self._framing.feed(data)
        if self._is_unparsed:
            self._feed_unparsed(data[:end])
        else:
            try:
                self._parser.feed_data(data if end == len(data) else data[:end])
            except httptools.HttpParserUpgrade as upgrade:
                self._is_unparsed = True
                self._feed_unparsed(data[upgrade.args[0] : end])
                if self.request is not None:
                    self.request.is_kept_alive = False
            except httptools.HttpParserError:
                raise self._fault or FramingError() from None
        if self._framing.is_between_requests and (self.request is None or not self.request.is_received):
            raise FramingError
        return data[end:]

    def next(self) -> None:
        """Make ready for the next request."""
        if self.request is not None and self._framing.head is not None and not self._is_unparsed:
            self._known = (self._framing.head, self.request) if self.request.is_small else None
            self._headers = []
        self.request = None
        self._is_unparsed = False

    def _feed_unparsed(self, data: bytes) -> None:
        """Take the body of a request whose head is known, or of one that offers an upgrade.

        The parser stops in front of the latter. The offer is not taken up (RFC 9110, section 7.8), so the body follows;
        Java's client sends such requests.
        """
        request = self.request
        if request is None or self._framing.is_chunked:
            raise FramingError
        if data:
            request.feed(data)
        request.is_received = self._framing.is_between_requests

    def close(self) -> None:
        """Read nothing more."""
        # The parser and its callbacks refer to each other.
        self._parser = None

    # What the parser calls; what is raised ends it.

    def on_message_begin(self) -> None:
        self._target = b""
        self._headers = []
        self._content_length = None

    def on_url(self, part: bytes) -> None:
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.request is not None:
            return
        if len(name) + len(value) > MAX_FIELD or len(self._headers) >= MAX_FIELDS:
            self._fault = FramingError("The head of the request is too large", 431)
            raise self._fault
        value = value.rstrip(b" \t")
        if len(name) == len(_LENGTH) and name.lower() == _LENGTH:
            # The walk has seen that it stands once, and is a number.
            self._content_length = int(value)
        else:
            self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        parser = self._parser
        assert parser is not None
        self.request = ClientRequest(
            parser.get_method().decode("ascii"),
            self._target.decode("latin-1"),
            parser.get_http_version(),
            self._headers,
            content_length=self._content_length,
            # Servers differ on where a request in chunks ends more than on anything else: nothing follows one.
            is_kept_alive=parser.should_keep_alive() and not self._framing.is_chunked,
        )

    def on_body(self, chunk: bytes) -> None:
        assert self.request is not None
        self.request.feed(chunk)

    def on_message_complete(self) -> None:
        assert self.request is not None
        self.request.is_received = True
