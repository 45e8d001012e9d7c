"""Busy keys: units that a worker takes ahead never add up to more than the limit, and are not lost."""

from __future__ import annotations

from typing import cast

import pytest
from redis.asyncio import Redis

from gateway.keys.limits import DAY, counter
from gateway.keys.record import OwnerPolicy
from gateway.proxy.admission.limits.permit import Permit
from gateway.redis import names as redis_names
from tests.proxy.admission.limits.workers import NOON, FixedTime, LimitWorker, close_workers, key
from tests.support.valkey import Valkey

CAP = 2000


async def count(redis: Redis, name: str) -> int:
    """Return a counter."""
    return int(await redis.get(name) or 0)


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


async def test_records_are_settled_from_a_lease_without_exceeding_the_limit(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(3)]
    record = key(records_per_day=20_000)
    settled = [await workers[number % 3].settle(record, 10) is None for number in range(2200)]
    assert 0.95 * 2000 <= sum(settled) <= 2001


async def test_small_limits_are_exact_at_any_speed(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(4)]
    record = key(rate_limit_per_minute=100, calls_per_day=60)
    assert sum([await workers[number % 4].consume(record) is None for number in range(200)]) == 60


# Pools and uses without a limit.


async def test_keys_of_an_owner_share_the_pool_of_its_policy(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(2)]
    policy = OwnerPolicy(calls_per_day=5, rate_limit_per_minute=100)
    keys = [key(policy, key_id=f"key_{number}", calls_per_day=4) for number in range(3)]
    admitted = [await workers[number % 2].consume(keys[number % 3]) is None for number in range(12)]
    assert sum(admitted) == 5
    deny = await workers[0].consume(keys[0])
    assert deny is not None
    assert "The owner of this API key has used up the limit of 5 tool calls a day for all keys" in deny.message
    other = key(policy, key_id="key_9", calls_per_day=4)
    assert await workers[0].consume(other) is not None


async def test_a_limit_counts_what_was_used_before_it_was_set(redis: Redis) -> None:
    worker = LimitWorker(redis)
    for _ in range(3):
        assert await worker.consume(key()) is None
        worker.limiter.count_records("key_1", 10)
    assert await worker.consume(key(), requests=2, tools=()) is None
    worker.limiter.maintain()
    for limits, left in (
        ({"rate_limit_per_minute": 6}, 1),
        ({"calls_per_day": 4}, 1),
        ({"calls_per_month": 4}, 1),
        ({"records_per_day": 31}, 1),
        ({"records_per_month": 30}, 0),
    ):
        for record in (key(**limits), key(OwnerPolicy(**limits), key_id="key_2")):  # type: ignore[arg-type]
            outcome = await worker.admit(record)
            assert isinstance(outcome, Permit) == bool(left), limits
            if isinstance(outcome, Permit):
                outcome.cancel()


async def test_what_was_admitted_without_a_check_is_counted_when_redis_is_available_again(valkey: Valkey) -> None:
    time = FixedTime()
    async with Redis.from_url(valkey.url) as redis:
        worker = LimitWorker(redis, time, allows_unchecked=True)
        limited = key(calls_per_day=5, records_per_day=50)
        assert await worker.consume(limited) is None
        valkey.kill()
        assert [await worker.consume(limited) for _ in range(9)] == [None] * 9
        assert await worker.settle(limited, 70) is None
        worker.limiter.maintain()
        valkey.start()
        time.seconds += 1
        worker.limiter.maintain()
        deny = await worker.consume(limited)
        assert deny is not None
        assert deny.reason in ("calls", "records")
        assert await count(redis, counter("key_1", "calls", "day", NOON // 1000)) == 10
        assert await count(redis, counter("key_1", "records", "day", NOON // 1000)) == 70
        await close_workers()


async def test_a_key_with_limits_is_refused_while_redis_is_unavailable(redis: Redis) -> None:
    away = LimitWorker(Redis(unix_socket_path="/nonexistent"))
    deny = await away.consume(key(calls_per_day=5))
    assert deny is not None
    assert (deny.status, deny.reason) == (503, "redis")
    assert await away.consume(key()) is None
    assert await away.settle(key(records_per_day=5), 7) is None, "a result that was fetched is sent"


# Slots.


async def test_no_more_calls_than_the_limit_are_in_flight_on_all_workers(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(3)]
    record = key(max_concurrent=4)
    outcomes = [await workers[number % 3].admit(record) for number in range(9)]
    permits = [outcome for outcome in outcomes if isinstance(outcome, Permit)]
    assert len(permits) == 4
    deny = await workers[0].consume(record)
    assert deny is not None
    assert (deny.status, deny.reason, deny.retry_after) == (429, "concurrency", 1)
    assert "limit of 4 calls at the same time" in deny.message
    assert await workers[0].consume(record, tools=()) is None, "only calls hold slots"
    permits[0].release()
    permits[0].release()
    assert isinstance(await workers[1].admit(record), Permit)
    assert await workers[1].consume(record) is not None


async def test_a_batch_holds_a_slot_for_each_of_its_calls(redis: Redis) -> None:
    worker = LimitWorker(redis)
    record = key(OwnerPolicy(max_concurrent=3), max_concurrent=5)
    batch = await worker.admit(record, requests=2, tools=["a", "b"])
    assert isinstance(batch, Permit)
    assert len(batch.slots) == 4, "of the key and of its owner"
    assert await worker.consume(record, requests=2, tools=["a", "b"]) is not None
    batch.release()
    assert await worker.consume(record, requests=3, tools=["a", "b", "c"]) is None


async def test_slots_of_a_dead_worker_are_free_after_their_deadline_and_those_of_a_living_one_are_renewed(
    redis: Redis,
) -> None:
    dead, living = LimitWorker(redis), LimitWorker(redis)
    record = key(max_concurrent=2)
    assert isinstance(await dead.admit(record), Permit)
    assert isinstance(await living.admit(record), Permit)
    name = redis_names.CALL_SLOTS + "key_1"
    await age(redis, name, 19_000)
    living.limiter.maintain(renews=True)
    assert await living.consume(record) is not None
    await age(redis, name, 2_000)
    assert await living.consume(record) is None
    assert await redis.zcard(name) == 1


async def age(redis: Redis, name: str, ms: int) -> None:
    """Make all slots appear to be older."""
    for slot in await redis.zrange(name, 0, -1):
        await redis.zincrby(name, -ms, cast(bytes, slot))


async def test_a_lent_slot_is_held_while_its_call_is_pending_whoever_releases_it(redis: Redis) -> None:
    lender, other = LimitWorker(redis), LimitWorker(redis)
    record = key(max_concurrent=1)
    permit = await lender.admit(record)
    assert isinstance(permit, Permit)
    slots = permit.pop_slots()
    await redis.set("{mcpgw}:pending", 1)
    lender.limiter.lend_slots(slots, "{mcpgw}:pending")
    permit.release()
    lender.limiter.maintain(renews=True)
    assert await other.consume(record) is not None
    other.limiter.release_lent_slots(slots)
    assert await other.consume(record) is None
    permit = await lender.admit(record)
    assert isinstance(permit, Permit)
    lender.limiter.lend_slots(permit.pop_slots(), "{mcpgw}:pending")
    await redis.delete("{mcpgw}:pending")
    lender.limiter.maintain(renews=True)
    assert await lender.consume(record) is None, "the call is no longer pending"


# What a client and an operator are told.


async def test_headers_name_the_limit_with_the_smallest_share_left(redis: Redis) -> None:
    time = FixedTime()
    worker = LimitWorker(redis, time)
    record = key(rate_limit_per_minute=10, calls_per_day=4)
    permit = await worker.admit(record)
    assert isinstance(permit, Permit)
    resets = DAY - time.ms // 1000 % DAY
    assert permit.header_lines.decode().split("\r\n") == [
        'RateLimit-Policy: "calls_per_day";q=4;w=86400',
        f'RateLimit: "calls_per_day";r=3;t={resets}',
        "",
    ]
    permit = await worker.admit(key(OwnerPolicy(rate_limit_per_minute=5), rate_limit_per_minute=100))
    assert isinstance(permit, Permit)
    assert permit.header_lines.startswith(b'RateLimit-Policy: "owner-rate_limit_per_minute";q=5;w=60\r\n')
    assert await worker.consume(record) is None
    assert await worker.consume(record) is None
    worker.limiter.maintain()
    deny = await worker.consume(key(calls_per_month=1))
    assert deny is not None
    policy, left, _ = deny.header_lines.split(b"\r\n")
    assert policy == b'RateLimit-Policy: "calls_per_month";q=1;w=2678400'
    assert left.startswith(b'RateLimit: "calls_per_month";r=0;t=')


async def test_admitted_and_refused_requests_are_counted_by_limit(redis: Redis) -> None:
    worker = LimitWorker(redis)
    record = key(OwnerPolicy(calls_per_month=50), calls_per_day=3, max_concurrent=50)
    for _ in range(5):
        await worker.consume(record)
    worker.limiter.maintain()
    assert worker.metrics.limit_checks == {
        ("calls_per_day", "key", "admitted"): 3,
        ("calls_per_day", "key", "refused"): 2,
        ("calls_per_month", "owner", "admitted"): 3,
        ("max_concurrent", "key", "admitted"): 3,
    }
