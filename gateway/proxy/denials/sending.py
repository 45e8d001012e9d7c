"""Adds the counts of refused requests to the usage stream.

- A refused request costs no round trip: counts are sent every `SEND_SECONDS`, when there is no room for more, and when
  the worker stops.
- Counts that could not be sent are sent again, unchanged, before newer ones. Each has an id, by which readers count it
  once although Redis may have it twice.
- A worker that is killed loses the counts of the last `SEND_SECONDS`, and those of an outage of Redis.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.record import KeyRecord
from gateway.proxy.admission.rejections import Deny
from gateway.proxy.clock import Clock
from gateway.proxy.denials.counts import DenialCounts
from gateway.redis import names as redis_names
from gateway.usage.denial_count import STREAM_FIELD, DenialCount, pack

SEND_SECONDS = 2.0
REPLY_TIMEOUT = 2.0
"""Seconds within which Redis must reply."""
_COUNTED = frozenset({403, 429})

log = logging.getLogger(__name__)


class Denials:
    """Counts the requests that one worker refuses."""

    def __init__(self, redis: Redis, clock: Clock, counts: DenialCounts, gateway_id: str) -> None:
        self._redis = redis
        self._now_ms = clock.now_ms
        self._counts = counts
        self._gateway_id = gateway_id
        self._unsent: tuple[DenialCount, ...] = ()
        """Counts that Redis has not acknowledged."""
        self._is_full = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def count(self, deny: Deny, key: KeyRecord | None, tool: str) -> None:
        """Count a rejection if its status is 403 or 429; `tool` is empty for a request that calls none."""
        if deny.status in _COUNTED:
            self._counts.add(key, tool, deny, self._now_ms())
            if self._counts.is_full:
                self._is_full.set()

    def start(self) -> None:
        """Start the task that sends the counts. Redis may be down."""
        self._task = asyncio.create_task(self._run(), name="denials")

    async def close(self) -> None:
        """Send the remaining counts. If Redis is unavailable, they are lost."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        is_sent = await self.send() and await self.send()
        if not is_sent:
            log.warning("the counts of refused requests of the last seconds are lost: Redis is unavailable")

    async def send(self) -> bool:
        """Send counts: those that could not be sent before, or else those since then. Return False if that failed."""
        self._unsent = self._unsent or self._counts.take(self._gateway_id)
        if not self._unsent:
            return True
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                await self._redis.xadd(redis_names.USAGE, {STREAM_FIELD: pack(self._unsent)})
        except (RedisError, OSError) as error:
            log.debug("counts of refused requests were not sent: %s", error)
            return False
        self._unsent = ()
        return True

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SEND_SECONDS):
                    await self._is_full.wait()
            self._is_full.clear()
            try:
                is_sent = await self.send()
            except Exception:
                log.exception("the counts of refused requests were not sent")
                is_sent = False
            if not is_sent:
                await asyncio.sleep(SEND_SECONDS)
