"""The framing of a client's requests, walked beside the parser that reads them.

A request passes only where both agree on it, so this walk is stricter than RFC 9112 wherever HTTP parsers are known to
differ, and than the parser where that one is lenient. It also says where a request ends: the parser never sees a byte
of the next one before this one is answered.

- The request line is a method, a target of visible ASCII without `#` and `\\`, and HTTP/1.0 or HTTP/1.1, with one space
  between them. CONNECT, and what is no method of HTTP, is answered 405.
- A request has one length at most: `Content-Length` in digits alone, or, on HTTP/1.1, `Transfer-Encoding: chunked`.
- A chunk's size has 1 to 16 hexadecimal digits; its data ends with CR LF. Extensions and trailers are bounded, and lead
  nowhere.
- A body in very many very small chunks is refused before it costs the server much.

Nothing here does I/O, and no message holds a byte that the client sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.protocol.head_template import HeadTemplate

MAX_HEAD = 64 * 1024
"""Bytes of a request's head."""
MAX_TRAILERS = 8 * 1024
_MAX_CHUNK_LINE = 256
"""Bytes of a chunk's size with its extensions."""
_FREE_CHUNKS = 1000
"""Chunks that a body may have whatever their size."""
_MIN_AVERAGE_CHUNK = 32
"""Bytes, of a body with more chunks."""

_REQUEST_LINE = re.compile(rb'([A-Z-]+) ([!"$-\[\]-~]+) HTTP/1\.([01])')
_LENGTH = re.compile(rb"\r\n(?:(content-length)|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{1,15}")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[!-~]+)?")
_METHODS = frozenset({b"GET", b"POST", b"DELETE", b"HEAD", b"OPTIONS", b"PUT", b"PATCH", b"TRACE"})


class FramingError(ValueError):
    """The bytes are not strict HTTP/1.1; the message is safe to show. `status` is the HTTP status of the answer."""

    def __init__(self, message: str = "Not a valid HTTP/1.1 request", status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class RequestFraming:
    """Feeds on the bytes of one connection."""

    def __init__(self) -> None:
        self._held = b""
        self._left = 0
        self._chunks = 0
        self._chunk_bytes = 0
        self._trailer_bytes = 0
        self.is_chunked = False
        """Whether the last request whose head was complete came in chunks."""
        self.head: HeadTemplate | None = None
        """That head, to be known again; `None` where it states no `Content-Length`."""
        # What follows the `_left` bytes that are passed over; a plain function, so that no cycle is made.
        self._next: Callable[[RequestFraming, bytes, int], int] = RequestFraming._head

    @property
    def is_within_head(self) -> bool:
        """Whether a head has begun and is not complete."""
        return bool(self._held) and self._next is RequestFraming._head

    @property
    def is_between_requests(self) -> bool:
        """Whether the last request is complete and nothing of another has come."""
        return not self._left and not self._held and self._next is RequestFraming._head

    def feed(self, data: bytes) -> int:
        """Take the next bytes, up to the end of the request that they belong to: how many of them those are.

        Raises `FramingError`; then nothing that follows may be trusted.
        """
        earlier = len(self._held)
        if earlier:
            data = self._held + data
            self._held = b""
        position, end = 0, len(data)
        while position < end:
            if self._left:
                passed = min(self._left, end - position)
                self._left -= passed
                position += passed
            else:
                after = self._next(self, data, position)
                if after < 0:
                    self._held = data[position:]
                    return end - earlier
                position = after
            if not self._left and self._next is RequestFraming._head:
                break
        return position - earlier

    def pass_head(self, length: int) -> None:
        """A head that is known was taken, whole, between two requests; so many bytes of its body follow."""
        self._left = length

    # Each step looks at the bytes from `position` on, and gives the position after it, or -1 where it needs more.

    def _head(self, data: bytes, position: int) -> int:
        self.head = None
        end = data.find(b"\r\n\r\n", position)
        if end - position > MAX_HEAD or (end < 0 and len(data) - position > MAX_HEAD):
            raise FramingError("The head of the request is too large", 431)
        line_end = data.find(b"\r\n", position)
        if line_end < 0:
            return -1
        line = _REQUEST_LINE.fullmatch(data, position, line_end)
        if line is None:
            raise FramingError
        if line[1] not in _METHODS:
            raise FramingError("Method not allowed", 405)
        if end < 0:
            return -1
        length = _LENGTH.search(data, line_end, end)
        self.is_chunked = False
        if length is not None:
            if _LENGTH.search(data, length.end(), end) is not None:
                raise FramingError("More than one length")
            self._read_length(length, is_http_1_1=line[3] == b"1")
            if not self.is_chunked:
                self.head = HeadTemplate(data[position : length.start(2)], data[length.end(2) : end + 4])
        return end + 4

    def _read_length(self, length: re.Match[bytes], *, is_http_1_1: bool) -> None:
        is_content_length, value = length[1], length[2].rstrip(b" \t")
        if is_content_length:
            if _DIGITS.fullmatch(value) is None:
                raise FramingError("Content-Length is not a number of bytes")
            self._left = int(value)
        elif value.lower() == b"chunked" and is_http_1_1:
            self.is_chunked = True
            self._chunks = self._chunk_bytes = self._trailer_bytes = 0
            self._next = RequestFraming._chunk_size
        else:
            raise FramingError("Transfer-Encoding is not chunked on HTTP/1.1")

    def _chunk_size(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n", position)
        if end < 0:
            if len(data) - position > _MAX_CHUNK_LINE:
                raise FramingError("Not a valid chunk")
            return -1
        line = _CHUNK_SIZE.fullmatch(data, position, end)
        if line is None or end - position > _MAX_CHUNK_LINE:
            raise FramingError("Not a valid chunk")
        size = int(line[1], 16)
        self._chunks += 1
        self._chunk_bytes += size
        if self._chunks > max(_FREE_CHUNKS, self._chunk_bytes // _MIN_AVERAGE_CHUNK):
            raise FramingError("Too many small chunks")
        self._left = size
        self._next = RequestFraming._chunk_end if size else RequestFraming._trailer
        return end + 2

    def _chunk_end(self, data: bytes, position: int) -> int:
        if len(data) - position < 2:
            return -1
        if not data.startswith(b"\r\n", position):
            raise FramingError("Not a valid chunk")
        self._next = RequestFraming._chunk_size
        return position + 2

    def _trailer(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n", position)
        if self._trailer_bytes + (end if end >= 0 else len(data)) - position > MAX_TRAILERS:
            raise FramingError("The trailers of the request are too large", 431)
        if end < 0:
            return -1
        self._trailer_bytes += end - position + 2
        if end == position:
            self._next = RequestFraming._head
        return end + 2
