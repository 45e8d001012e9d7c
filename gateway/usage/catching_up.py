"""Reading what was just written: a reader waits, for a moment, until the events of before its question are stored."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway import redis_names

PATIENCE = 0.5
"""Seconds that a reader waits at most; then it is answered with what is there."""
_POLL = 0.02


async def until_stored(redis: Redis, patience: float = PATIENCE) -> bool:
    """Wait until every event that is in the usage stream now has left it; whether it did in time.

    Events that come meanwhile are not waited for, so a busy gateway does not slow its readers down. Where Redis or
    ClickHouse is away, the reader loses `patience` seconds and no more.
    """
    try:
        async with asyncio.timeout(patience):
            newest = await _edge(redis, "last-generated-id")
            while newest is not None:
                oldest = await _edge(redis, "first-entry")
                if oldest is None or _order(oldest) > _order(newest):
                    break
                await asyncio.sleep(_POLL)
    except (RedisError, TimeoutError):
        return False
    return True


async def _edge(redis: Redis, name: str) -> bytes | None:
    if not await redis.exists(redis_names.USAGE):
        return None
    about: Any = await redis.xinfo_stream(redis_names.USAGE)
    found = about[name]
    edge: bytes | None = found[0] if isinstance(found, (tuple, list)) else found
    return edge


def _order(entry_id: bytes) -> tuple[int, int]:
    time, _, number = entry_id.partition(b"-")
    return int(time), int(number)
