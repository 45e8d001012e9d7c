"""Records the usage events of inspected responses."""

from __future__ import annotations

import asyncio
import logging

from redis.exceptions import RedisError

from gateway.proxy.accounting.response_inspection import Inspection
from gateway.proxy.admission.limits import Limits
from gateway.usage.producer.stream import UsageStream

log = logging.getLogger(__name__)


class UsageRecorder:
    """Appends usage events to the usage stream, and adds records to the daily limits of keys."""

    def __init__(self, usage: UsageStream, limits: Limits) -> None:
        self._usage = usage
        self._limits = limits

    async def record(self, inspection: Inspection) -> None:
        """Record the events of an inspection; return when they are durable. Raises `SpoolFull` if they cannot be."""
        # Another worker may have taken the same response before, and died after it had recorded the event.
        possibly_duplicate = bool(inspection.taken)
        if len(inspection.events) == 1:
            await self._usage.submit(inspection.events[0], possibly_duplicate=possibly_duplicate)
        else:
            await asyncio.gather(
                *(self._usage.submit(event, possibly_duplicate=possibly_duplicate) for event in inspection.events)
            )
        try:
            for key_id, records in inspection.quota_records.items():
                await self._limits.consume_records(key_id, records)
        except RedisError:
            log.warning("records of a call were not added to the daily limit of its key: Redis is unavailable")
