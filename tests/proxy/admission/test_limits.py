"""Limits of keys, and when they reset."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.keys.record import KeyRecord
from gateway.proxy.admission.limits import Limits
from gateway.redis import names as redis_names

NOON = 1_780_000_020_000
"""A time 20 s into a minute."""


class FixedTime:
    """A wall clock that a test sets."""

    def __init__(self) -> None:
        self.ms = NOON

    def now_ms(self) -> int:
        return self.ms


def key(**limits: Any) -> KeyRecord:
    return KeyRecord(key_id="key_1", key_name="k", key_prefix="sk-", owner="ann", created_at=0, **limits)


async def test_a_key_without_limits_never_asks_redis() -> None:
    unreachable = Redis(unix_socket_path="/nonexistent")
    assert await Limits(unreachable, now_ms=FixedTime().now_ms).consume(key(), requests=1, calls=1) is None


async def test_at_most_the_limit_is_admitted_in_any_minute(redis: Redis) -> None:
    limits = Limits(redis, now_ms=FixedTime().now_ms)
    limited = key(rate_limit_per_minute=2)
    assert [await limits.consume(limited, requests=1, calls=0) for _ in range(2)] == [None, None]
    deny = await limits.consume(limited, requests=1, calls=0)
    assert deny is not None
    assert (deny.status, deny.reason) == (429, "rate")
    assert deny.retry_after is not None
    assert 58 <= deny.retry_after <= 64
    await move_window(redis, -58)
    assert await limits.consume(limited, requests=1, calls=0) is not None
    await move_window(redis, -4)
    assert await limits.consume(limited, requests=1, calls=0) is None


async def move_window(redis: Redis, seconds: int) -> None:
    """Make the requests of `key` appear to be older by -`seconds`, an even number."""
    name = redis_names.RATE_WINDOW + "key_1"
    buckets = await redis.hgetall(name)
    await redis.delete(name)
    if buckets:
        await redis.hset(name, mapping={int(bucket) + seconds // 2: count for bucket, count in buckets.items()})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 20),
    steps=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), min_size=1, max_size=60),
)
def test_no_minute_of_random_requests_has_more_than_the_limit(
    valkey_url: str, limit: int, steps: list[tuple[int, int]]
) -> None:
    async def play() -> list[tuple[int, int]]:
        async with Redis.from_url(valkey_url) as redis:
            await redis.flushall()
            limits = Limits(redis, now_ms=FixedTime().now_ms)
            time, admitted = 0, []
            for pause, cost in steps:
                # Whole buckets, so that requests are as far apart as their buckets.
                await move_window(redis, -2 * pause)
                time += 2 * pause
                if await limits.consume(key(rate_limit_per_minute=limit), requests=cost, calls=0) is None:
                    admitted.append((time, cost))
            return admitted

    admitted = asyncio.run(play())
    for start, _ in admitted:
        assert sum(cost for time, cost in admitted if start <= time < start + 60) <= limit


async def test_many_workers_together_consume_exactly_the_limit(redis: Redis) -> None:
    workers = [Limits(redis, now_ms=FixedTime().now_ms) for _ in range(5)]
    limited = key(calls_per_day=7)
    responses = await asyncio.gather(*(workers[n % 5].consume(limited, requests=1, calls=1) for n in range(50)))
    assert responses.count(None) == 7


async def test_a_batch_consumes_all_of_its_calls_or_none(redis: Redis) -> None:
    limits = Limits(redis, now_ms=FixedTime().now_ms)
    limited = key(calls_per_day=3)
    assert await limits.consume(limited, requests=2, calls=2) is None
    assert await limits.consume(limited, requests=2, calls=2) is not None
    assert await limits.consume(limited, requests=1, calls=1) is None


async def test_a_request_rejected_by_one_limit_consumes_nothing_of_another(redis: Redis) -> None:
    limits = Limits(redis, now_ms=FixedTime().now_ms)
    assert await limits.consume(key(rate_limit_per_minute=1), requests=1, calls=0) is None
    both = key(rate_limit_per_minute=1, calls_per_day=1)
    assert await limits.consume(both, requests=1, calls=1) is not None
    assert await limits.consume(key(calls_per_day=1), requests=1, calls=1) is None


async def test_records_are_settled_with_each_result_and_reset_the_next_day(redis: Redis) -> None:
    time = FixedTime()
    limits = Limits(redis, now_ms=time.now_ms)
    limited = key(records_per_day=10)
    assert await limits.consume(limited, requests=1, calls=1) is None
    assert await limits.settle_records(limited.key_id, 10, 9) is None
    assert await limits.settle_records(limited.key_id, 10, 16) is None, "one result may exceed the limit"
    deny = await limits.settle_records(limited.key_id, 10, 1)
    assert deny is not None
    assert "10 records a day" in deny.message
    assert await limits.consume(limited, requests=1, calls=1) == deny
    assert await limits.consume(limited, requests=1, calls=0) is None, "other requests read no records"
    time.ms += 24 * 3600 * 1000
    assert await limits.consume(limited, requests=1, calls=1) is None


async def test_only_one_of_many_parallel_results_exceeds_the_limit_of_records(redis: Redis) -> None:
    workers = [Limits(redis, now_ms=FixedTime().now_ms) for _ in range(4)]
    settled = await asyncio.gather(*(workers[n % 4].settle_records("key_1", 100, 62) for n in range(16)))
    assert settled.count(None) == 2


async def test_counters_expire(redis: Redis) -> None:
    limits = Limits(redis, now_ms=FixedTime().now_ms)
    limited = key(rate_limit_per_minute=5, calls_per_day=5, records_per_day=5)
    await limits.consume(limited, requests=1, calls=1)
    await limits.settle_records(limited.key_id, 5, 1)
    names = [*await redis.keys("*spent*"), *await redis.keys("*rate*")]
    assert len(names) == 3
    assert all([0 < await redis.ttl(name) <= 2 * 24 * 3600 for name in names])
