"""Sequenced channels: each numbers its batches 1, 2, 3…, so that Redis can drop repetitions and detect gaps.

A channel to Redis carries one batch at a time:

| state | event | next state |
| --- | --- | --- |
| `IDLE` | a batch is sent on the open connection | `SENDING` |
| `IDLE` | a batch is there, and the connection is closed | `RETRYING` |
| `SENDING` | Redis acknowledges | `IDLE` |
| `SENDING` | the connection breaks, or Redis lacks the script | `RETRYING` |
| `SENDING`, `RETRYING` | any other failure, or a time-out | `IDLE` under a new name; only the spool has the batch |
| `RETRYING` | Redis acknowledges | `IDLE` |
"""

from __future__ import annotations

import secrets
from enum import Enum

from gateway.redis.dedicated_connection import DedicatedRedisConnection
from gateway.usage.event import join
from gateway.usage.producer.batch import EventBatch
from gateway.usage.producer.spool_format import SpoolRecord

_COUNTED_DAYS = 8
"""Days that a counter keeps apart; a call ends on the day on which its event is made."""


class AcceptedCounter:
    """Events that a process has accepted, by day. The count travels with each batch, for reconciliation."""

    def __init__(self, source: str) -> None:
        self.source = source
        """Unique name of the process."""
        self.totals: dict[int, int] = {}

    def add(self, day: int, events: int) -> int:
        """Count events, and return the total of their day."""
        total = self.totals.get(day, 0) + events
        self.totals[day] = total
        if len(self.totals) > _COUNTED_DAYS:
            del self.totals[next(iter(self.totals))]
        return total

    def subtract(self, record: SpoolRecord) -> None:
        """Take back the events of a record that was refused after it was counted."""
        self.totals[record.day] = self.totals.get(record.day, record.count) - record.count


class SequencedChannel:
    """A named sequence of batches."""

    __slots__ = ("accepted", "name", "number")

    def __init__(self, accepted: AcceptedCounter) -> None:
        self.accepted = accepted
        self.renew()

    def renew(self) -> None:
        """Start a new sequence, under a new name."""
        self.name = secrets.token_hex(12)
        self.number = 0

    def next_record(self, batch: EventBatch) -> SpoolRecord:
        """Count the events of a batch and return it as it is spooled and sent."""
        self.number += 1
        count = len(batch.events)
        total = self.accepted.add(batch.day, count)
        return SpoolRecord(
            self.name,
            self.number,
            count,
            join(batch.events),
            self.accepted.source,
            batch.day,
            total,
            batch.possibly_duplicate,
        )


class ChannelState(Enum):
    """See the table above."""

    IDLE = "idle"
    SENDING = "sending"
    RETRYING = "retrying"


class RedisChannel(SequencedChannel):
    """A channel with a dedicated connection to Redis."""

    __slots__ = ("batch", "connection", "record", "spool_error", "state")

    batch: EventBatch
    """The batch in flight; the last one while idle."""
    record: SpoolRecord
    """The same batch as it is spooled and sent."""
    spool_error: Exception | None
    """The reason why the spool does not have it."""

    def __init__(self, accepted: AcceptedCounter, connection: DedicatedRedisConnection) -> None:
        super().__init__(accepted)
        self.connection = connection
        self.state = ChannelState.IDLE
