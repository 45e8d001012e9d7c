"""What the usage stream sends: batches of events, in lanes that number them."""

from __future__ import annotations

import asyncio
import secrets

from gateway.usage.event import join
from gateway.usage.spool_file import SpoolRecord

BATCH_EVENTS = 256
BATCH_BYTES = 256 * 1024
"""An entry takes no further event once it has so many; usual ones reach about 64 KiB."""


class Batch:
    """Events that travel together, and the one future that their waiters share."""

    __slots__ = ("done", "events", "size")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.events: list[bytes] = []
        self.size = 0
        self.done: asyncio.Future[None] = loop.create_future()
        # Where every waiter was cancelled, nobody fetches the outcome.
        self.done.add_done_callback(lambda done: done.cancelled() or done.exception())

    @property
    def is_full(self) -> bool:
        return len(self.events) >= BATCH_EVENTS or self.size >= BATCH_BYTES

    def add(self, event: bytes) -> None:
        self.events.append(event)
        self.size += len(event)

    def record(self, lane: Lane) -> SpoolRecord:
        """The batch as it is spooled and sent, as the next of the lane."""
        lane.number += 1
        return SpoolRecord(lane.name, lane.number, len(self.events), join(self.events))


class Lane:
    """A way into the stream that carries one batch at a time."""

    __slots__ = ("name", "number")

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        self.name = secrets.token_hex(12)
        self.number = 0
