"""Parses a client's requests from the bytes of its connection.

Guarantees:

- Two parsers read every head that is new to the connection, and its body: `gateway.proxy.downstream.framing` first. If
  they disagree, the request is rejected.
- A head that was parsed before on the connection, with the same bytes except for its length, is not parsed again. Its
  body is as long as its `Content-Length` says.
- Invalid characters in fields are rejected by llhttp, without any of its leniencies. Trailers are parsed and dropped;
  they never become headers.
- At most `HIGH_WATER` bytes of a body, plus one read of the socket, wait for their reader; then `is_full` asks to pause
  reading.
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
_MAX_CACHED_HEAD_BYTES = 4 * 1024
"""Bytes of the header fields of a head that is kept while its connection is idle."""
_LENGTH = b"content-length"


class ClientRequest:
    """A request whose head is complete; its body may still arrive."""

    __slots__ = (
        *("_chunks", "_error", "_waiter", "_unread_bytes", "content_length", "headers", "keep_alive"),
        *("is_complete", "method", "target", "version"),
    )

    def __init__(
        self,
        method: str,
        target: str,
        version: str,
        headers: tuple[tuple[bytes, bytes], ...],
        *,
        content_length: int | None,
        keep_alive: bool,
    ) -> None:
        self.method = method
        self.target = target
        """As it was sent."""
        self.version = version
        """`1.0` or `1.1`."""
        self.headers = headers
        """Without `Content-Length`."""
        self.content_length = content_length
        """`None` if the head does not state it."""
        self.keep_alive = keep_alive
        """True if the client allows another request on the connection."""
        self.is_complete = False
        """True once the whole body has arrived."""
        self._chunks: list[bytes] = []
        self._unread_bytes = 0
        self._error: FramingError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def with_body(self, length: int, body: bytes | None = None) -> ClientRequest:
        """Return a request with the same head except for its length, and with its whole body if it has arrived."""
        request = ClientRequest(
            self.method, self.target, self.version, self.headers, content_length=length, keep_alive=True
        )
        if body is not None:
            request._chunks.append(body)
            request.is_complete = True
        return request

    @property
    def is_cacheable(self) -> bool:
        """True if its head is small enough to be kept while the connection is idle."""
        return sum(len(name) + len(value) for name, value in self.headers) <= _MAX_CACHED_HEAD_BYTES

    @property
    def is_full(self) -> bool:
        """True if no more of the body should be received until some of it was read."""
        return self._unread_bytes > HIGH_WATER

    def whole_body(self) -> bytes:
        """Return the body if it arrived in one chunk and is complete; empty otherwise."""
        return self._chunks[0] if self.is_complete and len(self._chunks) == 1 and self._error is None else b""

    def read_nowait(self) -> bytes:
        """Return the unread bytes of the body. Raises `FramingError`."""
        if self._error is not None:
            raise self._error
        chunks, self._chunks = self._chunks, []
        self._unread_bytes = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def wait_for_data(self) -> None:
        """Wait for more of the body, its end, or an error."""
        if not self._chunks and not self.is_complete and self._error is None:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    # Called by the reader.

    def feed(self, chunk: bytes) -> None:
        self._chunks.append(chunk)
        self._unread_bytes += len(chunk)

    def fail(self, error: FramingError) -> None:
        self._error = error

    def wake(self) -> None:
        """Wake the reader of the body."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class RequestReader:
    """Parses the bytes of one connection, one request at a time."""

    def __init__(self) -> None:
        self.request: ClientRequest | None = None
        """The request whose head was completed last; `None` before the head of the next one is."""
        self._framing = RequestFraming()
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._content_length: int | None = None
        self._error: FramingError | None = None
        self._bypasses_llhttp = False
        self._cached: tuple[HeadTemplate, ClientRequest] | None = None
        self._parser: httptools.HttpRequestParser | None = httptools.HttpRequestParser(self)

    @property
    def is_within_head(self) -> bool:
        """True if part of a head has arrived."""
        return self._framing.is_within_head

    def feed(self, data: bytes) -> bytes:
        """Parse the next bytes, and return the rest, which belongs to the next request. Raises `FramingError`."""
        if self._parser is None:
            raise FramingError
        if self._cached is not None and self._framing.is_between_requests:
            head, request = self._cached
            if (match := head.match(data)) is not None:
                start, length = match
                end = start + length
                self._bypasses_llhttp = True
                if len(data) >= end:
                    # The whole request has arrived, as most do.
                    self.request = request.with_body(length, data[start:end])
                    return data[end:]
                self.request = request.with_body(length)
                self._framing.skip_head(length)
                data = data[start:]
        end = self._framing.feed(data)
        if self._bypasses_llhttp:
            self._feed_body(data[:end])
        else:
            try:
                self._parser.feed_data(data if end == len(data) else data[:end])
            except httptools.HttpParserUpgrade as upgrade:
                self._bypasses_llhttp = True
                self._feed_body(data[upgrade.args[0] : end])
                if self.request is not None:
                    self.request.keep_alive = False
            except httptools.HttpParserError:
                raise self._error or FramingError() from None
        if self._framing.is_between_requests and (self.request is None or not self.request.is_complete):
            raise FramingError
        return data[end:]

    def next(self) -> None:
        """Prepare for the next request."""
        if self.request is not None and self._framing.head is not None and not self._bypasses_llhttp:
            self._cached = (self._framing.head, self.request) if self.request.is_cacheable else None
            self._headers = []
        self.request = None
        self._bypasses_llhttp = False

    def _feed_body(self, data: bytes) -> None:
        """Read a body that llhttp does not: of a request with a cached head, or of one that offers an upgrade.

        llhttp stops before the latter. The offer is ignored (RFC 9110, section 7.8), so the body follows; Java's HTTP
        client sends such requests.
        """
        request = self.request
        if request is None or self._framing.is_chunked:
            raise FramingError
        if data:
            request.feed(data)
        request.is_complete = self._framing.is_between_requests

    def close(self) -> None:
        """Parse nothing more."""
        # Ends the reference cycle between the C parser and this object.
        self._parser = None

    # Callbacks of httptools. An exception in one makes `feed_data` raise an `HttpParserError`.

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
            self._error = FramingError("The head of the request is too large", 431)
            raise self._error
        value = value.rstrip(b" \t")
        if len(name) == len(_LENGTH) and name.lower() == _LENGTH:
            # The framing parser has checked that it is a number, and the only one.
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
            tuple(self._headers),
            content_length=self._content_length,
            # Servers differ most on where a chunked request ends, so the connection is closed after one.
            keep_alive=parser.should_keep_alive() and not self._framing.is_chunked,
        )

    def on_body(self, chunk: bytes) -> None:
        assert self.request is not None
        self.request.feed(chunk)

    def on_message_complete(self) -> None:
        assert self.request is not None
        self.request.is_complete = True
