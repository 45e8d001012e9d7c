"""Pools of owners, uses that no limit covers, and uses while Redis is unavailable."""

from __future__ import annotations

from redis.asyncio import Redis

from gateway.keys.limits import counter
from gateway.keys.record import OwnerPolicy
from gateway.proxy.admission.limits.permit import Permit
from tests.proxy.admission.limits.workers import NOON, FixedTime, LimitWorker, close_workers, count, key
from tests.support.valkey import Valkey


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
