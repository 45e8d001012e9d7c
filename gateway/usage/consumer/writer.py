"""The usage writer: drains the usage stream into ClickHouse, each event exactly once.

Rules:
- One batch is outstanding: read, inserted under the token of its entry ids, settled, and only then the
  next. What `batches` says about pending sets makes the repetition after a crash identical, and ClickHouse
  drops it.
- After every start, after every error of Redis, and after taking the lease, left-over pending sets come
  first.
- Where an event may be in the table though it was not settled (Redis lost its last seconds, and says so by
  another run id, by entry ids that were settled before, or by entries that a spool sent again), the table is
  asked, and only what it lacks is inserted; what the sums by day lack of the others is completed (`roll_up`). After a
  restart of Redis this goes on until a batch has nothing that the table knows: what was inserted before is at the
  stream's beginning.
- A ClickHouse that is killed may remember a token and not have the rows: it notes the one before it keeps the other.
  So after an insert that may not have been the first under its token the table is asked, and what was lost goes in
  under another one. (A replicated table does both in one step.)
- ClickHouse away: the same batch again under the same token, with growing pauses, for ever. Nothing else is
  read meanwhile; the stream holds it.
- ClickHouse refuses a batch for its content: the events that are not in the table yet are halved until
  those at fault are alone; these go to the dead letters in the step that settles the batch, the others go
  in.
- Of several writers on one Redis, the one with the lease drains.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TypeVar

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.redis import names as redis_names
from gateway.timestamps import now_ms
from gateway.usage.consumer.batches import Batch, DeadLetter, LeaseLost, UsageBatches
from gateway.usage.consumer.lease import Lease
from gateway.usage.consumer.read_your_writes import wait_for_flush_request
from gateway.usage.event import EPOCH, UsageEvent, pack
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.store.errors import UsageRefused, UsageTableUnavailable
from gateway.usage.store.queries import stored
from gateway.usage.store.roll_up import complete
from gateway.usage.store.table import UsageTable

BATCH_EVENTS = 10_000
LINGER_SECONDS = 5.0
"""How long a batch waits for company after its first entry, unless somebody asks for it."""
LEASE_SECONDS = 5.0
BLOCK_MS = 1000
"""How long one blocking read waits for entries: less than the client gives an answer."""
_PAUSES = (0.1, 10.0)
"""Shortest and longest pause between attempts on ClickHouse or Redis, in seconds."""
_FURTHER_TOKENS = 5
"""Inserts of one batch that ClickHouse may lose, one after another, each by being killed at the wrong moment."""

Result = TypeVar("Result")
log = logging.getLogger(__name__)


class WriterState(msgspec.Struct, frozen=True):
    """What `/readyz` and the metrics show of the writer."""

    is_leading: bool
    """This process drains; another one does otherwise, or none."""
    connected: bool
    """The last attempt on ClickHouse found it there."""
    waiting_entries: int
    """Entries in the stream."""
    oldest_waiting_ms: int
    """Age of the oldest of them, 0 without any."""
    problem: str
    """What is wrong at present; empty where nothing is."""


class UsageWriter:
    """Run one in each admin process."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        table: UsageTable,
        *,
        batch_events: int = BATCH_EVENTS,
        linger: float = LINGER_SECONDS,
        lease_seconds: float = LEASE_SECONDS,
        metrics: UsageMetricsSink | None = None,
        now_ms: Callable[[], int] = now_ms,
    ) -> None:
        """`redis` needs three free connections, one of which blocks for up to `BLOCK_MS`."""
        holder = secrets.token_hex(8)
        self._redis = redis
        self._table = table
        self._batches = UsageBatches(redis, holder)
        self._lease = Lease(redis, redis_names.USAGE_LEASE, holder, lease_seconds)
        self._batch_events = batch_events
        self._linger = linger
        self._metrics = metrics or UsageMetricsSink()
        self._now_ms = now_ms
        self._connected = True
        self._backlog = (0, 0)
        self._problem = ""
        self._is_behind = False
        """The last batch was full: there is more, and no need to wait for it."""
        self._distrusts = True
        self._inserted_up_to = (0, 0)
        """The last entry whose events are in the table for certain."""

    @property
    def state(self) -> WriterState:
        """How things stand."""
        return WriterState(self._lease.is_held, self._connected, *self._backlog, self._problem)

    async def run(self) -> None:
        """Drain until cancelled. Whatever is cut off by that is repeated identically by the next writer."""
        tasks = [
            asyncio.create_task(self._keep_lease(), name="usage-writer-lease"),
            asyncio.create_task(self._drain_forever(), name="usage-writer"),
        ]
        try:
            # Neither ends by itself.
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                await cancel_and_wait(task)
            with suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await self._lease.release()

    async def _keep_lease(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._lease.seconds):
                    if self._lease.is_held:
                        await self._lease.renew()
                    length, oldest = await self._batches.backlog()
                self._backlog = (length, max(0, self._now_ms() - oldest) if oldest is not None else 0)
                self._metrics.waiting(*self._backlog)
            except Exception as error:
                # The draining task says what is wrong with Redis.
                log.debug("usage writer: cannot renew the lease: %s", error)
            await asyncio.sleep(self._lease.seconds / 5)

    async def _drain_forever(self) -> None:
        pause = _PAUSES[0]
        while True:
            try:
                if not await self._lease.acquire():
                    await asyncio.sleep(self._lease.seconds / 5)
                    continue
                await self._batches.prepare()
                self._distrusts = await self._batches.is_other_server()
                async for batch in self._batches.left_over():
                    await self._deliver(batch, is_repeated=True)
                if self._connected:
                    self._problem = ""
                while True:
                    pause = _PAUSES[0]
                    if gathered := await self._gather():
                        await self._deliver(gathered)
            except LeaseLost:
                log.warning("usage writer: another writer has taken over")
            except (RedisError, OSError) as error:
                self._problem = f"Redis: {error}"
                log.warning("usage writer: Redis fails (%s), trying again", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _PAUSES[1])
            except Exception as error:
                # A fault of ours must not stop the draining for good: starting over loses and doubles nothing.
                self._problem = f"{type(error).__name__}: {error}"
                log.exception("usage writer: starting over")
                await asyncio.sleep(_PAUSES[1])

    async def _gather(self) -> Batch | None:
        """Wait for entries, give them time for company, and make them pending."""
        if not self._is_behind:
            # Each look is a command that blocks by itself.
            while not await self._batches.wait(BLOCK_MS):
                pass
            await wait_for_flush_request(self._redis, self._linger)
        taken = 0
        while taken < self._batch_events and (more := await self._batches.take(self._batch_events - taken)):
            taken += more
        self._is_behind = taken >= self._batch_events
        return await self._batches.pending()

    async def _deliver(self, batch: Batch, *, is_repeated: bool = False) -> None:
        """Store a batch and settle it. Raises what Redis raises, and `LeaseLost`; then it is not settled."""
        if batch.missing:
            log.error("usage writer: %d entries were removed from the stream unsettled", batch.missing)
        doubtful = self._doubtful(batch)
        known = await self._stored(doubtful)
        repeated = [
            *(event for event in batch.events if known.get(event.event_id, event.created_at) != event.created_at),
            *(event for event in batch.repeated if known.get(event.event_id) != event.created_at),
        ]
        await self._complete_sums(batch.events, known)
        events = [event for event in batch.events if event.event_id not in known]
        dead = list(batch.dead)
        try:
            await self._insert(events, batch.token, is_repeated=is_repeated or bool(doubtful))
        except UsageRefused as error:
            log.error("usage writer: ClickHouse refuses a batch of %d events: %s", len(events), error)
            known = await self._stored(events)
            await self._complete_sums(events, known)
            dead += await self._insert_by_halves([event for event in events if event.event_id not in known])
        else:
            if self._distrusts and events and not known:
                self._distrusts = False
                await self._batches.trust_server()
        self._inserted_up_to = max(self._inserted_up_to, batch.span[1])
        if await self._batches.settle(batch, dead, repeated) and dead:
            log.error("usage writer: %d events went to the dead letters: %s", len(dead), dead[0].reason)
            self._metrics.dead_lettered(len(dead))

    def _doubtful(self, batch: Batch) -> Sequence[UsageEvent]:
        """The events that the table may have, though not by an insert of this very batch."""
        if self._distrusts or batch.span[0] <= self._inserted_up_to:
            return batch.events
        return [event for event in batch.events if event.event_id in batch.again]

    async def _stored(self, events: Sequence[UsageEvent]) -> Mapping[str, int]:
        if not events:
            return {}
        return await self._persist(lambda: stored(self._table, events))

    async def _complete_sums(self, events: Sequence[UsageEvent], known: Mapping[str, int]) -> None:
        """What is not inserted again may be in the log alone."""
        if known:
            stored_already = [event for event in events if event.event_id in known]
            await self._persist(lambda: complete(self._table, stored_already))

    async def _insert(self, events: Sequence[UsageEvent], token: str, *, is_repeated: bool = False) -> None:
        """Insert until ClickHouse gives a definite answer. Raises `UsageRefused` for one.

        `is_repeated`: the token may have been used before.
        """
        if not events:
            return
        attempts = 0

        async def attempt() -> None:
            nonlocal attempts
            attempts += 1
            await self._table.insert_async(events, token)

        started = time.monotonic()
        await self._persist(attempt)
        self._metrics.inserted(len(events), time.monotonic() - started)
        if (is_repeated or attempts > 1) and not self._table.is_on_cluster:
            await self._make_sure(events, token)

    async def _make_sure(self, events: Sequence[UsageEvent], token: str) -> None:
        """Store what ClickHouse remembers and does not have; of what its retention has removed, nothing is lost."""
        oldest = (self._table.first_day - EPOCH).days if self._table.first_day else 0
        kept = [event for event in events if event.day >= oldest]
        lost = await self._lacking(kept)
        for further in _further_tokens(token):
            if not lost:
                break
            log.warning("usage writer: ClickHouse lost %d events of an insert that was cut off", len(lost))
            await self._persist(partial(self._table.insert_async, lost, further))
            lost = await self._lacking(lost)
        if lost:
            log.error("usage writer: ClickHouse lacks %d events that it took", len(lost))
        await self._persist(lambda: complete(self._table, kept))

    async def _lacking(self, events: Sequence[UsageEvent]) -> list[UsageEvent]:
        known = await self._stored(events)
        return [event for event in events if event.event_id not in known]

    async def _insert_by_halves(self, events: Sequence[UsageEvent]) -> list[DeadLetter]:
        """Insert the events that ClickHouse takes; those it refuses, even alone, are returned."""
        try:
            await self._insert(events, _token(events), is_repeated=True)
        except UsageRefused as error:
            if len(events) == 1:
                return [DeadLetter(pack(events), str(error))]
            middle = len(events) // 2
            return [
                *await self._insert_by_halves(events[:middle]),
                *await self._insert_by_halves(events[middle:]),
            ]
        return []

    async def _persist(self, attempt: Callable[[], Awaitable[Result]]) -> Result:
        """Try until ClickHouse is there, as long as the lease is held. Raises `LeaseLost`, `UsageRefused`."""
        pause = _PAUSES[0]
        while True:
            if not self._lease.is_held and not await self._lease.renew():
                raise LeaseLost
            try:
                result = await attempt()
            except UsageTableUnavailable as error:
                self._found(False, str(error))
            else:
                self._found(True, "")
                return result
            await asyncio.sleep(pause)
            pause = min(pause * 2, _PAUSES[1])

    def _found(self, connected: bool, problem: str) -> None:
        if connected != self._connected or problem != self._problem:
            if not connected:
                log.error("usage writer: %s; the stream keeps the events meanwhile", problem)
            elif not self._connected:
                log.warning("usage writer: ClickHouse is back")
        self._connected, self._problem = connected, problem
        self._metrics.clickhouse_connected(connected)


def _further_tokens(token: str) -> Iterator[str]:
    """The same ones after each crash, which may have been used before; and at last one that never was."""
    for _ in range(_FURTHER_TOKENS):
        token = hashlib.sha256(token.encode()).hexdigest()
        yield token
    yield secrets.token_hex(16)


def _token(events: Sequence[UsageEvent]) -> str:
    return hashlib.sha256(" ".join(event.event_id for event in events).encode()).hexdigest()
