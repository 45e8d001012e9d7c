"""Batches: events that travel to Redis in one stream entry, and the callers that wait for them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from gateway.usage.event import UsageEvent, pack_event

BATCH_EVENTS = 256
"""Maximum number of events of a batch."""
BATCH_BYTES = 256 * 1024
"""Maximum bytes of a batch, exceeded by its last event at most. Typical batches reach about 64 KiB."""

OnDurable = Callable[[Exception | None], None]
"""Called with `None` when an event is durable, or with the `SpoolFull` that prevented it."""

log = logging.getLogger(__name__)


class EventBatch:
    """Events of one day that travel in one entry, and the callers that wait for them."""

    __slots__ = ("callbacks", "day", "events", "possibly_duplicate", "size", "waiters")

    def __init__(self, day: int) -> None:
        self.day = day
        self.events: list[bytes] = []
        self.possibly_duplicate = False
        self.size = 0
        self.callbacks: list[OnDurable] = []
        self.waiters: list[asyncio.Future[None]] = []
        """Futures of callers. Cancelling one does not stop the batch."""

    @property
    def is_full(self) -> bool:
        return len(self.events) >= BATCH_EVENTS or self.size >= BATCH_BYTES

    def add(self, event: bytes) -> None:
        self.events.append(event)
        self.size += len(event)

    async def wait(self) -> None:
        """Return when `complete` was called."""
        completed = asyncio.Event()
        self.callbacks.append(lambda _error: completed.set())
        await completed.wait()

    def complete(self, error: Exception | None = None) -> None:
        """Report to every caller that the events are durable, or the error that prevented it."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        for callback in self.callbacks:
            try:
                callback(error)
            except Exception:
                # One caller's failure must not affect the others of the batch.
                log.exception("usage stream: the callback of an event failed")


class BatchQueue:
    """Batches that wait for a channel. New events join the last one."""

    __slots__ = ("batches", "event_count")

    def __init__(self) -> None:
        self.batches: deque[EventBatch] = deque()
        self.event_count = 0
        """Events in all of these batches."""

    def add(self, event: UsageEvent, possibly_duplicate: bool) -> EventBatch:
        """Pack an event and return the batch that it joined."""
        packed, day = pack_event(event), event.day
        batch = self.batches[-1] if self.batches else None
        if batch is None or batch.is_full or batch.day != day:
            batch = EventBatch(day)
            self.batches.append(batch)
        batch.add(packed)
        batch.possibly_duplicate |= possibly_duplicate
        self.event_count += 1
        return batch

    def pop(self) -> EventBatch:
        """Take the oldest batch out."""
        batch = self.batches.popleft()
        self.event_count -= len(batch.events)
        return batch
