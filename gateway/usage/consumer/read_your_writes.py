"""Reading what was just written: a reader waits, for a moment, until the events of before its question are stored.

The writer gathers events for some seconds, since every insert costs ClickHouse much the same whether it has one event
or a thousand. Who waits says so (`request_flush`), and the writer then stores at once what there is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, cast

from redis import exceptions as redis_exceptions
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.redis import names as redis_names

PATIENCE = 0.5
"""Seconds that a reader waits at most; then it is answered with what is there."""
_POLL = 0.02
_WANTED_MS = 1000
"""After that, whoever asked has gone."""
_LONGEST_POP = 1.0
"""Seconds; less than the client gives an answer."""


async def wait_until_stored(redis: Redis, patience: float = PATIENCE) -> bool:
    """Wait until every event that is in the usage stream now has left it; whether it did in time.

    Events that come meanwhile are not waited for, so a busy gateway does not slow its readers down. Where Redis or
    ClickHouse is away, the reader loses `patience` seconds and no more.
    """
    try:
        async with asyncio.timeout(patience):
            newest = await _edge(redis, "last-generated-id")
            if newest is None or await _is_stored(redis, newest):
                return True
            await request_flush(redis)
            # Each look is a command of its own: the stream cannot be waited on for becoming shorter.
            while not await _is_stored(redis, newest):  # noqa: ASYNC110
                await asyncio.sleep(_POLL)
    except (RedisError, TimeoutError):
        return False
    return True


async def request_flush(redis: Redis) -> None:
    """Have the writer store what there is. Raises what the Redis client raises."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.delete(redis_names.USAGE_FLUSH_REQUESTS)
        pipe.lpush(redis_names.USAGE_FLUSH_REQUESTS, 1)
        pipe.pexpire(redis_names.USAGE_FLUSH_REQUESTS, _WANTED_MS)
        await pipe.execute()


async def wait_for_flush_request(redis: Redis, seconds: float) -> None:
    """For the writer: return when somebody asks, or after the time. Raises what the Redis client raises."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while (rest := deadline - loop.time()) > 0:
        # Redis takes a time-out of 0 for one without end. Where the client's own is shorter, that is an answer too.
        with suppress(redis_exceptions.TimeoutError):
            if await cast(
                Awaitable[Any], redis.blpop([redis_names.USAGE_FLUSH_REQUESTS], max(0.01, min(rest, _LONGEST_POP)))
            ):
                return


async def _is_stored(redis: Redis, entry_id: bytes) -> bool:
    oldest = await _edge(redis, "first-entry")
    return oldest is None or _order(oldest) > _order(entry_id)


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
