"""The delivery of one batch: insert it into ClickHouse, and acknowledge it in Redis after that.

A batch is acknowledged only when ClickHouse has acknowledged its insert, and each event that it refused is in the same
command moved to the dead letters. A crash between the two repeats the insert under the same token, which adds nothing.

Events are looked up before the insert if an earlier batch may have stored them:
- Redis was restarted or replaced (another run id), and may have lost acknowledgements: all batches are looked up, until
  none of a batch's events is found. Redelivered entries are at the beginning of the stream.
- The batch has entry ids that were acknowledged before: all of its events are looked up.
- An entry is marked as possibly duplicate, for example by the replay of a spool: its events are looked up.

Only the events that the table lacks are inserted. The sums of the others are completed (`roll_up`).

A batch also has rows of other logs (audit entries, counts of denials). They are inserted after the events, and
acknowledged with them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from gateway.usage.consumer.batch import Batch
from gateway.usage.consumer.exactly_once_insert import ExactlyOnceInsert
from gateway.usage.consumer.log_insert import LogInsert
from gateway.usage.consumer.stream_consumer import StreamConsumer
from gateway.usage.event import UsageEvent
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.store.errors import UsageRefused

log = logging.getLogger(__name__)


class BatchDelivery:
    """Inserts and acknowledges batches, one after another."""

    def __init__(
        self, consumer: StreamConsumer, inserter: ExactlyOnceInsert, logs: LogInsert, metrics: UsageMetricsSink
    ) -> None:
        self._consumer = consumer
        self._inserter = inserter
        self._logs = logs
        self._metrics = metrics
        self.redis_may_redeliver = True
        """True if Redis may have lost acknowledgements, and may therefore deliver stored events again."""
        self._inserted_up_to = (0, 0)
        """The newest entry whose events are known to be in the table."""

    async def insert_then_ack(self, batch: Batch, *, is_recovered: bool = False) -> None:
        """Store a batch, then acknowledge it. If this raises, it is not acknowledged.

        `is_recovered`: an earlier writer left it pending, and may have inserted it. Raises `LeaseLost`, and what the
        Redis client raises.
        """
        if batch.deleted_entries:
            log.error("usage writer: %d entries were deleted before they were stored", batch.deleted_entries)
        may_be_stored = is_recovered or self._is_redelivered(batch)
        suspects = self._possibly_stored(batch)
        stored = await self._inserter.find_stored(suspects)
        duplicates = [
            *(event for event in batch.events if stored.get(event.event_id, event.created_at) != event.created_at),
            *(event for event in batch.duplicates if stored.get(event.event_id) != event.created_at),
        ]
        await self._inserter.complete_sums([event for event in batch.events if event.event_id in stored])
        events = [event for event in batch.events if event.event_id not in stored]
        rejected = list(batch.rejected)
        try:
            await self._inserter.insert(events, batch.token, is_retry=is_recovered or bool(suspects))
        except UsageRefused as error:
            log.error("usage writer: ClickHouse refuses a batch of %d events: %s", len(events), error)
            stored = await self._inserter.find_stored(events)
            await self._inserter.complete_sums([event for event in events if event.event_id in stored])
            rejected += await self._inserter.insert_by_halves([one for one in events if one.event_id not in stored])
        else:
            if self.redis_may_redeliver and events and not stored:
                self.redis_may_redeliver = False
                await self._consumer.trust_server()
        for one in batch.logs:
            rejected += await self._logs.insert(one, batch.token, may_be_stored=may_be_stored)
        self._inserted_up_to = max(self._inserted_up_to, batch.span[1])
        if await self._consumer.ack(batch, rejected, duplicates) and rejected:
            log.error("usage writer: %d events went to the dead letters: %s", len(rejected), rejected[0].reason)
            self._metrics.dead_lettered(len(rejected))

    def _possibly_stored(self, batch: Batch) -> Sequence[UsageEvent]:
        """Return the events that an earlier batch may have stored."""
        if self._is_redelivered(batch):
            return batch.events
        return [event for event in batch.events if event.event_id in batch.possibly_duplicate_ids]

    def _is_redelivered(self, batch: Batch) -> bool:
        """Return True if Redis may have lost the acknowledgement of entries of the batch."""
        return self.redis_may_redeliver or batch.span[0] <= self._inserted_up_to
