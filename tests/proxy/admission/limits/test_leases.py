"""Busy keys: units that a worker takes ahead never add up to more than the limit, and are not lost."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from gateway.keys.limits import counter, owner_subject
from gateway.keys.record import OwnerPolicy
from gateway.redis import names as redis_names
from tests.proxy.admission.limits.workers import NOON, FixedTime, LimitWorker, count, key

CAP = 2000


async def consume_all(workers: list[LimitWorker], **limits: int) -> int:
    """Send more calls than the limit to all workers in turn, and return how many were admitted."""
    record = key(**limits)  # type: ignore[arg-type]
    admitted = [await workers[number % len(workers)].consume(record) is None for number in range(CAP + 400)]
    return sum(admitted)


async def test_a_busy_key_rarely_waits_for_redis(redis: Redis) -> None:
    worker = LimitWorker(redis)
    record = key(rate_limit_per_minute=100_000, calls_per_day=100_000)
    now = []
    for _ in range(1000):
        permit = worker.limiter.admit_call_now(record, "get")
        now.append(permit is not None)
        if permit is None:
            assert await worker.consume(record) is None
    assert now.count(False) < 40


@pytest.mark.parametrize("limit", ["rate_limit_per_minute", "calls_per_day"])
async def test_several_busy_workers_never_admit_more_than_the_limit_and_at_least_95_percent(
    redis: Redis, limit: str
) -> None:
    admitted = await consume_all([LimitWorker(redis) for _ in range(4)], **{limit: CAP})
    assert 0.95 * CAP <= admitted <= CAP


async def test_a_lease_ends_with_its_bucket_and_is_given_back(redis: Redis) -> None:
    time = FixedTime()
    worker = LimitWorker(redis, time)
    record = key(calls_per_day=CAP)
    for _ in range(20):
        assert await worker.consume(record) is None
    name = counter("key_1", "calls", "day", NOON // 1000)
    assert await count(redis, name) > 20
    time.seconds += 3
    assert worker.limiter.admit_call_now(record, "get") is None, "the lease has ended"
    worker.limiter.maintain()
    assert await worker.consume(key(key_id="key_2", calls_per_day=1)) is None
    assert await count(redis, name) == 20


async def test_a_worker_that_ends_gives_everything_back(redis: Redis) -> None:
    worker = LimitWorker(redis)
    record = key(rate_limit_per_minute=CAP, calls_per_month=CAP, records_per_day=10 * CAP, max_concurrent=CAP)
    for _ in range(20):
        assert await worker.consume(record) is None
        assert await worker.settle(record, 7) is None
    await worker.limiter.close()
    assert sum(map(int, await redis.hvals(redis_names.RATE_WINDOW + "key_1"))) == 20
    assert await count(redis, counter("key_1", "calls", "month", NOON // 1000)) == 20
    assert await count(redis, counter("key_1", "records", "day", NOON // 1000)) == 140
    assert await redis.zcard(redis_names.CALL_SLOTS + "key_1") == 0


async def test_a_lease_of_a_limit_that_was_lowered_is_not_used(redis: Redis) -> None:
    worker = LimitWorker(redis)
    for _ in range(20):
        assert await worker.consume(key(calls_per_day=CAP)) is None
    deny = await worker.consume(key(calls_per_day=20))
    assert deny is not None
    assert deny.reason == "calls"


async def test_a_key_that_is_not_busy_holds_nothing_ahead(redis: Redis) -> None:
    worker = LimitWorker(redis)
    record = key(records_per_day=1_000_000, calls_per_day=1_000_000)
    for _ in range(3):
        assert await worker.consume(record) is None
        assert await worker.settle(record, 1000) is None
    assert await count(redis, counter("key_1", "calls", "day", NOON // 1000)) == 3
    assert await count(redis, counter("key_1", "records", "day", NOON // 1000)) == 3000


async def test_records_are_settled_from_a_lease_without_exceeding_the_limit(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(3)]
    record = key(records_per_day=20_000)
    settled = [await workers[number % 3].settle(record, 10) is None for number in range(2200)]
    assert 0.95 * 2000 <= sum(settled) <= 2001


async def test_small_limits_are_exact_at_any_speed(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(4)]
    record = key(rate_limit_per_minute=100, calls_per_day=60)
    assert sum([await workers[number % 4].consume(record) is None for number in range(200)]) == 60


async def test_all_keys_of_an_owner_together_hold_a_small_share_of_its_pool_ahead(redis: Redis) -> None:
    worker = LimitWorker(redis)
    policy = OwnerPolicy(calls_per_day=CAP)
    keys = [key(policy, key_id=f"key_{number}") for number in range(12)]
    for _ in range(10):
        for one in keys:
            assert await worker.consume(one) is None
    pool = counter(owner_subject("ann"), "calls", "day", NOON // 1000)
    assert 120 < await count(redis, pool) <= 120 + CAP // 200


async def test_a_call_that_is_cancelled_gives_its_unit_back_to_the_lease_or_to_redis(redis: Redis) -> None:
    time = FixedTime()
    worker = LimitWorker(redis, time)
    record = key(calls_per_day=CAP)
    for _ in range(9):
        assert await worker.consume(record) is None
    during, after = (worker.limiter.admit_call_now(record, "get") for _ in range(2))
    assert during is not None
    assert after is not None
    during.cancel()
    time.seconds += 3
    worker.limiter.maintain()
    after.cancel()
    assert await worker.consume(key(key_id="key_2", calls_per_day=1)) is None
    assert await count(redis, counter("key_1", "calls", "day", NOON // 1000)) == 9
    worker.limiter.maintain()
    assert await worker.consume(key(key_id="key_3", calls_per_day=1)) is None
    assert await count(redis, counter("key_1", "calls", "month", NOON // 1000)) == 9
    assert await worker.consume(record) is None
    worker.limiter.maintain()
    assert await worker.consume(key(key_id="key_4", calls_per_day=1)) is None
    assert await count(redis, counter("key_1", "calls", "month", NOON // 1000)) == 10
