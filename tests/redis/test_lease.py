"""The lease: one holder at a time, and a lost lease must be acquired again."""

from __future__ import annotations

import redis.asyncio

from gateway.redis.lease import Lease


def lease(client: redis.asyncio.Redis, holder: str, seconds: float = 10) -> Lease:
    return Lease(client, "lease", holder, seconds)


async def test_one_holder_at_a_time(redis: redis.asyncio.Redis) -> None:
    first, second = lease(redis, "first"), lease(redis, "second")
    assert await first.acquire()
    assert not await second.acquire()
    assert (first.is_held, second.is_held) == (True, False)
    await first.release()
    assert await second.acquire()
    assert not await first.acquire()


async def test_the_holder_may_acquire_and_renew_again(redis: redis.asyncio.Redis) -> None:
    first = lease(redis, "first")
    assert await first.acquire()
    assert await first.acquire()
    assert await first.renew()


async def test_a_lost_lease_is_not_renewed(redis: redis.asyncio.Redis) -> None:
    first, second = lease(redis, "first"), lease(redis, "second")
    await first.acquire()
    await redis.delete("lease")
    assert not await first.renew()
    assert not first.is_held
    assert await second.acquire()
    assert not await first.renew()


async def test_a_release_does_not_take_the_lease_from_another(redis: redis.asyncio.Redis) -> None:
    first, second = lease(redis, "first"), lease(redis, "second")
    await second.acquire()
    await first.release()
    assert await second.renew()


async def test_the_lease_counts_from_before_its_request(redis: redis.asyncio.Redis) -> None:
    times = iter([100.0, 109.9, 110.0])
    first = Lease(redis, "lease", "first", 10, monotonic=lambda: next(times))
    await first.acquire()
    assert first.is_held
    assert not first.is_held


async def test_a_lease_that_is_not_renewed_expires(redis: redis.asyncio.Redis) -> None:
    await lease(redis, "first", seconds=0.001).acquire()
    assert await redis.pttl("lease") <= 1
