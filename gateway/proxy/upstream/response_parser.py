"""One answer of the upstream, read from the bytes of its connection.

The rules:

- The parser is strict. Two lengths, an unknown transfer encoding, a length where there is no body, a CR, LF or NUL
  within a field, another version than HTTP/1.0 or 1.1, and a head beyond its bounds are refused.
- An answer is whole at its stated length, at its last chunk or, where it states none, at the end of the stream; and
  never else.
- What comes behind a whole answer is no part of it, and its connection carries no other.
- Informational answers (1xx) are passed over; 101 is refused. Trailers are kept apart from the head.
- A head that is, but for the number of its length, the same bytes as the last one of the connection is what that was.
- Behind a head that came at once, bodies with a length and usual chunks are read here; of what is unusual in chunks the
  parser is the judge.
- A large body, or chunk, is put together where it comes in: see `room`.

Nothing here does I/O.
"""

from __future__ import annotations

import re
from itertools import count
from typing import NamedTuple

import httptools

from gateway.protocol.buffers import Chunk, join_chunks
from gateway.protocol.head_template import HeadTemplate
from gateway.proxy.upstream.errors import ResponseError

MAX_HEAD = 64 * 1024
"""Bytes of an answer's head, 1xx answers before it included; also of what comes without a byte of the body in it."""
MAX_HEADERS = 256
_LARGE = 64 * 1024
"""Bytes still to come from which on it pays to receive them in place."""
_MAX_IN_PLACE = 4 * 1024 * 1024
"""Bytes of memory that are taken because an answer says that so many will come."""
_WORTH_A_COPY = 16 * 1024
"""Bytes of a piece that are copied, so that they do not keep what they came with."""
_MANY_CHUNKS = 64
"""Chunks in one read from which on the parser is faster."""

_END = b"\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})\r\n")
_CHUNKED = b"HTTP/1.1 %d OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]{1,15})\r\n", re.IGNORECASE)


class ReadHead(NamedTuple):
    """A head that was read, and what it means."""

    head: HeadTemplate | bytes
    """Where its body comes in chunks, all of its bytes."""
    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]


class ResponseParser:
    """Feeds on bytes; once `is_head_complete`, `status`, `reason`, `headers` and `content_length` hold the head.

    `known` is the head of the answer before this one on the connection.
    """

    # What most answers leave as it is stands here: there is one of these for each call.
    status = 0
    reason = ""
    content_length: int | None = None
    is_head_complete = False
    is_complete = False
    is_keep_alive = False
    """Whether both sides keep the connection; known once the answer is complete."""
    waiting_bytes = 0
    """Bytes of the body that were received and not taken."""
    room: memoryview | None = None
    """Where the next bytes of a large body may be put instead of being fed; how many were, is told to `fill`."""
    _buffer: bytearray
    """What `room` is in, where there is any."""
    _taken = 0
    """Bytes of the buffer that are no longer waiting."""
    _place: tuple[bytes, int, int] | None = None
    """Where the first, large piece stands in what was fed; it is copied out only where it has to be."""
    _reason = b""
    _idle_bytes = 0
    _field_bytes = 0
    _has_length = False
    _has_body = True
    _fault = ""
    _is_begun = False
    _left: int | None = None
    """Bytes of the body, or of a chunk, still to come; `None` where the parser is to tell."""
    _is_in_chunks = False
    _line_end = b""
    """What is still to come behind a chunk."""
    _is_kept_alive = True
    """Whether the head says so. An answer before this one, of the same head, was followed by this one."""
    _parser: httptools.HttpResponseParser | None = None

    def __init__(self, known: ReadHead | None = None) -> None:
        self.known = known
        """The head of this answer, to be known again; else the one that was given."""
        self.headers: list[tuple[bytes, bytes]] = []
        """The fields of the head, `Content-Length` aside."""
        self.trailers: list[tuple[bytes, bytes]] = []
        self._pieces: list[Chunk] = []

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `ResponseError`."""
        if self.room is not None:
            data = self._put(data)
            if not data:
                return
        if not self._is_begun:
            self._is_begun = True
            if self.known is None or not self._begin_known(data, self.known):
                self._begin(data)
        elif self._left is not None:
            self._feed_body(data)
        else:
            self._parse(data)

    def _begin_known(self, data: bytes, known: ReadHead) -> bool:
        """Whether the answer begins with the head that is known; then it was taken."""
        if isinstance(known.head, bytes):
            if not data.startswith(known.head):
                return False
            start, self._left = len(known.head), 0
            self._is_in_chunks = True
        else:
            found = known.head.match(data)
            if found is None:
                return False
            start, self._left = found
            self.content_length = self._left
        _, self.status, self.reason, self.headers = known
        self.is_head_complete = True
        if self._left and len(data) == start + self._left:
            # The whole answer has come, as most do.
            self._keep(data, start, len(data))
            self._left = 0
            self.is_complete = self.is_keep_alive = True
        else:
            self._feed_body(data, start)
        return True

    def _begin(self, data: bytes) -> None:
        # The parser and its callbacks refer to each other; `_drop_parser` undoes that, so that no garbage is left.
        self._parser = httptools.HttpResponseParser(self)
        body = data.find(_END) + len(_END)
        if body < len(_END):
            self._parse(data)
            return
        self._parse(data[:body])
        if not (self.is_head_complete and self._has_length and self._has_body):
            if body < len(data):
                self._parse(data[body:])
            return
        head = _head_in(data, is_chunked=self.content_length is None)
        if head is not None:
            self.known = ReadHead(head, self.status, self.reason, self.headers)
        self._left = self.content_length or 0
        if not self.is_complete:
            self._is_kept_alive = self._parser.should_keep_alive()
            self._is_in_chunks = self.content_length is None
            if not self._is_in_chunks:
                self._drop_parser()
        self._feed_body(data, body)

    def _feed_body(self, data: bytes, at: int = 0) -> None:
        """Take some of a body of which the parser need not read each byte."""
        assert self._left is not None
        if self._is_in_chunks:
            self._feed_chunks(data, at)
        elif self.is_complete:
            self.is_keep_alive = self.is_keep_alive and at == len(data)
        else:
            at = self._take_in(data, at)
            if self._left == 0:
                self._complete(is_clean=at == len(data))

    def _feed_chunks(self, data: bytes, at: int) -> None:
        for chunks in count():
            at = self._take_in(data, at)
            if self._left:
                return
            if self._line_end and at < len(data):
                found = data[at : at + len(self._line_end)]
                if not self._line_end.startswith(found):
                    self._fail("")
                self._line_end = self._line_end[len(found) :]
                at += len(found)
            if at == len(data):
                return
            size = _CHUNK_SIZE.match(data, at)
            if size is None or not (length := int(size[1], 16)) or chunks == _MANY_CHUNKS:
                break
            self._left, self._line_end, at = length, b"\r\n", size.end()
        if data.startswith(_LAST_CHUNK, at) and len(data) == at + len(_LAST_CHUNK):
            self._complete(is_clean=True)
        else:
            self._hand_over(data[at:])

    def _take_in(self, data: bytes, at: int) -> int:
        """Take what `data` has, from `at` on, of the bytes that are left; where they end."""
        left = self._left or 0
        here = min(left, len(data) - at)
        if left - here > _LARGE and left <= _MAX_IN_PLACE:
            self._buffer, self._taken = bytearray(left), 0
            self._buffer[:here] = memoryview(data)[at:]
            self.room = memoryview(self._buffer)[here:]
            self.waiting_bytes += here
        elif here:
            self._keep(data, at, at + here)
        self._left = left - here
        return at + here

    def _keep(self, data: bytes, start: int, end: int) -> None:
        """Have a part of what was fed wait."""
        if end - start <= _WORTH_A_COPY or self._pieces or self._place is not None:
            self.on_body(data[start:end])
        else:
            self._place = data, start, end
            self.waiting_bytes += end - start

    def _put(self, data: bytes) -> bytes:
        """Put what was fed where there is room for it; what is left."""
        assert self.room is not None
        size = min(len(self.room), len(data))
        self.room[:size] = memoryview(data)[:size]
        self.fill(size)
        return data[size:]

    def fill(self, size: int) -> None:
        """So many bytes were put into `room`."""
        assert self.room is not None
        assert self._left is not None
        self.waiting_bytes += size
        self._left -= size
        if self._left:
            self.room = self.room[size:]
            return
        self.room = None
        # All of it is more than the sum of its parts: it need not be joined.
        self._pieces.append(memoryview(self._buffer)[self._taken :] if self._taken else self._buffer)
        del self._buffer
        if not self._is_in_chunks:
            self._complete(is_clean=True)

    def _complete(self, *, is_clean: bool) -> None:
        self._drop_parser()
        self.is_complete = True
        self.is_keep_alive = self._is_kept_alive and is_clean
        self._left, self._is_in_chunks = 0, False

    def _hand_over(self, data: bytes) -> None:
        """Have the parser read on, from where a chunk begins."""
        self._left, self._is_in_chunks = None, False
        if self._parser is None:
            reason, headers, self.headers = self.reason, self.headers, []
            self.is_head_complete = False
            self._parser = httptools.HttpResponseParser(self)
            self._parse(_CHUNKED % self.status)
            self.reason, self.headers = reason, headers
        self._parse(data)

    def _parse(self, data: bytes) -> None:
        if self._parser is None:
            self.is_keep_alive = False
            if self.is_complete:
                return
            raise ResponseError(_INVALID)
        before = self.waiting_bytes
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(self._fault)
        self._idle_bytes = 0 if self.waiting_bytes > before else self._idle_bytes + len(data)
        if self.is_complete:
            self._drop_parser()
        elif self._idle_bytes > MAX_HEAD:
            self._fail("its head is too large")

    def end(self) -> None:
        """Take the end of the stream. Raises `ResponseError` where the answer is not whole by it."""
        self.is_keep_alive = False
        if not self.is_complete:
            self._drop_parser()
            if not self.is_head_complete or self._has_length or self._left is not None or self._fault:
                raise ResponseError("The upstream closed the connection before its answer was whole")
            self.is_complete = True

    def take(self) -> Chunk:
        """Bytes of the body that wait; empty where none do. What came in place comes by itself."""
        self._gather()
        self._copy_out()
        pieces, self._pieces = self._pieces, []
        if len(pieces) > 1 and any(type(piece) is not bytes for piece in pieces):
            self._pieces = pieces[1:]
            del pieces[1:]
        taken = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.waiting_bytes -= len(taken)
        return taken

    def _gather(self) -> None:
        """Have what came in place wait with the rest."""
        if self.room is not None and (end := len(self._buffer) - len(self.room)) > self._taken:
            self._pieces.append(memoryview(self._buffer)[self._taken : end])
            self._taken = end

    def _copy_out(self) -> None:
        """Have what stands in what was fed wait with the rest."""
        if self._place is not None:
            (data, start, end), self._place = self._place, None
            self._pieces.insert(0, data[start:end])

    def so_far(self) -> tuple[bytes | bytearray, int, int]:
        """What has come of the body, still to be taken: where it begins and ends in the first; empty where it is not
        in one."""
        if self._place is not None and not self._pieces and self.room is None:
            return self._place
        self._copy_out()
        if self.room is not None:
            is_all = not (self._pieces or self._taken)
            return (self._buffer, 0, len(self._buffer) - len(self.room)) if is_all else (b"", 0, 0)
        if len(self._pieces) != 1 or isinstance(self._pieces[0], memoryview):
            self._pieces = [join_chunks(self._pieces)]
        come = self._pieces[0]
        assert not isinstance(come, memoryview)
        return come, 0, len(come)

    def forget(self) -> None:
        """Let go of what waits."""
        self._pieces = []
        self._place = None
        self.waiting_bytes = 0

    def drop(self) -> None:
        """Look at nothing that may still come."""
        self._drop_parser()
        self._is_begun = True
        self._gather()
        self.room = self._left = None
        self.is_keep_alive = False

    def _fail(self, fault: str) -> None:
        self._drop_parser()
        self._gather()
        self.room = self._left = None
        self.is_keep_alive = False
        if not self.is_complete:
            self._fault = fault or "malformed"
            raise ResponseError(f"{_INVALID}: {fault}" if fault else _INVALID)

    def _drop_parser(self) -> None:
        self._parser = None

    # What the parser calls; what is raised ends it.

    def on_message_begin(self) -> None:
        if self.is_complete:
            self._refuse("a second answer")
        self._reason = b""
        self._has_length = False

    def on_status(self, part: bytes) -> None:
        self._field_bytes += len(part)
        if self._field_bytes > MAX_HEAD:
            self._refuse("its head is too large")
        if b"\0" in part:
            self._refuse("a NUL in the reason")
        self._reason += part

    def on_header(self, name: bytes, value: bytes) -> None:
        value = value.rstrip(b" \t")
        self._field_bytes += len(name) + len(value)
        if len(self.headers) + len(self.trailers) >= MAX_HEADERS or self._field_bytes > MAX_HEAD:
            self._refuse("its head is too large")
        if b"\r" in value or b"\n" in value or b"\0" in value:
            self._refuse("a line end within a field")
        if self.is_head_complete:
            self.trailers.append((name, value))
            return
        lower = name.lower()
        if lower == b"content-length" or lower == b"transfer-encoding":
            if self._has_length:
                self._refuse("two lengths")
            if lower == b"transfer-encoding" and value.lower() != b"chunked":
                self._refuse("an unknown transfer encoding")
            self._has_length = True
            if lower == b"content-length":
                # The parser has seen that it is a number.
                self.content_length = int(value)
                return
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        status, version = self._parser.get_status_code(), self._parser.get_http_version()
        if version != "1.1" and (version != "1.0" or self._is_chunked()):
            self._refuse("another version than HTTP/1.1")
        if status < 100:
            self._refuse("no status")
        if status < 200:
            if status == 101:
                self._refuse("a switch of protocols")
            if self._has_length:
                self._refuse("an informational answer with a length")
            self.headers.clear()
            self.content_length = None
            return
        self.status = status
        self._has_body = status not in (204, 304)
        # The form in which the server takes text and makes the same bytes of it.
        self.reason = self._reason.decode("utf-8", "surrogateescape")
        self.is_head_complete = True

    def on_body(self, chunk: bytes) -> None:
        if self._place is not None:
            self._copy_out()
        self._pieces.append(chunk)
        self.waiting_bytes += len(chunk)

    def on_message_complete(self) -> None:
        if not self.is_head_complete:
            return
        assert self._parser is not None
        self.is_complete = True
        # A server that takes 204 and 304 for answers with a body would send it now.
        is_clear = self._has_length is self._has_body
        self.is_keep_alive = self._parser.should_keep_alive() and is_clear

    def _is_chunked(self) -> bool:
        return any(name.lower() == b"transfer-encoding" for name, _ in self.headers)

    def _refuse(self, fault: str) -> None:
        self._fault = fault
        raise ResponseError(fault)


def _head_in(data: bytes, *, is_chunked: bool) -> HeadTemplate | bytes | None:
    """The head at the beginning of an answer, if it is there to its end, and no informational one."""
    end = data.find(_END)
    if end < 0 or data.startswith(b" 1", len("HTTP/1.1")):
        return None
    if is_chunked:
        return data[: end + len(_END)]
    length = _LENGTH.search(data, 0, end + 2)
    return None if length is None else HeadTemplate(data[: length.start(1)], data[length.end(1) : end + len(_END)])


_INVALID = "The upstream's answer is not valid HTTP"
