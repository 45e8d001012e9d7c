"""The head of an HTTP message that has been read before, told by its bytes."""

from __future__ import annotations

_MAX_DIGITS = 15


class HeadTemplate:
    """Heads that are the same bytes but for the number of their `Content-Length`."""

    __slots__ = ("_after", "_before", "_begins")

    def __init__(self, before: bytes, after: bytes) -> None:
        """`before` ends where that number begins; `after` begins behind it and ends with the head."""
        self._before = before
        self._begins = len(before)
        self._after = after

    def match(self, data: bytes) -> tuple[int, int] | None:
        """Where the body begins and how long it is, if such a head, whole, begins `data`."""
        if not data.startswith(self._before):
            return None
        end = data.find(b"\r\n", self._begins)
        number = data[self._begins : end]
        if not number.isdigit() or len(number) > _MAX_DIGITS or not data.startswith(self._after, end):
            return None
        return end + len(self._after), int(number)
