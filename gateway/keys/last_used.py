"""Batched writing of the times at which keys were last used."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.store import KeyStore

FLUSH_INTERVAL = 5.0
"""Seconds between two writes to Redis."""
MAX_PENDING = 100_000
"""Keys whose last use waits to be written; the use of a further key is not recorded."""

_log = logging.getLogger(__name__)


class LastUsedWriter:
    """Collects the last use of each key in memory and writes it to Redis every `FLUSH_INTERVAL` seconds."""

    def __init__(self, store: KeyStore, *, now_ms: Callable[[], int]) -> None:
        self._store = store
        self._now_ms = now_ms
        self._pending: dict[str, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the periodic flush."""
        self._task = asyncio.create_task(self._flush_periodically(), name="last-used writer")

    async def stop(self) -> None:
        """Stop the periodic flush and write what is pending."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        await self.flush()

    def record(self, key_id: str) -> None:
        """Record that a key is used now."""
        if key_id in self._pending or len(self._pending) < MAX_PENDING:
            self._pending[key_id] = self._now_ms()

    async def flush(self) -> None:
        """Write what is pending; if Redis is unavailable, keep it for the next flush."""
        pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            await self._store.record_last_used(pending)
        except (RedisError, OSError) as error:
            self._pending = pending | self._pending
            _log.warning("cannot write when keys were last used, will retry: %s", error)

    async def _flush_periodically(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_INTERVAL)
            await self.flush()
