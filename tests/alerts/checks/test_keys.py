"""The check of all keys, on real counters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import redis.asyncio

from gateway.alerts.checks.keys import KeyCheck
from gateway.keys.limits import limits_of, limits_of_policy
from gateway.keys.policies import PolicyStore
from gateway.keys.record import KeyRecord
from gateway.keys.store import KeyStore
from gateway.timestamps import DAY_MS, now_ms

OWNER = "ada@example.com"
NewKey = Callable[..., Awaitable[KeyRecord]]


@pytest.fixture
def keys(redis: redis.asyncio.Redis) -> KeyStore:
    return KeyStore(redis, pepper=None, now_ms=now_ms)


@pytest.fixture
def check(redis: redis.asyncio.Redis) -> KeyCheck:
    return KeyCheck(redis, now_ms=now_ms)


async def found(check: KeyCheck) -> list[tuple[str, str]]:
    return sorted((cause.type, cause.subject) for cause in await check.find())


async def test_the_use_of_counters_and_windows_is_found(
    redis: redis.asyncio.Redis, keys: KeyStore, check: KeyCheck
) -> None:
    record, _ = await keys.create(owner=OWNER, key_name="a", calls_per_day=10, rate_limit_per_minute=5)
    await keys.create(owner=OWNER, key_name="unlimited")
    calls, requests = sorted(limits_of(record), key=lambda limit: limit.field)
    assert await found(check) == []
    await redis.set(calls.redis_key(now_ms() // 1000), 8)
    assert await found(check) == [("limit_80", record.key_id)]
    await redis.hset(requests.redis_key(0), str(now_ms() // 2000), 5)
    assert await found(check) == [
        ("limit_100", record.key_id),
        ("limit_80", record.key_id),
        ("limit_80", record.key_id),
    ]


async def test_the_pools_of_owners_are_found_once(redis: redis.asyncio.Redis, keys: KeyStore, check: KeyCheck) -> None:
    for name in ("a", "b"):
        await keys.create(owner=OWNER, key_name=name)
    policy = await PolicyStore(redis).update(OWNER, {"records_per_month": 100})
    [pool] = limits_of_policy(OWNER, policy)
    await redis.set(pool.redis_key(now_ms() // 1000), 100)
    assert await found(check) == [("limit_100", OWNER), ("limit_80", OWNER)]


async def test_revoked_keys_are_left_out(redis: redis.asyncio.Redis, keys: KeyStore, check: KeyCheck) -> None:
    record, _ = await keys.create(owner=OWNER, key_name="a", calls_per_day=1)
    await redis.set(limits_of(record)[0].redis_key(now_ms() // 1000), 1)
    await keys.revoke(record.key_id)
    assert await found(check) == []


async def test_keys_that_end_soon_are_found(keys: KeyStore, check: KeyCheck) -> None:
    ending, _ = await keys.create(owner=OWNER, key_name="a", expires_at=now_ms() + 3 * DAY_MS)
    await keys.create(owner=OWNER, key_name="b", expires_at=now_ms() + 30 * DAY_MS)
    assert await found(check) == [("key_expiring", ending.key_id)]


async def test_more_keys_than_a_page_are_all_looked_at(
    redis: redis.asyncio.Redis, keys: KeyStore, check: KeyCheck
) -> None:
    record, _ = await keys.create(owner=OWNER, key_name="a", calls_per_day=1)
    raw = await redis.get("{mcpgw}:key:" + record.key_id)
    assert isinstance(raw, bytes)
    ids = [f"key_{number:020}" for number in range(1100)]
    copies = {key_id: raw.replace(record.key_id.encode(), key_id.encode()) for key_id in ids}
    await redis.mset({"{mcpgw}:key:" + key_id: copy for key_id, copy in copies.items()})
    await redis.zadd("{mcpgw}:keys", dict.fromkeys(copies, record.created_at))
    now = now_ms() // 1000
    await redis.mset({limits_of(record)[0]._replace(subject=key_id).redis_key(now): 1 for key_id in copies})
    causes = await check.find()
    assert {cause.subject for cause in causes} == set(copies)
    assert len(causes) == 2 * len(copies)
