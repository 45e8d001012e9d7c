"""Cancel tasks reliably.

Before Python 3.12, `asyncio.wait_for` loses a cancellation that arrives in the turn of the loop in which the awaited
future completes, and redis-py sends every command through it. A task that was cancelled once may therefore go on.
"""

from __future__ import annotations

import asyncio
from typing import Any

RETRY_SECONDS = 0.2


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it is done. Its result or exception is dropped."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=RETRY_SECONDS)
    if not task.cancelled():
        task.exception()
