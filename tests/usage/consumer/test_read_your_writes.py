"""A reader waits for what was there before its question, and not for more."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from gateway.redis import names as redis_names
from gateway.redis.client import connect
from gateway.usage.consumer.read_your_writes import request_flush, wait_for_flush_request, wait_until_stored


async def test_without_a_stream_or_entries_nothing_is_waited_for(redis: Redis) -> None:
    assert await wait_until_stored(redis, 0.1)
    entry = await redis.xadd(redis_names.USAGE, {"e": b""})
    await redis.xdel(redis_names.USAGE, entry)
    assert await wait_until_stored(redis, 0.1)


async def test_entries_of_before_are_waited_for_and_later_ones_not(redis: Redis) -> None:
    entry = await redis.xadd(redis_names.USAGE, {"e": b""})
    waiting = asyncio.create_task(wait_until_stored(redis, 5))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await redis.xadd(redis_names.USAGE, {"e": b""})
    await redis.xdel(redis_names.USAGE, entry)
    assert await waiting


async def test_patience_ends(redis: Redis) -> None:
    await redis.xadd(redis_names.USAGE, {"e": b""})
    assert not await wait_until_stored(redis, 0.05)


async def test_asking_ends_the_wait_of_a_writer_and_is_forgotten(redis: Redis) -> None:
    waiting = asyncio.create_task(wait_for_flush_request(redis, 60))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await request_flush(redis)
    async with asyncio.timeout(5):
        await waiting
    await request_flush(redis)
    await request_flush(redis)
    # One who asked before it waited counts, and counts once.
    async with asyncio.timeout(5):
        await wait_for_flush_request(redis, 60)
    assert await redis.exists(redis_names.USAGE_FLUSH_REQUESTS) == 0
    await request_flush(redis)
    assert 0 < await redis.pttl(redis_names.USAGE_FLUSH_REQUESTS) <= 1000


async def test_without_redis_there_is_nothing_to_wait_for() -> None:
    client = connect("unix:///nonexistent/socket")
    assert not await wait_until_stored(client, 5)
    await client.aclose()
