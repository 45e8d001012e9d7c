"""Creations under an idempotency key, and the number of keys of an owner."""

from __future__ import annotations

import asyncio

import pytest
import redis.asyncio

from gateway.keys.changes import BeyondPolicy
from gateway.keys.storage.creations import CreatedBefore, IdempotencyKey
from gateway.keys.storage.stored_key import MarkerExists
from gateway.keys.store import KeyStore
from gateway.timestamps import DAY_MS
from tests.support.clock import Clock

OWNER, OTHER = "ada@example.com", "bob@example.com"


async def create(store: KeyStore, once: IdempotencyKey | None = None) -> str:
    record, _ = await store.create(owner=OWNER, key_name="laptop", once=once)
    return record.key_id


async def test_concurrent_creations_with_one_idempotency_key_make_one_key(
    store: KeyStore, redis: redis.asyncio.Redis
) -> None:
    once = IdempotencyKey.of(OWNER, "once", {"key_name": "laptop"})
    assert await store.created(once) is None
    results = await asyncio.gather(*(create(store, once) for _ in range(10)), return_exceptions=True)
    [key_id] = [result for result in results if isinstance(result, str)]
    assert sum(isinstance(result, MarkerExists) for result in results) == 9
    assert [record.key_id for record in await store.list(None)] == [key_id]
    assert await store.created(once) == CreatedBefore(key_id, once.request)
    assert 86_390 < await redis.ttl(once.name) <= 86_400


async def test_a_creation_that_fails_leaves_its_idempotency_key_free(store: KeyStore) -> None:
    await store.policies.update(OWNER, {"max_keys": 1})
    first = await create(store)
    once = IdempotencyKey.of(OWNER, "once", {})
    with pytest.raises(BeyondPolicy):
        await create(store, once)
    assert await store.created(once) is None
    await store.revoke(first)
    assert await create(store, once)


def test_idempotency_keys_differ_by_user_and_requests_by_content() -> None:
    once = IdempotencyKey.of(OWNER, "once", {"a": 1, "b": 2})
    assert once == IdempotencyKey.of(OWNER, "once", {"b": 2, "a": 1})
    assert once.name != IdempotencyKey.of(OTHER, "once", {"a": 1, "b": 2}).name
    assert once.request != IdempotencyKey.of(OWNER, "once", {"a": 1, "b": 3}).request
    assert "once" not in once.name


async def test_keys_from_before_a_bound_count(store: KeyStore, clock: Clock) -> None:
    revoked = await create(store)
    await create(store)
    await store.revoke(revoked)
    await store.create(owner=OWNER, key_name="short", expires_at=clock.now_ms() + DAY_MS)
    await store.policies.update(OWNER, {"max_keys": 2})
    with pytest.raises(BeyondPolicy):
        await create(store)
    clock.advance(2 * 86_400)
    await create(store)
    with pytest.raises(BeyondPolicy):
        await create(store)


async def test_transferred_and_revoked_keys_no_longer_count_and_extended_ones_count_again(
    store: KeyStore, clock: Clock
) -> None:
    await store.policies.update(OWNER, {"max_keys": 2})
    await store.policies.update(OTHER, {"max_keys": 1})
    first, second = await create(store), await create(store)
    with pytest.raises(BeyondPolicy):
        await create(store)
    await store.transfer(first, OTHER)
    third = await create(store)
    with pytest.raises(BeyondPolicy):
        await store.transfer(second, OTHER)
    await store.revoke(third)
    await store.update(second, expires_at=clock.now_ms() + 1000)
    await create(store)
    clock.advance(2)
    await create(store)
    with pytest.raises(BeyondPolicy):
        await store.update(second, expires_at=None)


async def test_concurrent_creations_do_not_exceed_the_bound(store: KeyStore) -> None:
    await store.policies.update(OWNER, {"max_keys": 3})
    results = await asyncio.gather(*(create(store) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(result, str) for result in results) == 3
