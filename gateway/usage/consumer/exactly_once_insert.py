"""Inserting events into ClickHouse exactly once, also if a reply is lost.

- An insert is repeated under the same deduplication token until ClickHouse gives a definite result.
- ClickHouse writes the token before the rows. If it is killed in between, it remembers the token although it lost the
  rows, and ignores repetitions. So after a retried insert the rows are looked up, and lost ones are inserted under a
  derived token. A replicated table writes both in one step.
- If ClickHouse refuses a batch for its content, the batch is halved until the events at fault are alone.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from gateway.usage.consumer.batch import RejectedEvent
from gateway.usage.consumer.clickhouse_retry import ClickHouseRetry
from gateway.usage.event import EPOCH, UsageEvent, pack
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.store.errors import UsageRefused
from gateway.usage.store.lookup import find_stored
from gateway.usage.store.roll_up import complete_sums
from gateway.usage.store.table import UsageTable

_DERIVED_TOKENS = 5
"""Number of derived tokens that are tried, one after another; ClickHouse can lose the rows of each."""

log = logging.getLogger(__name__)


class ExactlyOnceInsert:
    """Inserts into the usage table. Methods raise `LeaseLost`, and what the Redis client raises."""

    def __init__(
        self,
        table: UsageTable,
        retry: ClickHouseRetry,
        metrics: UsageMetricsSink,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._table = table
        self._retry = retry
        self._metrics = metrics
        self._monotonic = monotonic

    async def find_stored(self, events: Sequence[UsageEvent]) -> Mapping[str, int]:
        """Return the ids of those events that the table has, with their times there."""
        if not events:
            return {}
        return await self._retry.run(lambda: find_stored(self._table, events))

    async def complete_sums(self, events: Sequence[UsageEvent]) -> None:
        """Add stored events to the sums if they are only in the log table."""
        if events:
            await self._retry.run(lambda: complete_sums(self._table, events))

    async def insert(self, events: Sequence[UsageEvent], token: str, *, is_retry: bool = False) -> None:
        """Insert events as one block. Raises `UsageRefused` if ClickHouse refuses their content.

        `is_retry`: an earlier insert may have used the token.
        """
        if not events:
            return
        attempts = 0

        async def attempt() -> None:
            nonlocal attempts
            attempts += 1
            await self._table.insert_async(events, token)

        started = self._monotonic()
        await self._retry.run(attempt)
        self._metrics.inserted(len(events), self._monotonic() - started)
        if (is_retry or attempts > 1) and self._table.cluster is None:
            await self._insert_lost_rows(events, token)

    async def insert_by_halves(self, events: Sequence[UsageEvent]) -> list[RejectedEvent]:
        """Insert the events that ClickHouse accepts. Return those that it refuses even in a separate insert."""
        try:
            await self.insert(events, _token_of(events), is_retry=True)
        except UsageRefused as error:
            if len(events) == 1:
                return [RejectedEvent(pack(events), str(error))]
            middle = len(events) // 2
            return [
                *await self.insert_by_halves(events[:middle]),
                *await self.insert_by_halves(events[middle:]),
            ]
        return []

    async def _insert_lost_rows(self, events: Sequence[UsageEvent], token: str) -> None:
        """Insert rows that ClickHouse lost although it remembers their token; expired rows do not count as lost."""
        oldest = (self._table.first_day - EPOCH).days if self._table.first_day else 0
        kept = [event for event in events if event.day >= oldest]
        lost = await self._missing(kept)
        for derived in _derived_tokens(token):
            if not lost:
                break
            log.warning("usage writer: ClickHouse lost %d events of an interrupted insert", len(lost))
            await self._retry.run(partial(self._table.insert_async, lost, derived))
            lost = await self._missing(lost)
        if lost:
            log.error("usage writer: ClickHouse lacks %d events that it acknowledged", len(lost))
        await self._retry.run(lambda: complete_sums(self._table, kept))

    async def _missing(self, events: Sequence[UsageEvent]) -> list[UsageEvent]:
        found = await self.find_stored(events)
        return [event for event in events if event.event_id not in found]


def _derived_tokens(token: str) -> Iterator[str]:
    """Yield tokens that are the same after every crash, and may have been used then; finally a new one."""
    for _ in range(_DERIVED_TOKENS):
        token = hashlib.sha256(token.encode()).hexdigest()
        yield token
    yield secrets.token_hex(16)


def _token_of(events: Sequence[UsageEvent]) -> str:
    return hashlib.sha256(" ".join(event.event_id for event in events).encode()).hexdigest()
