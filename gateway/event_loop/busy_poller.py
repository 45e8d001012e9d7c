"""Keeping the event loop awake for what is quick.

To fall asleep and be woken takes a process some 30 µs, longer than a server nearby may take to answer. So where nothing
else is to be done, an answer is looked for again and again for a while before the loop may sleep.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

SECONDS = 100e-6
"""For so long at most."""
PAUSE = 100
"""Answers that are waited for asleep, after one that took longer."""


class BusyPoller:
    """Waits for the answers of one server."""

    def __init__(self) -> None:
        self._deadline = 0.0
        self._pause = 0

    def poll_while(self, is_waiting: Callable[[], bool]) -> None:
        """Keep the running loop from sleeping while `is_waiting`; it goes on with whatever else comes."""
        if self._pause:
            self._pause -= 1
            return
        self._deadline = time.perf_counter() + SECONDS
        loop = asyncio.get_running_loop()
        loop.call_soon(self._look, loop, is_waiting)

    def _look(self, loop: asyncio.AbstractEventLoop, is_waiting: Callable[[], bool]) -> None:
        if not is_waiting():
            return
        if time.perf_counter() < self._deadline:
            loop.call_soon(self._look, loop, is_waiting)
        else:
            self._pause = PAUSE
