"""Flow control of a client's connection: when its socket is read, and how long it may read nothing itself."""

from __future__ import annotations

import asyncio
from typing import Final

WRITE_TIMEOUT = 300.0
"""Seconds that a client may read nothing of a response while the write buffer is above its high-water mark."""
NEVER = float("inf")

# Reasons not to read the socket, as bits.
PIPELINE: Final = 1
"""Too many bytes of further requests, or of a rejected one, were received."""
BODY: Final = 2
"""The reader of the body is slower than the client."""


class FlowControl:
    """Reads the socket while there is no reason not to, and detects that the client reads nothing of a response."""

    __slots__ = ("_deadline", "_transport", "_unwritten_bytes", "pause_reasons")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._deadline = NEVER
        self._unwritten_bytes = 0
        """Size of the write buffer when the deadline was set."""
        self.pause_reasons = 0
        """The reasons for which reading is paused."""

    def pause_reading(self, reason: int) -> None:
        """Stop reading for this reason."""
        if not self.pause_reasons:
            self._transport.pause_reading()
        self.pause_reasons |= reason

    def resume_reading(self, reasons: int) -> None:
        """Read again, unless there is another reason not to."""
        if self.pause_reasons & reasons:
            self.pause_reasons &= ~reasons
            if not self.pause_reasons:
                self._transport.resume_reading()

    @property
    def is_writing_paused(self) -> bool:
        """True while the write buffer is above its high-water mark."""
        return self._deadline is not NEVER

    def pause_writing(self, now: float) -> None:
        """Start the deadline: the write buffer is above its high-water mark."""
        self._deadline, self._unwritten_bytes = now + WRITE_TIMEOUT, self._transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        """Stop the deadline."""
        self._deadline = NEVER

    def has_stalled(self, now: float) -> bool:
        """Return True if the deadline has passed and nothing was read; extend it if something was."""
        if self._deadline > now:
            return False
        before = self._unwritten_bytes
        self.pause_writing(now)
        return self._unwritten_bytes >= before
