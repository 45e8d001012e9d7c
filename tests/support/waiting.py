"""Waiting for a condition that another task or process brings about."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable


async def until(condition: Callable[[], object | Awaitable[object]], seconds: float = 30) -> None:
    """Return once the condition, which may be a coroutine function, holds. Raises `TimeoutError` after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            value = condition()
            if await value if inspect.isawaitable(value) else value:
                return
            await asyncio.sleep(0.001)


async def socket_events() -> None:
    """Let the event loop of the test handle what has arrived on its sockets, for servers that run in it."""
    for _ in range(20):
        await asyncio.sleep(0)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Block until the condition of another process holds. Raises `TimeoutError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the condition did not hold within {seconds:.0f} s")
        time.sleep(0.02)
