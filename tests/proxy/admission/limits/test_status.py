"""The remaining part of limits, as clients and operators are told."""

from __future__ import annotations

from redis.asyncio import Redis

from gateway.keys.limits import DAY
from gateway.keys.record import OwnerPolicy
from gateway.proxy.admission.limits.permit import Permit
from tests.proxy.admission.limits.workers import FixedTime, LimitWorker, key


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
