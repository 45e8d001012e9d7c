"""Keys and their owners in a real Redis: transfer to another owner, and the number of keys that a policy allows."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.keys.changes import OPERATOR, BeyondPolicy
from gateway.keys.record import KeyRecord, OwnerPolicy
from gateway.keys.store import KeyStore
from gateway.redis.names import INVALIDATIONS
from tests.support.clock import Clock
from tests.support.keys import find_record

OWNER = "ada@example.com"
OTHER = "bob@example.com"
DAY_MS = 86_400_000


async def create(store: KeyStore, owner: str = OWNER, **fields: Any) -> KeyRecord:
    return (await store.create(owner=owner, key_name="laptop", **fields))[0]


async def test_a_transferred_key_belongs_to_the_new_owner_alone(store: KeyStore, clock: Clock) -> None:
    first = await create(store)
    clock.advance(1)
    record, key = await store.create(owner=OWNER, key_name="laptop", actor=OPERATOR, calls_per_day=5)
    clock.advance(1)
    theirs = await create(store, OTHER)
    transferred = await store.transfer(record.key_id, OTHER)
    assert transferred == msgspec.structs.replace(record, owner=OTHER)
    assert transferred.ceiling is not None
    assert await find_record(store, key) == transferred
    assert await store.list(OWNER) == [first]
    assert await store.list(OTHER) == [theirs, transferred]
    assert await store.list(None) == [theirs, transferred, first]
    assert await store.transfer(record.key_id, OTHER) == transferred
    assert await store.transfer(record.key_id, OWNER) == record
    assert await store.list(OWNER) == [record, first]


async def test_a_transfer_is_published(store: KeyStore, redis: Redis) -> None:
    record = await create(store)
    async with redis.pubsub() as subscription:
        await subscription.subscribe(INVALIDATIONS)
        await subscription.get_message(timeout=30)
        await store.transfer(record.key_id, OTHER)
        message = await subscription.get_message(timeout=30)
        assert message is not None
        assert message["data"].decode() == record.key_id


async def test_a_revoked_or_unknown_key_is_not_transferred(store: KeyStore) -> None:
    record = await create(store)
    revoked = await store.revoke(record.key_id)
    assert await store.transfer(record.key_id, OTHER) is None
    assert await store.transfer("key_none", OTHER) is None
    assert await store.list(OWNER) == [revoked]
    assert await store.list(OTHER) == []


async def test_a_transfer_ends_the_suspension_by_the_former_owner_being_disabled(store: KeyStore, clock: Clock) -> None:
    record = await create(store)
    await store.disable_owner(OWNER)
    transferred = await store.transfer(record.key_id, OTHER)
    assert transferred is not None
    assert transferred.status(clock.now_ms()) == "active"
    assert await store.enable_owner(OWNER) == 0
    assert await store.disable_owner(OTHER) == 1


async def test_disabling_an_owner_leaves_keys_alone_that_are_transferred_meanwhile(store: KeyStore) -> None:
    for _ in range(10):
        records = [await create(store) for _ in range(4)]
        await asyncio.gather(store.disable_owner(OWNER), *(store.transfer(one.key_id, OTHER) for one in records))
        assert {record.owner_disabled_at for record in await store.list(OTHER)} == {None}
        assert await store.list(OWNER) == []


async def test_a_key_is_found_with_the_policy_of_its_new_owner(store: KeyStore) -> None:
    record, key = await store.create(owner=OWNER, key_name="laptop")
    await store.policies.update(OTHER, {"calls_per_day": 7})
    transferred = await store.transfer(record.key_id, OTHER)
    assert transferred is not None
    assert transferred.owner_policy == OwnerPolicy(calls_per_day=7)
    assert await find_record(store, key) == transferred


async def test_only_keys_that_are_neither_revoked_nor_expired_count(store: KeyStore, clock: Clock) -> None:
    await store.policies.update(OWNER, {"max_keys": 2})
    await create(store, expires_at=clock.now_ms() + 1000)
    suspended = await create(store)
    await store.suspend(suspended.key_id, OPERATOR)
    with pytest.raises(BeyondPolicy, match=r"max_keys allows ada@example.com 2 keys that are neither revoked nor"):
        await create(store)
    clock.advance(1)
    revoked = await create(store)
    with pytest.raises(BeyondPolicy):
        await create(store)
    await store.revoke(revoked.key_id)
    await create(store)
    await create(store, OTHER)
    assert len(await store.list(OWNER)) == 4


async def test_concurrent_changes_never_exceed_the_number_of_keys(store: KeyStore, clock: Clock) -> None:
    expired = [await create(store, expires_at=clock.now_ms() + 1) for _ in range(3)]
    others = [await create(store, OTHER) for _ in range(3)]
    clock.advance(1)
    await store.policies.update(OWNER, {"max_keys": 4})
    results = await asyncio.gather(
        *(create(store) for _ in range(3)),
        *(store.update(one.key_id, expires_at=None) for one in expired),
        *(store.transfer(one.key_id, OWNER) for one in others),
        return_exceptions=True,
    )
    assert sum(isinstance(result, BeyondPolicy) for result in results) == 5
    assert sum(record.counts(clock.now_ms()) for record in await store.list(OWNER)) == 4


async def test_a_change_that_adds_no_key_is_possible_beyond_the_number_of_keys(store: KeyStore, clock: Clock) -> None:
    records = [await create(store) for _ in range(2)]
    await store.policies.update(OWNER, {"max_keys": 1})
    key_id = records[0].key_id
    assert await store.update(key_id, calls_per_day=5, expires_at=clock.now_ms() + DAY_MS) is not None
    assert await store.rotate(key_id, 0) is not None
    assert await store.suspend(key_id, OPERATOR) is not None
    assert await store.resume(key_id, OPERATOR) is not None
    assert await store.transfer(key_id, OWNER) is not None
    assert await store.transfer(key_id, OTHER) is not None
    with pytest.raises(BeyondPolicy):
        await store.transfer(key_id, OWNER)


async def test_an_expired_key_is_transferred_to_an_owner_with_as_many_keys_as_allowed(
    store: KeyStore, clock: Clock
) -> None:
    record = await create(store, expires_at=clock.now_ms() + 1)
    await create(store, OTHER)
    await store.policies.update(OTHER, {"max_keys": 1})
    clock.advance(1)
    assert await store.transfer(record.key_id, OTHER) is not None
    with pytest.raises(BeyondPolicy, match=r"max_keys allows bob@example.com 1 key that is neither"):
        await store.update(record.key_id, expires_at=None)


async def test_the_policy_is_not_stored_with_a_key_and_its_defaults_are_no_ceiling(store: KeyStore) -> None:
    await store.policies.update(OWNER, {"max_key_days": 5, "defaults": {"calls_per_day": 7}})
    record, _ = await store.create(owner=OWNER, key_name="laptop", actor=OPERATOR, records_per_day=3)
    assert (record.calls_per_day, record.expires_at) == (7, record.created_at + 5 * DAY_MS)
    assert record.ceiling is not None
    assert (record.ceiling.calls_per_day, record.ceiling.records_per_day, record.ceiling.expires_at) == (None, 3, None)
    assert await store.get(record.key_id) == record
    updated = await store.update(record.key_id, OPERATOR, key_name="new")
    await store.policies.delete(OWNER)
    assert updated is not None
    assert await store.get(record.key_id) == msgspec.structs.replace(updated.record, owner_policy=None)
