"""Busy-poll the event loop briefly while a fast reply is expected.

Putting a process to sleep and waking it takes some 30 µs, longer than a server nearby may need to reply. While the loop
is polled it does not sleep, and all other callbacks still run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

MAX_POLL_SECONDS = 100e-6
"""Seconds that one reply is polled for at most."""
SKIPS_AFTER_TIMEOUT = 100
"""Replies that are not polled for after one that took longer."""


class BusyPoller:
    """Polls for the replies of one server, and pauses while it is slow."""

    def __init__(self) -> None:
        self._deadline = 0.0
        self._skips = 0

    def poll_while(self, is_waiting: Callable[[], bool]) -> None:
        """Keep the running loop from sleeping while `is_waiting()`, within `MAX_POLL_SECONDS`."""
        if self._skips:
            self._skips -= 1
            return
        self._deadline = time.perf_counter() + MAX_POLL_SECONDS
        loop = asyncio.get_running_loop()
        loop.call_soon(self._poll, loop, is_waiting)

    def _poll(self, loop: asyncio.AbstractEventLoop, is_waiting: Callable[[], bool]) -> None:
        if not is_waiting():
            return
        if time.perf_counter() < self._deadline:
            loop.call_soon(self._poll, loop, is_waiting)
        else:
            self._skips = SKIPS_AFTER_TIMEOUT
