"""Limits of keys, and when they reset."""

from __future__ import annotations

import asyncio
from typing import Any

from redis.asyncio import Redis

from gateway.keys.record import KeyRecord
from gateway.proxy.admission.limits import Limits

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


async def test_a_rate_limit_resets_with_the_next_minute(redis: Redis) -> None:
    time = FixedTime()
    limits = Limits(redis, now_ms=time.now_ms)
    limited = key(rate_limit_per_minute=2)
    assert [await limits.consume(limited, requests=1, calls=0) for _ in range(2)] == [None, None]
    deny = await limits.consume(limited, requests=1, calls=0)
    assert deny is not None
    assert (deny.status, deny.reason, deny.retry_after) == (429, "rate", 60 - NOON // 1000 % 60)
    time.ms += 60_000
    assert await limits.consume(limited, requests=1, calls=0) is None


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


async def test_records_are_consumed_after_the_call_and_reset_the_next_day(redis: Redis) -> None:
    time = FixedTime()
    limits = Limits(redis, now_ms=time.now_ms)
    limited = key(records_per_day=10)
    assert await limits.consume(limited, requests=1, calls=1) is None
    await limits.consume_records(limited.key_id, 25)
    deny = await limits.consume(limited, requests=1, calls=1)
    assert deny is not None
    assert "10 records a day" in deny.message
    assert await limits.consume(limited, requests=1, calls=0) is None, "other requests read no records"
    time.ms += 24 * 3600 * 1000
    assert await limits.consume(limited, requests=1, calls=1) is None


async def test_counters_expire(redis: Redis) -> None:
    limits = Limits(redis, now_ms=FixedTime().now_ms)
    limited = key(rate_limit_per_minute=5, calls_per_day=5, records_per_day=5)
    await limits.consume(limited, requests=1, calls=1)
    await limits.consume_records(limited.key_id, 1)
    names = await redis.keys("*spent*")
    assert len(names) == 3
    assert all([0 < await redis.ttl(name) <= 2 * 24 * 3600 for name in names])
