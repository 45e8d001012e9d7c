"""Repeating a statement until ClickHouse executes or refuses it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.redis.lease import Lease, LeaseLost
from gateway.usage.consumer.writer_state import WriterHealth
from gateway.usage.store.errors import UsageTableUnavailable

PAUSES = (0.1, 10.0)
"""Shortest and longest pause between attempts on ClickHouse or Redis, in seconds."""

Result = TypeVar("Result")


class ClickHouseRetry:
    """Repeats statements while the lease is held."""

    def __init__(self, lease: Lease, health: WriterHealth) -> None:
        self._lease = lease
        self._health = health

    async def run(self, statement: Callable[[], Awaitable[Result]]) -> Result:
        """Return the statement's result. Raises `LeaseLost`, and `UsageRefused` for refused content."""
        pause = PAUSES[0]
        while True:
            if not self._lease.is_held and not await self._lease.renew():
                raise LeaseLost
            try:
                result = await statement()
            except UsageTableUnavailable as error:
                self._health.clickhouse_failed(str(error))
            else:
                self._health.clickhouse_answered()
                return result
            await asyncio.sleep(pause)
            pause = min(pause * 2, PAUSES[1])
