"""Flow control of a client's connection: when its socket is read, and how long it may read nothing itself."""

from __future__ import annotations

import asyncio
from typing import Final

WRITE_TIMEOUT = 300.0
"""Seconds that a client may read nothing of a response while the write buffer is above its high-water mark."""
NEVER = float("inf")


# Reasons not to read the socket.
PIPELINE: Final = 1
"""Too many bytes of further requests, or of a rejected one, were received."""
BODY: Final = 2
"""The reader of the body is slower than the client."""


class ReadingControl:
    """Reads the socket while there is no reason not to."""

    __slots__ = ("_transport", "reasons")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.reasons = 0
        """The reasons for which reading is paused, as a bit set."""

    def pause(self, reason: int) -> None:
        """Stop reading for this reason."""
        if not self.reasons:
            self._transport.pause_reading()
        self.reasons |= reason

    def resume(self, reason: int) -> None:
        """Read again, unless there is another reason not to."""
        if self.reasons & reason:
            self.reasons &= ~reason
            if not self.reasons:
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
