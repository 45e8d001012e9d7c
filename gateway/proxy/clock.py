"""The clock that the proxy's code is given, so that tests can give their own."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from gateway.timestamps import now_ms


class Clock(msgspec.Struct, frozen=True):
    """A source of time."""

    now_ms: Callable[[], int]
    """Milliseconds since the epoch."""
    monotonic: Callable[[], float]
    """Seconds; never goes back."""


SYSTEM_CLOCK = Clock(now_ms, time.monotonic)
