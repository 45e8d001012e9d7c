"""A clock that stands still until it is advanced."""

from __future__ import annotations

from gateway.timestamps import now_ms


class Clock:
    """Wall time starts at the present, because Redis expires keys by its own clock; monotonic time starts at zero."""

    def __init__(self) -> None:
        self._started_at = now_ms()
        self._elapsed_ms = 0

    def advance(self, seconds: float) -> None:
        self._elapsed_ms += round(seconds * 1000)

    def now_ms(self) -> int:
        return self._started_at + self._elapsed_ms

    def monotonic(self) -> float:
        return self._elapsed_ms / 1000
