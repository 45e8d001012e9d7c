"""Owners' policies in a real Redis: how they are merged, published and joined to keys."""

from __future__ import annotations

import asyncio
import json

import pytest
from redis.asyncio import Redis

from gateway.keys.policies import PolicyStore
from gateway.keys.record import KeyDefaults, OwnerPolicy
from gateway.keys.store import KeyStore
from gateway.keys.validation import InvalidField
from gateway.redis.names import INVALIDATIONS, KEY_RECORD, OWNER_POLICY
from tests.support.keys import find_record

OWNER = "ada@example.com"


@pytest.fixture
def policies(redis: Redis) -> PolicyStore:
    return PolicyStore(redis)


async def test_an_owner_without_a_policy_is_free(policies: PolicyStore) -> None:
    assert await policies.get(OWNER) == OwnerPolicy()


async def test_given_fields_replace_others_stay_and_null_clears(policies: PolicyStore) -> None:
    await policies.update(OWNER, {"calls_per_day": 5, "max_keys": 2, "read_only": True, "allowed_tools": ["a", "b"]})
    await policies.update(OWNER, {"calls_per_day": 6, "max_keys": None, "read_only": None})
    assert await policies.get(OWNER) == OwnerPolicy(calls_per_day=6, allowed_tools=("a", "b"))


async def test_defaults_are_merged_by_field_and_null_clears_all_of_them(policies: PolicyStore) -> None:
    await policies.update(OWNER, {"defaults": {"expires_days": 30, "calls_per_day": 5}})
    await policies.update(OWNER, {"defaults": {"calls_per_day": None, "read_only": True}, "max_key_days": 90})
    policy = await policies.get(OWNER)
    assert policy == OwnerPolicy(max_key_days=90, defaults=KeyDefaults(expires_days=30, read_only=True))
    assert await policies.update(OWNER, {"defaults": None}) == OwnerPolicy(max_key_days=90)


async def test_a_policy_without_restrictions_is_not_stored(policies: PolicyStore, redis: Redis) -> None:
    await policies.update(OWNER, {"calls_per_day": 5})
    await policies.update(OWNER, {"calls_per_day": None})
    await policies.update("bob@example.com", {"calls_per_day": 5})
    await policies.delete("bob@example.com")
    assert await redis.keys(OWNER_POLICY + "*") == []


async def test_concurrent_updates_are_all_kept(policies: PolicyStore) -> None:
    fields = ("calls_per_day", "records_per_day", "max_keys", "max_key_days", "max_concurrent")
    await asyncio.gather(*(policies.update(OWNER, {field: 7}) for field in fields))
    policy = await policies.get(OWNER)
    assert {field: getattr(policy, field) for field in fields} == dict.fromkeys(fields, 7)


async def test_an_invalid_update_changes_nothing(policies: PolicyStore) -> None:
    with pytest.raises(InvalidField):
        await policies.update(OWNER, {"calls_per_day": 5, "max_keys": 0})
    assert await policies.get(OWNER) == OwnerPolicy()


async def test_the_policies_of_several_owners_are_read_together(policies: PolicyStore) -> None:
    await policies.update(OWNER, {"calls_per_day": 5})
    assert await policies.get_all(["bob@example.com", OWNER]) == [OwnerPolicy(), OwnerPolicy(calls_per_day=5)]
    assert await policies.get_all([]) == []


async def test_every_change_is_published_once_it_can_be_read(policies: PolicyStore, redis: Redis) -> None:
    async with redis.pubsub() as subscription:
        await subscription.subscribe(INVALIDATIONS)
        await subscription.get_message(timeout=30)
        for change in (policies.update(OWNER, {"calls_per_day": 5}), policies.delete(OWNER)):
            await change
            message = await subscription.get_message(ignore_subscribe_messages=True, timeout=30)
            assert message is not None
            assert message["data"] == b"owner:" + OWNER.encode()


async def test_a_lookup_joins_the_policy_of_the_owner(policies: PolicyStore, store: KeyStore) -> None:
    record, key = await store.create(owner=OWNER, key_name="laptop")
    other, other_key = await store.create(owner="bob@example.com", key_name="laptop")
    policy = await policies.update(OWNER, {"calls_per_day": 5})
    found = await find_record(store, key)
    assert found is not None
    assert found.owner_policy == policy
    assert found.restrictions == (found, policy)
    assert await store.get(record.key_id) == found
    assert await find_record(store, other_key) == other


@pytest.mark.parametrize("owner", ['"ada\\lovelace"@example.com', "ädá@exämple.com", "a/b@x"])
async def test_the_policy_of_an_owner_with_unusual_characters_is_joined(
    policies: PolicyStore, store: KeyStore, owner: str
) -> None:
    _, key = await store.create(owner=owner, key_name="laptop")
    policy = await policies.update(owner, {"calls_per_day": 5})
    found = await find_record(store, key)
    assert found is not None
    assert found.owner_policy == policy


async def test_a_lookup_takes_one_round_trip(policies: PolicyStore, store: KeyStore, redis: Redis) -> None:
    _, key = await store.create(owner=OWNER, key_name="laptop")
    await policies.update(OWNER, {"calls_per_day": 5})
    await redis.config_resetstat()
    await find_record(store, key)
    statistics = await redis.info("commandstats")
    sent = sum(
        statistics[f"cmdstat_{name}"]["calls"] for name in ("eval", "evalsha") if f"cmdstat_{name}" in statistics
    )
    assert (sent, statistics["cmdstat_get"]["calls"]) == (1, 3)


async def test_the_policy_is_not_stored_with_the_key(policies: PolicyStore, store: KeyStore, redis: Redis) -> None:
    record, _ = await store.create(owner=OWNER, key_name="laptop")
    await policies.update(OWNER, {"calls_per_day": 5})
    await store.update(record.key_id, key_name="new")
    stored = json.loads(await redis.get(KEY_RECORD + record.key_id) or b"")
    assert "owner_policy" not in stored
    assert "calls_per_day" not in stored
