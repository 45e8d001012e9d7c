"""llhttp, made strict: reads the head of a response, and the bodies that `response_parser` does not read itself.

llhttp (through httptools) accepts more than a gateway should. In addition to it, this reader rejects

- more than one `Content-Length` or `Transfer-Encoding`, and any transfer encoding but `chunked`;
- versions other than HTTP/1.1 and, without chunks, HTTP/1.0;
- CR, LF or NUL within a field or the reason phrase;
- a switch of protocols (101), and an informational response (1xx) that states a length;
- a head of more than `MAX_HEAD` bytes or `MAX_HEADERS` fields; the same bounds hold for trailers and for anything else
  that contains no body bytes, such as chunk extensions.

Informational responses are skipped. Trailers are kept apart from the headers. Does no I/O.
"""

from __future__ import annotations

import httptools

from gateway.proxy.upstream.body_buffer import BodyBuffer
from gateway.proxy.upstream.errors import ResponseError

MAX_HEAD = 64 * 1024
"""Bytes of a response head including 1xx responses before it; also of other input that contains no body bytes."""
MAX_HEADERS = 256
"""Header and trailer fields together."""

_CHUNKED_HEAD = b"HTTP/1.1 %d OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_TOO_LARGE = "its head is too large"


def invalid_response(error: str = "") -> ResponseError:
    """Return the error for a response that violates HTTP/1.1."""
    return ResponseError(f"The upstream's response is not valid HTTP{error and ': ' + error}")


class ParsedHead:
    """The head of a response."""

    # Defaults on the class, as heads are made on a hot path.
    status = 0
    reason = ""
    content_length: int | None = None
    is_chunked = False
    has_length = False
    """True if the head tells where the body ends."""
    has_body = True
    """False if the status forbids a body (RFC 9110, section 6.4.1)."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        """The fields without `Content-Length`."""


class LlhttpReader:
    """Reads one response. Body bytes go to `body`; `close` ends the reference cycle with the C parser."""

    head: ParsedHead | None = None
    """The head, once it is complete."""
    is_complete = False
    keep_alive = False
    """True if another response may follow on the connection; known once the response is complete."""
    _partial: ParsedHead
    _reason = b""
    _field_bytes = 0
    _bytes_without_body = 0
    _error = ""

    def __init__(self, body: BodyBuffer, trailers: list[tuple[bytes, bytes]]) -> None:
        self.on_body = body.append
        self._body = body
        self._trailers = trailers
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    @classmethod
    def at_chunk(
        cls,
        body: BodyBuffer,
        trailers: list[tuple[bytes, bytes]],
        status: int,
        headers: list[tuple[bytes, bytes]],
    ) -> LlhttpReader:
        """Return a reader that expects the beginning of a chunk, as if it had read this head."""
        reader = cls(body, trailers)
        reader.feed(_CHUNKED_HEAD % status)
        reader._partial.headers = headers
        return reader

    def feed(self, data: bytes) -> None:
        """Read the next bytes. Raises `ResponseError`, but bytes after a complete response only clear `keep_alive`."""
        assert self._parser is not None
        unread = self._body.unread_bytes
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.keep_alive = False
            if not self.is_complete:
                raise invalid_response(self._error) from None
        self._bytes_without_body = 0 if self._body.unread_bytes > unread else self._bytes_without_body + len(data)
        if self._bytes_without_body > MAX_HEAD and not self.is_complete:
            raise invalid_response(_TOO_LARGE)

    def should_keep_alive(self) -> bool:
        """Return True if the head allows another response on the connection."""
        assert self._parser is not None
        return bool(self._parser.should_keep_alive())

    def close(self) -> None:
        """Read nothing more."""
        self._parser = None

    # Callbacks of httptools, next to `on_body`. An exception in one makes `feed_data` raise an `HttpParserError`.

    def on_message_begin(self) -> None:
        if self.is_complete:
            self._reject("a second response")
        self._reason = b""
        self._partial = ParsedHead()

    def on_status(self, part: bytes) -> None:
        self._field_bytes += len(part)
        if self._field_bytes > MAX_HEAD:
            self._reject(_TOO_LARGE)
        if b"\0" in part:
            self._reject("a NUL in the reason phrase")
        self._reason += part

    def on_header(self, name: bytes, value: bytes) -> None:
        value = value.rstrip(b" \t")
        head = self._partial
        self._field_bytes += len(name) + len(value)
        if len(head.headers) + len(self._trailers) >= MAX_HEADERS or self._field_bytes > MAX_HEAD:
            self._reject(_TOO_LARGE)
        if b"\r" in value or b"\n" in value or b"\0" in value:
            self._reject("a line end within a field")
        if self.head is not None:
            self._trailers.append((name, value))
            return
        lower = name.lower()
        if lower == b"content-length" or lower == b"transfer-encoding":
            if head.has_length:
                self._reject("two lengths")
            head.has_length = True
            if lower == b"content-length":
                # llhttp has checked that it is a number.
                head.content_length = int(value)
                return
            if value.lower() != b"chunked":
                self._reject("an unknown transfer encoding")
            head.is_chunked = True
        head.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        head = self._partial
        head.status, version = self._parser.get_status_code(), self._parser.get_http_version()
        if version != "1.1" and (version != "1.0" or head.is_chunked):
            self._reject("another version than HTTP/1.1")
        if head.status < 100:
            self._reject("no status")
        if head.status == 101:
            self._reject("a switch of protocols")
        if head.status < 200:
            if head.has_length:
                self._reject("an informational response with a length")
            return
        # `gateway.proxy.downstream.response` turns surrogates back into the same bytes.
        head.reason = self._reason.decode("utf-8", "surrogateescape")
        head.has_body = head.status not in (204, 304)
        self.head = head

    def on_message_complete(self) -> None:
        if self.head is None:
            return
        self.is_complete = True
        # A server that sends a body with a 204 or 304 would send it now.
        self.keep_alive = self.should_keep_alive() and self.head.has_length is self.head.has_body

    def _reject(self, error: str) -> None:
        self._error = error
        raise invalid_response(error)
