"""Batched writing of the last use of keys and their secrets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from redis.exceptions import RedisError

from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.storage.last_uses import KeyUse, LastUses

FLUSH_INTERVAL = 5.0
"""Seconds between two writes to Redis."""
MAX_PENDING = 100_000
"""Secrets whose last use waits to be written; the use of a further one is not recorded."""

_log = logging.getLogger(__name__)


class LastUsedWriter:
    """Collects the last use of each secret in memory and writes it to Redis every `FLUSH_INTERVAL` seconds."""

    def __init__(self, last_uses: LastUses, *, now_ms: Callable[[], int]) -> None:
        self._last_uses = last_uses
        self._now_ms = now_ms
        self._pending: dict[str, tuple[str, int, str, str]] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the periodic flush."""
        self._task = asyncio.create_task(self._flush_periodically(), name="last-used writer")

    async def stop(self) -> None:
        """Stop the periodic flush and write what is pending."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        await self.flush()

    def record(self, digest: str, key_id: str, client: str, address: str) -> None:
        """Record that a client at this address uses a key now, with the secret that has this digest."""
        if digest in self._pending or len(self._pending) < MAX_PENDING:
            # This runs for each call: a plain tuple is made faster than a `KeyUse`.
            self._pending[digest] = (key_id, self._now_ms(), client, address)

    async def flush(self) -> None:
        """Write what is pending; if Redis is unavailable, keep it for the next flush."""
        pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            await self._last_uses.record({digest: KeyUse(*use) for digest, use in pending.items()})
        except (RedisError, OSError) as error:
            self._pending = pending | self._pending
            _log.warning("cannot write when keys were last used, will retry: %s", error)

    async def _flush_periodically(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_INTERVAL)
            await self.flush()
