"""An event loop whose time passes only while it has nothing to do, for tests of time-outs with real sockets."""

from __future__ import annotations

import asyncio
import functools
import inspect
import selectors
import time
from collections.abc import Awaitable, Callable
from typing import Any

_SETTLE_SECONDS = 0.0001
"""Real time for the kernel to deliver what was written to a local socket."""


class _JumpingSelector(selectors.DefaultSelector):
    """Lets the clock jump to the next timer when no socket is ready."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        events = super().select(0)
        if events or (timeout is not None and timeout <= 0):
            return events
        time.sleep(_SETTLE_SECONDS)
        events = super().select(None if timeout is None else 0)
        if not events and timeout is not None:
            self.now += timeout
        return events


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop with a virtual clock."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


def in_virtual_time(test: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Run an async test in virtual time; its fixtures must not need a loop."""

    @functools.wraps(test)
    def run(**fixtures: Any) -> None:
        async def ran() -> None:
            await test(**fixtures)

        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            runner.run(ran())

    # pytest would take the wrapped function for an async test.
    signature = inspect.signature(test)
    del run.__wrapped__
    run.__signature__ = signature  # type: ignore[attr-defined]
    return run
