"""Heads of responses: their recognition by their bytes, and the time-out of their `Keep-Alive` field."""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.protocol.head_template import HeadTemplate

_CONTENT_LENGTH = re.compile(rb"\r\ncontent-length: ?([0-9]{1,15})\r\n", re.IGNORECASE)
_KEEP_ALIVE = b"keep-alive"
_KEEP_ALIVE_PARAMETER = re.compile(rb'(?:^|[,;])[ \t]*(timeout|max)[ \t]*=[ \t]*"?([0-9]{1,9})', re.IGNORECASE)


class CachedResponseHead(NamedTuple):
    """A head that was parsed, by the bytes it is recognized by."""

    template: HeadTemplate | bytes
    """All bytes of the head if its body is chunked, as no number in it varies."""
    status: int
    reason: str
    headers: list[tuple[bytes, bytes]]
    keep_alive_timeout: int | None

    def match(self, data: bytes) -> tuple[int, int | None] | None:
        """Return (start of the body, its length) if `data` begins with this head; the length is `None` in chunks."""
        template = self.template
        if isinstance(template, bytes):
            return (len(template), None) if data.startswith(template) else None
        return template.match(data)


def template_of(head: bytes, *, is_chunked: bool) -> HeadTemplate | bytes | None:
    """Return the template of a head that states a length; `None` if it does so in an unusual form."""
    if is_chunked:
        return head
    length = _CONTENT_LENGTH.search(head)
    return None if length is None else HeadTemplate(head[: length.start(1)], head[length.end(1) :])


def keep_alive_timeout(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the seconds for which the server keeps an idle connection open, if `Keep-Alive` tells.

    0 means that it takes no other request (`max=0`).
    """
    timeouts = [
        int(parameter[2])
        for name, value in headers
        if len(name) == len(_KEEP_ALIVE) and name.lower() == _KEEP_ALIVE
        for parameter in _KEEP_ALIVE_PARAMETER.finditer(value)
        if parameter[1].lower() == b"timeout" or int(parameter[2]) == 0
    ]
    return min(timeouts, default=None)
