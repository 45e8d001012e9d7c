"""The clock and the id source that the proxy's code is given, so that tests can give their own."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from gateway.timestamps import now_ms
from gateway.usage.event import new_event_id


class Clock(msgspec.Struct, frozen=True):
    """A source of time and of event ids."""

    now_ms: Callable[[], int]
    """Milliseconds since the epoch."""
    monotonic: Callable[[], float]
    """Seconds; never goes back."""
    new_event_id: Callable[[int], str]
    """Return the id of a new usage event for a time in milliseconds."""


SYSTEM_CLOCK = Clock(now_ms, time.monotonic, new_event_id)
