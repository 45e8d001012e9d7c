"""Read your writes: readers wait briefly until events from before their query are stored.

The writer gathers events for some seconds, since an insert costs ClickHouse about the same with one event or a
thousand. A waiting reader requests a flush, and the writer then stores immediately what it has.
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
from gateway.usage.consumer.batch import entry_order

PATIENCE = 0.5
"""Longest wait of a reader, in seconds; then it gets what is stored."""
_POLL_SECONDS = 0.02
_REQUEST_TTL_MS = 1000
"""Life of a flush request; its reader is gone after that."""
_MAX_POP_SECONDS = 1.0
"""Length of one blocking pop. It must be shorter than the client's reply time-out."""


async def wait_until_stored(redis: Redis, patience: float | None = None) -> bool:
    """Wait until all events that are in the usage stream now are stored. Return False if the time passes first.

    Later events are not waited for, so that a busy gateway does not delay its readers. If Redis or ClickHouse is
    unavailable, the reader loses at most `patience` seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (PATIENCE if patience is None else patience)
    try:
        async with asyncio.timeout_at(deadline):
            newest = await _stream_info(redis, "last-generated-id")
            if newest is None or await _is_stored(redis, newest):
                return True
            await request_flush(redis)
            # Redis has no command that waits until a stream becomes shorter. The deadline is checked here, too: on
            # Python 3.11, a command that completes in the same moment swallows the cancellation of the time-out.
            while loop.time() < deadline:
                if await _is_stored(redis, newest):
                    return True
                await asyncio.sleep(_POLL_SECONDS)
    except (RedisError, TimeoutError):
        return False
    return False


async def request_flush(redis: Redis) -> None:
    """Ask the writer to store what it has, without waiting for it. Raises what the Redis client raises."""
    async with redis.pipeline(transaction=True) as pipe:
        pipe.delete(redis_names.USAGE_FLUSH_REQUESTS)
        pipe.lpush(redis_names.USAGE_FLUSH_REQUESTS, 1)
        pipe.pexpire(redis_names.USAGE_FLUSH_REQUESTS, _REQUEST_TTL_MS)
        await pipe.execute()


async def wait_for_flush_request(redis: Redis, seconds: float) -> None:
    """Return when a reader requests a flush, or after `seconds`. Raises what the Redis client raises."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while (remaining := deadline - loop.time()) > 0:
        # For Redis a time-out of 0 is infinite. The client's own time-out may be shorter.
        with suppress(redis_exceptions.TimeoutError):
            timeout = max(0.01, min(remaining, _MAX_POP_SECONDS))
            if await cast(Awaitable[Any], redis.blpop([redis_names.USAGE_FLUSH_REQUESTS], timeout)):
                return


async def _is_stored(redis: Redis, entry_id: bytes) -> bool:
    oldest = await _stream_info(redis, "first-entry")
    return oldest is None or entry_order(oldest) > entry_order(entry_id)


async def _stream_info(redis: Redis, name: str) -> bytes | None:
    """Return an entry id of `XINFO STREAM`; `None` without a stream or an entry."""
    if not await redis.exists(redis_names.USAGE):
        return None
    info: Any = await redis.xinfo_stream(redis_names.USAGE)
    value = info[name]
    entry_id: bytes | None = value[0] if isinstance(value, (tuple, list)) else value
    return entry_id
