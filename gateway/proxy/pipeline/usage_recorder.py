"""Records the usage events of inspected responses."""

from __future__ import annotations

import asyncio

from gateway.proxy.accounting.response_inspection import Inspection
from gateway.proxy.admission.limits.limiter import Limiter
from gateway.usage.producer.stream import UsageStream


class UsageRecorder:
    """Appends usage events to the usage stream."""

    def __init__(self, usage: UsageStream, limiter: Limiter) -> None:
        self._usage = usage
        self._limiter = limiter

    async def record(self, inspection: Inspection) -> None:
        """Record the events of an inspection; return when they are durable. Raises `SpoolFull` if they cannot be."""
        # Another worker may have taken the same response before, and died after it had recorded the event.
        possibly_duplicate = bool(inspection.taken)
        for event in inspection.events:
            self._limiter.count_records(event.key_id, event.record_count)
        if len(inspection.events) == 1:
            await self._usage.submit(inspection.events[0], possibly_duplicate=possibly_duplicate)
        else:
            await asyncio.gather(
                *(self._usage.submit(event, possibly_duplicate=possibly_duplicate) for event in inspection.events)
            )
