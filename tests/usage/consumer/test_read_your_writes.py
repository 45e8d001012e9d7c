"""Read your writes: a reader waits for events from before its query only."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from gateway.redis import names as redis_names
from gateway.redis.client import connect
from gateway.usage.consumer.read_your_writes import request_flush, wait_for_flush_request, wait_until_stored
from tests.usage.support import gathering, until


async def test_a_reader_does_not_wait_without_a_stream_or_entries(redis: Redis) -> None:
    # True: nothing was left to wait for, however long it took to find that out.
    assert await wait_until_stored(redis, 30)
    entry = await redis.xadd(redis_names.USAGE, {"e": b""})
    await redis.xdel(redis_names.USAGE, entry)
    assert await wait_until_stored(redis, 30)


async def test_a_reader_waits_for_earlier_entries_and_not_for_later_ones(redis: Redis) -> None:
    entry = await redis.xadd(redis_names.USAGE, {"e": b""})

    async def flush_is_requested() -> bool:
        return bool(await redis.exists(redis_names.USAGE_FLUSH_REQUESTS))

    waiting = asyncio.create_task(wait_until_stored(redis, 30))
    await until(flush_is_requested)
    assert not waiting.done()
    await redis.xadd(redis_names.USAGE, {"e": b""})
    await redis.xdel(redis_names.USAGE, entry)
    assert await waiting


async def test_a_reader_waits_no_longer_than_its_patience(redis: Redis) -> None:
    await redis.xadd(redis_names.USAGE, {"e": b""})
    assert not await wait_until_stored(redis, 0.05)


async def test_a_flush_request_ends_the_wait_of_a_writer_and_expires(redis: Redis) -> None:
    waiting = asyncio.create_task(wait_for_flush_request(redis, 60))
    await gathering(redis)
    assert not waiting.done()
    await request_flush(redis)
    async with asyncio.timeout(30):
        await waiting
    await request_flush(redis)
    await request_flush(redis)
    # A request from before the wait counts, and counts once.
    async with asyncio.timeout(30):
        await wait_for_flush_request(redis, 60)
    assert await redis.exists(redis_names.USAGE_FLUSH_REQUESTS) == 0
    await request_flush(redis)
    assert 0 < await redis.pttl(redis_names.USAGE_FLUSH_REQUESTS) <= 1000


async def test_a_reader_does_not_wait_without_redis() -> None:
    client = connect("unix:///nonexistent/socket")
    assert not await wait_until_stored(client, 5)
    await client.aclose()
