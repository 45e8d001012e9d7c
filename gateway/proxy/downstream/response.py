"""An answer to a client, and the bytes of its head."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from gateway.protocol.buffers import Chunk
from gateway.proxy.admission.headers import RawHeaders

NO_BODY = frozenset({204, 304})
"""Statuses whose answers have neither a body nor a length (RFC 9110, section 6.4.1)."""

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class ResponseHead(msgspec.Struct, frozen=True):
    """The head of an answer in bytes, but for its length and what its connection has to say."""

    status: int
    text: bytes
    is_dated: bool

    def serialize(self, framing: bytes) -> bytes:
        """To its end, with these lines, and a `Date` where it has none (RFC 9110, section 6.6.1)."""
        return self.text + (b"" if self.is_dated else _date()) + framing + b"\r\n"


class Response(msgspec.Struct, kw_only=True):
    """A whole answer; `close_connection` says that its connection is not to be used again."""

    head: ResponseHead
    body: Chunk = b""
    close_connection: bool = False
    chunked: bool = False
    """Whether the body, which is not empty, goes in one chunk, without a length: HTTP/1.1 alone has that."""


def head(status: int, reason: str | None, headers: RawHeaders) -> ResponseHead:
    """The head of an answer; `None` is the usual reason, and bytes in it that are no UTF-8 stand as surrogates.

    Raises `ValueError` for a line end or a NUL within a field.
    """
    if reason is None:
        reason = _REASONS.get(status, "")
    lines = [b"HTTP/1.1 %d %b" % (status, reason.encode("utf-8", "surrogateescape"))]
    lines += [name + b": " + value for name, value in headers]
    text = b"\r\n".join(lines)
    if text.count(b"\n") != len(lines) - 1 or text.count(b"\r") != len(lines) - 1 or b"\0" in text:
        raise ValueError("a line end within a field of an answer")
    return ResponseHead(status, text + b"\r\n", is_dated=b"\r\ndate:" in text.lower())


def fields(headers: RawHeaders) -> bytes:
    """Trailers as they go behind a last chunk. Raises `ValueError` for a line end or a NUL within one."""
    text = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    if text.count(b"\n") != len(headers) or text.count(b"\r") != len(headers) or b"\0" in text:
        raise ValueError("a line end within a field of an answer")
    return text


_dated = (0, b"")


def _date() -> bytes:
    global _dated
    second = int(time.time())
    if _dated[0] != second:
        _dated = second, b"Date: %b\r\n" % formatdate(second, usegmt=True).encode()
    return _dated[1]
