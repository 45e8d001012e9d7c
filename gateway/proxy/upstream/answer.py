"""One answer of the upstream, read from the bytes of its connection.

The rules:

- The parser is strict. Two lengths, an unknown transfer encoding, a length where there is no body, a CR, LF or NUL
  within a field, another version than HTTP/1.0 or 1.1, and a head beyond its bounds are refused.
- An answer is whole at its stated length, at its last chunk or, where it states none, at the end of the stream; and
  never else.
- What comes behind a whole answer is no part of it, and its connection carries no other.
- Informational answers (1xx) are passed over; 101 is refused. Trailers are kept apart from the head.
- A head that is, but for the number of its length, the same bytes as the last one of the connection is what that was.

Nothing here does I/O.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import httptools

from gateway.proxy.known_head import KnownHead
from gateway.proxy.upstream.failures import AnswerError

MAX_HEAD = 64 * 1024
"""Bytes of an answer's head, 1xx answers before it included; also of what comes without a byte of the body in it."""
MAX_HEADERS = 256

_END = b"\r\n\r\n"
_CHUNKED = b"HTTP/1.1 %d OK\r\nTransfer-Encoding: chunked\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]{1,15})\r\n", re.IGNORECASE)


class ReadHead(NamedTuple):
    """A head that was read, and what it means."""

    head: KnownHead | bytes
    """Where its body comes in chunks, all of its bytes."""
    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]


class Answer:
    """Feeds on bytes; once `is_head_complete`, `status`, `reason`, `headers` and `content_length` hold the head.

    `known` is the head of the answer before this one on the connection.
    """

    def __init__(self, known: ReadHead | None = None) -> None:
        self.status = 0
        self.reason = ""
        self.headers: list[tuple[bytes, bytes]] = []
        """The fields of the head, `Content-Length` aside."""
        self.content_length: int | None = None
        self.known = known
        """The head of this answer, to be known again; else the one that was given."""
        self.trailers: list[tuple[bytes, bytes]] = []
        self.is_head_complete = False
        self.is_complete = False
        self.is_keep_alive = False
        """Whether both sides keep the connection; known once the answer is complete."""
        self.waiting_bytes = 0
        """Bytes of the body that were received and not taken."""
        self._chunks: list[bytes] = []
        self._reason = b""
        self._idle_bytes = 0
        self._field_bytes = 0
        self._has_length = False
        self._has_body = True
        self._fault = ""
        self._is_begun = False
        self._left: int | None = None
        """Bytes of the body still to come, after a head that was known."""
        self._parser: httptools.HttpResponseParser | None = None

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises `AnswerError`."""
        if not self._is_begun:
            self._is_begun = True
            if self.known is None or not self._begin_known(data, self.known):
                self._begin(data)
        elif self._left is not None:
            self._feed_known(data)
        else:
            self._parse(data)

    def _begin_known(self, data: bytes, known: ReadHead) -> bool:
        """Whether the answer begins with the head that is known; then it was taken."""
        if isinstance(known.head, bytes):
            if not data.startswith(known.head):
                return False
            # The parser shall read the chunks, and needs a head before them.
            self._parser = httptools.HttpResponseParser(self)
            self._parse(_CHUNKED % known.status + data[len(known.head) :])
            _, _, self.reason, self.headers = known
            return True
        found = known.head.match(data)
        if found is None:
            return False
        start, self._left = found
        self.content_length = self._left
        _, self.status, self.reason, self.headers = known
        self.is_head_complete = True
        self._feed_known(data[start:])
        return True

    def _begin(self, data: bytes) -> None:
        # The parser and its callbacks refer to each other; `_drop_parser` undoes that, so that no garbage is left.
        self._parser = httptools.HttpResponseParser(self)
        self._parse(data)
        if self.is_head_complete and self._has_length and self._has_body:
            head = _head_in(data, is_chunked=self.content_length is None)
            if head is not None:
                self.known = ReadHead(head, self.status, self.reason, self.headers)

    def _feed_known(self, data: bytes) -> None:
        assert self._left is not None
        if self.is_complete:
            self.is_keep_alive = False
            return
        body = data[: self._left]
        if body:
            self.on_body(body)
        self._left -= len(body)
        if self._left == 0:
            self.is_complete = True
            # The answer before this one, of the same head, was followed by this one.
            self.is_keep_alive = len(body) == len(data)

    def _parse(self, data: bytes) -> None:
        if self._parser is None:
            self.is_keep_alive = False
            if self.is_complete:
                return
            raise AnswerError(_INVALID)
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
        """Take the end of the stream. Raises `AnswerError` where the answer is not whole by it."""
        self.is_keep_alive = False
        if not self.is_complete:
            self._drop_parser()
            if not self.is_head_complete or self._has_length or self._left is not None or self._fault:
                raise AnswerError("The upstream closed the connection before its answer was whole")
            self.is_complete = True

    def take(self) -> bytes:
        """The bytes of the body that wait; empty where none do."""
        chunks, self._chunks = self._chunks, []
        self.waiting_bytes = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def peek(self) -> bytes:
        """The same, to be taken later."""
        if len(self._chunks) != 1:
            self._chunks = [b"".join(self._chunks)]
        return self._chunks[0]

    def drop(self) -> None:
        """Look at nothing that may still come."""
        self._drop_parser()
        self._is_begun = True
        self.is_keep_alive = False

    def _fail(self, fault: str) -> None:
        self._drop_parser()
        self.is_keep_alive = False
        if not self.is_complete:
            self._fault = fault or "malformed"
            raise AnswerError(f"{_INVALID}: {fault}" if fault else _INVALID)

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
        self._chunks.append(chunk)
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
        raise AnswerError(fault)


def _head_in(data: bytes, *, is_chunked: bool) -> KnownHead | bytes | None:
    """The head at the beginning of an answer, if it is there to its end, and no informational one."""
    end = data.find(_END)
    if end < 0 or data.startswith(b" 1", len("HTTP/1.1")):
        return None
    if is_chunked:
        return data[: end + len(_END)]
    length = _LENGTH.search(data, 0, end + 2)
    return None if length is None else KnownHead(data[: length.start(1)], data[length.end(1) : end + len(_END)])


_INVALID = "The upstream's answer is not valid HTTP"
