"""The usage writer: drains the usage stream into ClickHouse, each event exactly once.

| state | until | then |
| --- | --- | --- |
| standby | the lease is acquired | recovering |
| recovering | the pending set of every consumer is inserted and acknowledged | draining |
| draining: waiting | the stream has entries | gathering |
| draining: gathering | `linger_seconds` passed, or a reader requests a flush | delivering |
| draining: delivering | it is inserted, then acknowledged (`insert_then_ack`) | waiting; gathering after a full batch |
| any | the lease is lost | standby |
| any | Redis is unavailable, or an unexpected error occurs | standby, after a pause |

Rules:
- One batch is outstanding: it is read, inserted, acknowledged, and only then the next one is read.
- Of several writers on one Redis, the one with the lease drains.
- ClickHouse is unavailable: the same batch is repeated under the same token, with growing pauses and without an end.
  Nothing else is read meanwhile; the stream holds it.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress

import msgspec
import redis.asyncio
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.redis import names as redis_names
from gateway.redis.lease import Lease, LeaseLost
from gateway.timestamps import now_ms
from gateway.usage.consumer.batch import Batch
from gateway.usage.consumer.clickhouse_retry import PAUSES, ClickHouseRetry
from gateway.usage.consumer.exactly_once_insert import ExactlyOnceInsert
from gateway.usage.consumer.insert_then_ack import BatchDelivery
from gateway.usage.consumer.log_insert import LogInsert
from gateway.usage.consumer.read_your_writes import wait_for_flush_request
from gateway.usage.consumer.stream_consumer import StreamConsumer
from gateway.usage.consumer.writer_state import WriterHealth, WriterState
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.store.table import UsageTable

BATCH_EVENTS = 10_000
LINGER_SECONDS = 5.0
"""Time that a batch gathers further events after its first one, unless a reader requests a flush."""
LEASE_SECONDS = 5.0
BLOCK_MS = 1000
"""Length of one blocking read. It must be shorter than the client's reply time-out."""

log = logging.getLogger(__name__)


class WriterSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a writer."""

    batch_events: int = BATCH_EVENTS
    linger_seconds: float = LINGER_SECONDS
    lease_seconds: float = LEASE_SECONDS


class UsageWriter:
    """Moves usage events from Redis to ClickHouse. Run one in each admin process."""

    def __init__(
        self,
        redis: redis.asyncio.Redis,
        table: UsageTable,
        settings: WriterSettings | None = None,
        *,
        metrics: UsageMetricsSink | None = None,
        now_ms: Callable[[], int] = now_ms,
    ) -> None:
        """`redis` needs three free connections, one of which blocks for up to `BLOCK_MS`."""
        self._settings = settings or WriterSettings()
        self._metrics = metrics or UsageMetricsSink()
        holder = secrets.token_hex(8)
        self._redis = redis
        self._now_ms = now_ms
        self._health = WriterHealth(self._metrics)
        self._lease = Lease(redis, redis_names.USAGE_LEASE, holder, self._settings.lease_seconds)
        self._consumer = StreamConsumer(redis, holder)
        retry = ClickHouseRetry(self._lease, self._health)
        inserter = ExactlyOnceInsert(table, retry, self._metrics)
        self._delivery = BatchDelivery(self._consumer, inserter, LogInsert(table, retry), self._metrics)
        self._last_batch_was_full = False

    @property
    def state(self) -> WriterState:
        return WriterState(self._lease.is_held, self._health.connected, self._health.problem)

    async def run(self) -> None:
        """Drain until cancelled. An interrupted batch is repeated unchanged by the next writer."""
        tasks = [
            asyncio.create_task(self._keep_lease(), name="usage-writer-lease"),
            asyncio.create_task(self._drain(), name="usage-writer"),
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
        """Renew the lease and measure the backlog, periodically."""
        while True:
            try:
                async with asyncio.timeout(self._lease.seconds):
                    if self._lease.is_held:
                        await self._lease.renew()
                    length, oldest = await self._consumer.backlog()
                self._metrics.waiting(length, max(0, self._now_ms() - oldest) if oldest is not None else 0)
            except (RedisError, OSError) as error:
                # The draining task reports errors of Redis.
                log.debug("usage writer: cannot renew the lease: %s", error)
            except Exception:
                log.exception("usage writer: cannot renew the lease")
            await asyncio.sleep(self._lease.seconds / 5)

    async def _drain(self) -> None:
        pause = PAUSES[0]
        while True:
            try:
                if not await self._lease.acquire():
                    await asyncio.sleep(self._lease.seconds / 5)
                    continue
                await self._recover()
                while True:
                    pause = PAUSES[0]
                    if batch := await self._gather():
                        await self._delivery.insert_then_ack(batch)
            except LeaseLost:
                log.warning("usage writer: another writer has taken over")
            except (RedisError, OSError) as error:
                self._health.failed(f"Redis: {error}")
                log.warning("usage writer: Redis is unavailable (%s), trying again", error)
                await asyncio.sleep(pause)
                pause = min(pause * 2, PAUSES[1])
            except Exception as error:
                # Starting over neither loses nor duplicates events; ending would stop the draining.
                self._health.failed(f"{type(error).__name__}: {error}")
                log.exception("usage writer: unexpected error, starting over")
                await asyncio.sleep(PAUSES[1])

    async def _recover(self) -> None:
        """Deliver the batches that earlier writers left pending."""
        await self._consumer.create_group()
        self._delivery.redis_may_redeliver = await self._consumer.is_other_server()
        async for batch in self._consumer.pending_of_all():
            await self._delivery.insert_then_ack(batch, is_recovered=True)
        self._health.recovered()

    async def _gather(self) -> Batch | None:
        """Wait for entries, let further ones join them, and make them pending."""
        if not self._last_batch_was_full:
            while not await self._consumer.wait_for_entries(BLOCK_MS):
                pass
            await wait_for_flush_request(self._redis, self._settings.linger_seconds)
        limit, taken = self._settings.batch_events, 0
        while taken < limit and (weight := await self._consumer.take(limit - taken)):
            taken += weight
        self._last_batch_was_full = taken >= limit
        return await self._consumer.pending()
