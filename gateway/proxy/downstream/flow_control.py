"""Flow control of a client's connection: when its socket is read, and how long it may read nothing itself."""

from __future__ import annotations

import asyncio
import enum

WRITE_TIMEOUT = 300.0
"""Seconds that a client may read nothing of a response while the write buffer is above its high-water mark."""
NEVER = float("inf")


class PauseReason(enum.IntFlag):
    """A reason not to read the socket."""

    PIPELINE = 1
    """Too many bytes of further requests, or of a rejected one, were received."""
    BODY = 2
    """The reader of the body is slower than the client."""


class ReadingControl:
    """Reads the socket while there is no reason not to."""

    __slots__ = ("_reasons", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._reasons = 0

    def pause(self, reason: PauseReason) -> None:
        """Stop reading for this reason."""
        if not self._reasons:
            self._transport.pause_reading()
        self._reasons |= reason

    def resume(self, reason: PauseReason) -> None:
        """Read again, unless there is another reason not to."""
        if self._reasons & reason:
            self._reasons &= ~reason
            if not self._reasons:
                self._transport.resume_reading()


class WriteDeadline:
    """Detects that a client reads nothing of a response."""

    __slots__ = ("_deadline", "_unwritten_bytes")

    def __init__(self) -> None:
        self._deadline = NEVER
        self._unwritten_bytes = 0

    @property
    def is_writing_paused(self) -> bool:
        """True while the write buffer is above its high-water mark."""
        return self._deadline is not NEVER

    def start(self, now: float, unwritten_bytes: int) -> None:
        """Writing is paused, with so many bytes in the write buffer."""
        self._deadline, self._unwritten_bytes = now + WRITE_TIMEOUT, unwritten_bytes

    def stop(self) -> None:
        """Writing has been resumed."""
        self._deadline = NEVER

    def has_stalled(self, now: float, unwritten_bytes: int) -> bool:
        """Return True if the deadline has passed and nothing was read; extend it if something was."""
        if self._deadline > now:
            return False
        if unwritten_bytes >= self._unwritten_bytes:
            return True
        self.start(now, unwritten_bytes)
        return False
