"""The framing of requests, checked in front of the parser that reads them, against request smuggling.

A request passes only if this parser and that of aiohttp agree on it. So this one is stricter than RFC 9112 where HTTP
parsers are known to differ, and stricter than aiohttp where that is lenient. It also decides where a request ends:
aiohttp is fed no byte of the next one before this one is answered.

- Lines end with CR LF.
- The request line is a method, a target of visible ASCII without `#` and `\\`, and HTTP/1.0 or HTTP/1.1, separated by
  one space each. CONNECT, and unknown methods, get a 405.
- A request has at most one length: `Content-Length` of digits only, or, on HTTP/1.1, `Transfer-Encoding: chunked`.
- The size of a chunk has 1 to 16 hexadecimal digits, and its data ends with CR LF. Extensions are tokens without
  quotes; trailers are fields, and state no length. Both are bounded and ignored.
- A body of very many very small chunks is rejected before it costs much.

Error messages contain no byte that the client sent. Does no I/O.

After the outstanding bytes of a body or chunk, if any, the parser is in one state, named by the method that reads it:

| state         | input                       | next state                                         |
| ------------- | --------------------------- | -------------------------------------------------- |
| `_head`       | a head of a chunked request | `_chunk_size`                                      |
| `_head`       | any other head              | `_head`, of the next request, after the body       |
| `_chunk_size` | a size                      | `_chunk_end`, after the chunk                      |
| `_chunk_size` | the size 0                  | `_trailer`                                         |
| `_chunk_end`  | CR LF                       | `_chunk_size`                                      |
| `_trailer`    | a field                     | `_trailer`                                         |
| `_trailer`    | an empty line               | `_head`, of the next request                       |
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gateway.protocol.head_template import HeadTemplate

MAX_HEAD = 64 * 1024
"""Bytes of a request's head."""
MAX_TRAILERS = 8 * 1024
_MAX_TEMPLATE = 4 * 1024
"""Bytes of a head up to which it has a template, since that is kept while its connection is idle."""
_MAX_CHUNK_LINE = 256
"""Bytes of a chunk size with its extensions."""
_FREE_CHUNKS = 1000
"""Chunks that a body may have regardless of their size."""
_MIN_AVERAGE_CHUNK = 32
"""Bytes per chunk of a body with more chunks."""

_NOT_HTTP = "Not a valid HTTP/1.1 request"
_NOT_A_CHUNK = "Not a valid chunk"

_REQUEST_LINE = re.compile(rb'([A-Z-]+) ([!"$-\[\]-~]+) HTTP/1\.([01])')
_LENGTH = re.compile(rb"\r\n(?:(content-length)|transfer-encoding)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_DIGITS = re.compile(rb"[0-9]{1,15}")
_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;" + _TOKEN + rb"(?:=" + _TOKEN + rb")?)*")
_TRAILER = re.compile(rb"(?!(?:content-length|transfer-encoding):)" + _TOKEN + rb":[\t -~\x80-\xff]*", re.IGNORECASE)
_METHODS = frozenset({b"GET", b"POST", b"DELETE", b"HEAD", b"OPTIONS", b"PUT", b"PATCH", b"TRACE"})


class FramingError(ValueError):
    """The bytes are not strict HTTP/1.1. The message may be shown to the client; `status` is that of the response."""

    def __init__(self, message: str = _NOT_HTTP, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class RequestFraming:
    """Walks over the bytes of one connection."""

    def __init__(self) -> None:
        self._partial = b""
        self._left = 0
        self._chunks = 0
        self._chunk_bytes = 0
        self._trailer_bytes = 0
        self.is_chunked = False
        """True if the request whose head was completed last is chunked."""
        self.head: HeadTemplate | None = None
        """Template of that head; `None` if it states no `Content-Length` or is too large to be kept."""
        # The state after the `_left` bytes. A plain function, because a bound method would be a reference cycle.
        self._state: Callable[[RequestFraming, bytes, int], int] = RequestFraming._head

    @property
    def is_between_requests(self) -> bool:
        """True if the last request is complete and no byte of another has arrived."""
        return not self._left and not self._partial and self._state is RequestFraming._head

    def feed(self, data: bytes) -> tuple[bytes, int]:
        """Check the next bytes up to the end of their request; return those that may be parsed, and how many were fed.

        An incomplete head or line is kept until its rest arrives. Raises `FramingError`, after which nothing that
        follows may be trusted.
        """
        already_fed = len(self._partial)
        if already_fed:
            data = self._partial + data
            self._partial = b""
        position, end = 0, len(data)
        while position < end:
            if self._left:
                size = min(self._left, end - position)
                self._left -= size
                position += size
            else:
                after = self._state(self, data, position)
                if after < 0:
                    self._partial = data[position:]
                    return data[:position], end - already_fed
                position = after
            if not self._left and self._state is RequestFraming._head:
                break
        return (data if position == end else data[:position]), position - already_fed

    # The states. Each reads from `position` on, and returns the position after it, or -1 if it needs more bytes.

    def _head(self, data: bytes, position: int) -> int:
        self.head = None
        end = data.find(b"\r\n\r\n", position)
        if end - position > MAX_HEAD or (end < 0 and len(data) - position > MAX_HEAD):
            raise FramingError("The head of the request is too large", 431)
        line_end = data.find(b"\r\n", position)
        if line_end < 0:
            return _incomplete(data, position)
        line = _REQUEST_LINE.fullmatch(data, position, line_end)
        if line is None:
            raise FramingError
        if line[1] not in _METHODS:
            raise FramingError("Method not allowed", 405)
        if end < 0:
            return _incomplete(data, position)
        if (
            not data.count(b"\r\n", position, end)
            == data.count(b"\n", position, end)
            == data.count(b"\r", position, end)
        ):
            raise FramingError
        length = _LENGTH.search(data, line_end, end)
        self.is_chunked = False
        if length is not None:
            if _LENGTH.search(data, length.end(), end) is not None:
                raise FramingError("More than one length")
            self._read_length(length, is_http_1_1=line[3] == b"1")
            if not self.is_chunked and end - position <= _MAX_TEMPLATE:
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
            self._state = RequestFraming._chunk_size
        else:
            raise FramingError("Transfer-Encoding is not chunked on HTTP/1.1")

    def _chunk_size(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n", position)
        if end < 0:
            if len(data) - position > _MAX_CHUNK_LINE:
                raise FramingError(_NOT_A_CHUNK)
            return _incomplete(data, position, _NOT_A_CHUNK)
        line = _CHUNK_SIZE.fullmatch(data, position, end)
        if line is None or end - position > _MAX_CHUNK_LINE:
            raise FramingError(_NOT_A_CHUNK)
        size = int(line[1], 16)
        self._chunks += 1
        self._chunk_bytes += size
        if self._chunks > max(_FREE_CHUNKS, self._chunk_bytes // _MIN_AVERAGE_CHUNK):
            raise FramingError("Too many small chunks")
        self._left = size
        self._state = RequestFraming._chunk_end if size else RequestFraming._trailer
        return end + 2

    def _chunk_end(self, data: bytes, position: int) -> int:
        if len(data) - position < 2:
            return -1
        if not data.startswith(b"\r\n", position):
            raise FramingError(_NOT_A_CHUNK)
        self._state = RequestFraming._chunk_size
        return position + 2

    def _trailer(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n", position)
        if self._trailer_bytes + (end if end >= 0 else len(data)) - position > MAX_TRAILERS:
            raise FramingError("The trailers of the request are too large", 431)
        if end < 0:
            return _incomplete(data, position)
        self._trailer_bytes += end - position + 2
        if end == position:
            self._state = RequestFraming._head
        elif _TRAILER.fullmatch(data, position, end) is None:
            raise FramingError
        return end + 2


def _incomplete(data: bytes, position: int, message: str = _NOT_HTTP) -> int:
    """Return -1 to wait for more of a line, or raise `FramingError` if its end is not CR LF."""
    if data.count(b"\n", position) != data.count(b"\r\n", position):
        raise FramingError(message)
    return -1
