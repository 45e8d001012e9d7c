"""What the usage stream sends: batches of events, in lanes that number them, and the tally of all of them."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable

from gateway.redis.client import DedicatedRedisConnection
from gateway.usage.event import join
from gateway.usage.producer.spool_file import SpoolRecord

BATCH_EVENTS = 256
BATCH_BYTES = 256 * 1024
"""An entry takes no further event once it has so many; usual ones reach about 64 KiB."""
_TALLY_DAYS = 8
"""Days that a tally keeps apart; a call ends on the day on which its event is made."""


OnDurable = Callable[[Exception | None], None]
"""What is called when an event is safe, or with the reason why it cannot be made safe."""

log = logging.getLogger(__name__)


class EventBatch:
    """Events of one day that travel together, and who waits for them to be safe."""

    __slots__ = ("day", "events", "possibly_duplicate", "size", "thens", "waiters")

    def __init__(self, day: int) -> None:
        self.day = day
        self.events: list[bytes] = []
        self.possibly_duplicate = False
        self.size = 0
        self.thens: list[OnDurable] = []
        self.waiters: list[asyncio.Future[None]] = []
        """To cancel one stops nothing."""

    @property
    def is_full(self) -> bool:
        return len(self.events) >= BATCH_EVENTS or self.size >= BATCH_BYTES

    def add(self, event: bytes) -> None:
        """Take an event along."""
        self.events.append(event)
        self.size += len(event)

    async def ended(self) -> None:
        """Return when `end` was called."""
        event = asyncio.Event()
        self.thens.append(lambda _problem: event.set())
        await event.wait()

    def end(self, problem: Exception | None = None) -> None:
        """Every event is safe, or none could be made safe."""
        for waiter in self.waiters:
            if waiter.done():
                continue
            if problem is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(problem)
        for then in self.thens:
            try:
                then(problem)
            except Exception as error:
                # The others of the batch have no part in it.
                log.error("usage stream: what was to follow an event failed: %s", type(error).__name__)

    def record(self, lane: SequencedChannel, tally: AcceptedCounter) -> SpoolRecord:
        """The batch as it is spooled and sent, as the next of the lane."""
        lane.number += 1
        count = len(self.events)
        total = tally.add(self.day, count)
        return SpoolRecord(
            lane.name, lane.number, count, join(self.events), tally.source, self.day, total, self.possibly_duplicate
        )


class SequencedChannel:
    """A way into the stream that carries one batch at a time, on a connection of its own."""

    __slots__ = ("batch", "connection", "name", "number", "problem", "record")

    batch: EventBatch
    """What it carries, or carried last."""
    record: SpoolRecord
    """The same as it is spooled and sent."""
    problem: Exception | None
    """Why the spool does not have it."""

    def __init__(self, connection: DedicatedRedisConnection) -> None:
        self.connection = connection
        self.renew()

    def renew(self) -> None:
        self.name = secrets.token_hex(12)
        self.number = 0


class AcceptedCounter:
    """How many events of each day a process has accepted; it travels with the events, to be compared with them."""

    def __init__(self, source: str) -> None:
        self.source = source
        """The process, under a name that no other ever has."""
        self.totals: dict[int, int] = {}

    def add(self, day: int, events: int) -> int:
        """Count; the total of the day."""
        total = self.totals.get(day, 0) + events
        self.totals[day] = total
        if len(self.totals) > _TALLY_DAYS:
            del self.totals[next(iter(self.totals))]
        return total

    def take_back(self, record: SpoolRecord) -> None:
        """What was counted was refused after all."""
        self.totals[record.day] = self.totals.get(record.day, record.count) - record.count
