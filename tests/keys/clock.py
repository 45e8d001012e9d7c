"""A clock that stands until it is moved."""

from __future__ import annotations

from gateway.timestamps import now_ms


class Clock:
    """Wall time begins near the present (Redis expires by its own clock), monotonic time at zero."""

    def __init__(self) -> None:
        self._began = now_ms()
        self._passed_ms = 0

    def advance(self, milliseconds: int) -> None:
        self._passed_ms += milliseconds

    def now_ms(self) -> int:
        return self._began + self._passed_ms

    def monotonic(self) -> float:
        return self._passed_ms / 1000
