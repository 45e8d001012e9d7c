"""The writer: every event in the table exactly once, whatever is cut off when."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import redis.asyncio

from gateway.usage.stream import UsageStream
from gateway.usage.table import UsageTable
from tests.usage.support import Running, drained, event, ids, logged, rolled_up


async def test_appended_events_reach_the_table(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Callable[..., Running]
) -> None:
    events = [event() for _ in range(100)]
    await asyncio.gather(*(stream.append(one) for one in events))
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (100, 2000)
