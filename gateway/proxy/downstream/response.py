"""A response to a client, and the bytes of its head."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

import msgspec

from gateway.protocol.buffers import Chunk
from gateway.proxy.admission.headers import RawHeaders

NO_BODY = frozenset({204, 304})
"""Statuses whose responses have neither a body nor a length (RFC 9110, section 6.4.1)."""

CONNECTION_CLOSE = b"Connection: close\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CONTENT_LENGTH = b"Content-Length: %d\r\n"
COPY_LIMIT = 64 * 1024
"""Bytes up to which parts are joined to one write."""

_REASONS = {status.value: status.phrase for status in HTTPStatus}


class ResponseHead(msgspec.Struct, frozen=True):
    """A serialized head, without the fields that depend on the connection."""

    status: int
    text: bytes
    is_dated: bool
    """True if it has a `Date` field."""

    def serialize(self, framing: bytes) -> bytes:
        """Return the whole head: with these lines, and with a `Date` if it has none (RFC 9110, section 6.6.1)."""
        return self.text + (b"" if self.is_dated else _date()) + framing + b"\r\n"


class Response(msgspec.Struct, kw_only=True):
    """A complete response."""

    head: ResponseHead
    body: Chunk = b""
    close_connection: bool = False
    chunked: bool = False
    """True to send the body, which is not empty, as one chunk without a length; only on HTTP/1.1."""


def serialize_head(status: int, reason: str | None, headers: RawHeaders) -> ResponseHead:
    """Serialize a head. A reason of `None` is the standard phrase; `reason` may contain surrogate escapes.

    Raises `ValueError` for a line end or a NUL within a field.
    """
    if reason is None:
        reason = _REASONS.get(status, "")
    lines = [b"HTTP/1.1 %d %b" % (status, reason.encode("utf-8", "surrogateescape"))]
    lines += [name + b": " + value for name, value in headers]
    text = b"\r\n".join(lines)
    if text.count(b"\n") != len(lines) - 1 or text.count(b"\r") != len(lines) - 1 or b"\0" in text:
        raise ValueError("a line end within a field of a response")
    return ResponseHead(status, text + b"\r\n", is_dated=b"\r\ndate:" in text.lower())


def serialize_response(response: Response, lines: bytes = b"", *, omits_body: bool = False) -> tuple[Chunk, ...]:
    """Return the bytes of a complete response, in one part unless it is large.

    `lines` are further header lines, such as `Connection`. A response to HEAD omits the body, whose length
    it states (RFC 9110, section 9.3.2).
    """
    head, body = response.head, response.body
    if response.chunked:
        parts = head.serialize(lines + CHUNKED) + b"%x\r\n" % len(body), body, b"\r\n0\r\n\r\n"
    elif head.status in NO_BODY:
        return (head.serialize(lines),)
    else:
        parts = head.serialize(lines + CONTENT_LENGTH % len(body)), b"" if omits_body else body, b""
    return (b"".join(parts),) if len(body) <= COPY_LIMIT else parts


def serialize_trailers(headers: RawHeaders) -> bytes:
    """Serialize trailers. Raises `ValueError` for a line end or a NUL within one."""
    text = b"".join(name + b": " + value + b"\r\n" for name, value in headers)
    if text.count(b"\n") != len(headers) or text.count(b"\r") != len(headers) or b"\0" in text:
        raise ValueError("a line end within a field of a response")
    return text


_cached_date = (0, b"")
"""The last second, and its `Date` field."""


def _date() -> bytes:
    global _cached_date
    second = int(time.time())
    if _cached_date[0] != second:
        _cached_date = second, b"Date: %b\r\n" % formatdate(second, usegmt=True).encode()
    return _cached_date[1]
