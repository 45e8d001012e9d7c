"""Ending tasks that talk to Redis.

Before Python 3.12 `asyncio.wait_for` loses a cancellation that arrives in the moment in which what it waits for is
done, and the Redis client sends every command through it. So a task that was cancelled once may go on.
"""

from __future__ import annotations

import asyncio
from typing import Any

_AGAIN_SECONDS = 0.2


async def cancel_and_wait(task: asyncio.Task[Any]) -> None:
    """Cancel a task until it is done. Its outcome is dropped, an exception included."""
    while not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=_AGAIN_SECONDS)
    if not task.cancelled():
        task.exception()
