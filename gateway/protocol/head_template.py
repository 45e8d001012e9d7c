"""Recognition of an HTTP head that was parsed before, by its bytes."""

from __future__ import annotations

_MAX_DIGITS = 15


class HeadTemplate:
    """Matches heads that are identical byte for byte, except for the number of their `Content-Length`."""

    __slots__ = ("_after", "_before", "_number_start")

    def __init__(self, before: bytes, after: bytes) -> None:
        """`before` ends where the number begins; `after` begins behind it and ends with the head."""
        self._before = before
        self._number_start = len(before)
        self._after = after

    def match(self, data: bytes) -> tuple[int, int] | None:
        """Return (start of the body, its length) if `data` begins with such a head, complete; otherwise `None`."""
        if not data.startswith(self._before):
            return None
        end = data.find(b"\r\n", self._number_start)
        number = data[self._number_start : end]
        if not number.isdigit() or len(number) > _MAX_DIGITS or not data.startswith(self._after, end):
            return None
        return end + len(self._after), int(number)
