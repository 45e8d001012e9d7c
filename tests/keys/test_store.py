"""API keys in a real Redis: what is stored, what is never stored, and that revoked keys stay revoked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from gateway.keys.ceilings import AboveCeiling
from gateway.keys.changes import OPERATOR, Actor, SuspendedByAdmin
from gateway.keys.record import KeyRestrictions
from gateway.keys.secret import ApiKey
from gateway.keys.storage.details import LiveSecret, UpdatedKey, VersionMismatch
from gateway.keys.store import KeyStore
from gateway.keys.validation import InvalidField
from gateway.redis.names import INVALIDATIONS, KEY_RECORD, PREFIX
from tests.support.clock import Clock
from tests.support.keys import find_record, live_secrets

OWNER = "ada@example.com"


@pytest.fixture
async def published(redis: Redis) -> AsyncIterator[asyncio.Queue[str]]:
    messages: asyncio.Queue[str] = asyncio.Queue()
    async with redis.pubsub() as subscription:
        await subscription.subscribe(INVALIDATIONS)
        await subscription.get_message(timeout=30)

        async def listen() -> None:
            async for message in subscription.listen():
                messages.put_nowait(message["data"].decode())

        task = asyncio.create_task(listen())
        yield messages
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_created_key_is_found_by_its_secret_and_by_its_id(store: KeyStore, clock: Clock) -> None:
    record, key = await store.create(owner=OWNER, key_name="laptop", allowed_tools=["query_*"])
    assert record.key_id.startswith("key_")
    assert len(record.key_id) == 24
    assert record.key_prefix == key.prefix
    assert (record.owner, record.created_at, record.allowed_tools) == (OWNER, clock.now_ms(), ("query_*",))
    assert await find_record(store, key) == record
    assert await store.get(record.key_id) == record
    assert await find_record(store, ApiKey.generate()) is None
    assert await store.get("key_none") is None


async def test_redis_never_stores_a_secret_and_records_never_contain_a_digest(store: KeyStore, redis: Redis) -> None:
    record, key = await store.create(owner=OWNER, key_name="laptop")
    rotated = await store.rotate(record.key_id, 60)
    assert rotated is not None
    everything = []
    async for name in redis.scan_iter(PREFIX + "*"):
        everything.append(name)
        if await redis.type(name) == b"string":
            everything.append(await redis.get(name))
    stored = b"\n".join(everything).decode()
    assert key.text[12:] not in stored
    assert rotated[1].text[12:] not in stored
    shown = msgspec.json.encode(await store.list(None)).decode() + str(await store.get(record.key_id))
    assert key.digest(None) not in shown
    assert rotated[1].digest(None) not in shown
    assert type(rotated[0]) is type(record)


async def test_a_pepper_changes_every_digest(redis: Redis, store: KeyStore, clock: Clock) -> None:
    peppered = KeyStore(redis, pepper="p" * 32, now_ms=clock.now_ms)
    record, key = await peppered.create(owner=OWNER, key_name="laptop")
    assert await find_record(peppered, key) == record
    assert await find_record(store, key) is None


async def test_keys_are_listed_newest_first_and_by_owner(store: KeyStore, clock: Clock) -> None:
    created = []
    for name in ("one", "two", "three"):
        owner = "bob@example.com" if name == "two" else OWNER
        created.append((await store.create(owner=owner, key_name=name))[0].key_name)
        clock.advance(1)
    assert [record.key_name for record in await store.list(None)] == ["three", "two", "one"]
    assert [record.key_name for record in await store.list(OWNER)] == ["three", "one"]
    assert await store.list("nobody@example.com") == []


async def test_revoking_is_permanent_published_and_idempotent(
    store: KeyStore, clock: Clock, published: asyncio.Queue[str]
) -> None:
    record, key = await store.create(owner=OWNER, key_name="laptop")
    revoked = await store.revoke(record.key_id)
    assert revoked is not None
    assert revoked.status(clock.now_ms()) == "revoked"
    assert await asyncio.wait_for(published.get(), 30) == record.key_id
    found = await find_record(store, key)
    assert found == revoked
    clock.advance(1)
    assert await store.revoke(record.key_id) == revoked
    assert await asyncio.wait_for(published.get(), 30) == record.key_id
    assert await store.revoke("key_none") is None


async def test_suspending_and_resuming_are_published_and_change_nothing_else(
    store: KeyStore, clock: Clock, published: asyncio.Queue[str]
) -> None:
    record, key = await store.create(owner=OWNER, key_name="laptop", calls_per_day=5)
    suspended = await store.suspend(record.key_id, OPERATOR)
    assert await asyncio.wait_for(published.get(), 30) == record.key_id
    assert suspended == msgspec.structs.replace(record, suspended_at=clock.now_ms(), suspended_by="admin")
    assert await find_record(store, key) == suspended
    with pytest.raises(SuspendedByAdmin):
        await store.resume(record.key_id, Actor(OWNER, is_admin=False))
    assert await store.resume(record.key_id, OPERATOR) == record
    assert await asyncio.wait_for(published.get(), 30) == record.key_id
    assert await find_record(store, key) == record
    assert await store.suspend("key_none", OPERATOR) is None
    assert await store.resume("key_none", OPERATOR) is None


async def test_a_suspended_key_stays_suspended_when_it_is_changed_and_rotated(store: KeyStore, clock: Clock) -> None:
    record, _ = await store.create(owner=OWNER, key_name="laptop")
    await store.suspend(record.key_id, OPERATOR)
    updated = await store.update(record.key_id, key_name="new")
    rotated = await store.rotate(record.key_id, 0)
    assert updated is not None
    assert rotated is not None
    assert [one.status(clock.now_ms()) for one in (updated.record, rotated[0])] == ["suspended", "suspended"]
    found = await find_record(store, rotated[1])
    assert found is not None
    assert found.status(clock.now_ms()) == "suspended"


async def test_a_disabled_owner_suspends_all_keys_and_an_enabled_one_resumes_only_those(
    store: KeyStore, clock: Clock
) -> None:
    names = ("active", "suspended", "revoked", "expired")
    ids = {name: (await store.create(owner=OWNER, key_name=name))[0].key_id for name in names}
    await store.suspend(ids["suspended"], OPERATOR)
    await store.revoke(ids["revoked"])
    await store.update(ids["expired"], expires_at=clock.now_ms() - 1)
    other, _ = await store.create(owner="bob@example.com", key_name="other")
    before = await store.list(OWNER)

    assert await store.disable_owner(OWNER) == 1
    assert await store.disable_owner(OWNER) == 0
    statuses = {record.key_name: record.status(clock.now_ms()) for record in await store.list(OWNER)}
    assert statuses == {"active": "suspended", "suspended": "suspended", "revoked": "revoked", "expired": "expired"}
    extended = await store.update(ids["expired"], expires_at=None)
    assert extended is not None
    assert extended.record.status(clock.now_ms()) == "suspended"
    await store.update(ids["expired"], expires_at=clock.now_ms() - 1)

    assert await store.enable_owner(OWNER) == 1
    assert await store.enable_owner(OWNER) == 0
    assert await store.list(OWNER) == before
    assert await store.get(other.key_id) == other


async def test_an_update_is_checked_against_the_ceiling_of_the_stored_record(store: KeyStore) -> None:
    owner = Actor(OWNER, is_admin=False)
    record, _ = await store.create(owner=OWNER, key_name="laptop", actor=OPERATOR, calls_per_day=50)
    assert record.ceiling == KeyRestrictions(calls_per_day=50)

    async def widen(calls: int) -> None:
        with contextlib.suppress(AboveCeiling):
            await store.update(record.key_id, owner, calls_per_day=calls)

    changes = [widen(calls) for calls in range(20, 60, 5)]
    await asyncio.gather(*changes[:4], store.update(record.key_id, OPERATOR, calls_per_day=30), *changes[4:])
    after = await store.get(record.key_id)
    assert after is not None
    assert after.ceiling == KeyRestrictions(calls_per_day=30)
    assert after.calls_per_day is not None
    assert after.calls_per_day <= 30
    with pytest.raises(AboveCeiling):
        await store.update(record.key_id, owner, calls_per_day=31)
    assert await store.get(record.key_id) == after


@pytest.mark.parametrize("change", ["create", "revoke", "suspend", "disable_owner", "rotate", "update", "transfer"])
async def test_a_change_returns_once_redis_has_it_on_disk(store: KeyStore, redis: Redis, change: str) -> None:
    key_ids = [(await store.create(owner=OWNER, key_name=name))[0].key_id for name in ("one", "two")]
    await redis.config_resetstat()
    match change:
        case "create":
            await store.create(owner=OWNER, key_name="three")
        case "suspend":
            await store.suspend(key_ids[0], OPERATOR)
        case "disable_owner":
            await store.disable_owner(OWNER)
        case "rotate":
            await store.rotate(key_ids[0], 0)
        case "update":
            await store.update(key_ids[0], key_name="new")
        case "transfer":
            await store.transfer(key_ids[0], "bob@example.com")
        case _:
            await store.revoke(key_ids[0])
    assert (await redis.info("commandstats"))["cmdstat_waitaof"]["calls"] == 1


async def test_concurrent_updates_never_revert_a_revocation(store: KeyStore) -> None:
    for _ in range(10):
        record, _ = await store.create(owner=OWNER, key_name="laptop")
        await asyncio.gather(
            *(store.update(record.key_id, calls_per_day=n) for n in range(1, 6)),
            store.revoke(record.key_id),
            *(store.update(record.key_id, key_name=f"name {n}") for n in range(5)),
            store.rotate(record.key_id, 10),
        )
        after = await store.get(record.key_id)
        assert after is not None
        assert after.revoked_at is not None
        assert after.calls_per_day is not None
        assert after.key_name.startswith("name")


async def test_an_update_changes_only_the_named_fields(store: KeyStore, published: asyncio.Queue[str]) -> None:
    record, key = await store.create(owner=OWNER, key_name="laptop", calls_per_day=5, labels={"a": "b"})
    updated = await store.update(record.key_id, calls_per_day=None, allowed_ips=["10.0.0.0/8"])
    assert updated is not None
    assert updated.record == msgspec.structs.replace(record, calls_per_day=None, allowed_ips=("10.0.0.0/8",))
    assert await asyncio.wait_for(published.get(), 30) == record.key_id
    assert await find_record(store, key) == updated.record
    assert await store.update("key_none", calls_per_day=1) is None
    with pytest.raises(InvalidField):
        await store.update(record.key_id, revoked_at=None)


async def test_the_old_secret_works_until_the_overlap_ends(
    store: KeyStore, clock: Clock, published: asyncio.Queue[str]
) -> None:
    record, old = await store.create(owner=OWNER, key_name="laptop")
    rotated = await store.rotate(record.key_id, 60)
    assert rotated is not None
    after, new = rotated
    assert (after.key_id, after.key_prefix) == (record.key_id, new.prefix)
    assert await asyncio.wait_for(published.get(), 30) == record.key_id
    clock.advance(59.999)
    assert await find_record(store, old) == after
    assert await find_record(store, new) == after
    clock.advance(0.001)
    assert await find_record(store, old) is None
    assert await find_record(store, new) == after


async def test_rotation_without_overlap_ends_all_older_secrets(store: KeyStore) -> None:
    record, first = await store.create(owner=OWNER, key_name="laptop")
    second = (await store.rotate(record.key_id, 3600) or (None, first))[1]
    third = (await store.rotate(record.key_id, 0) or (None, first))[1]
    assert await find_record(store, first) is None
    assert await find_record(store, second) is None
    assert await find_record(store, third) is not None


async def test_a_longer_overlap_does_not_extend_an_older_secret(store: KeyStore, clock: Clock) -> None:
    record, first = await store.create(owner=OWNER, key_name="laptop")
    await store.rotate(record.key_id, 10)
    await store.rotate(record.key_id, 3600)
    clock.advance(10)
    assert await find_record(store, first) is None


async def test_the_live_secrets_of_a_key_have_their_prefix_and_times(store: KeyStore, clock: Clock) -> None:
    record, first = await store.create(owner=OWNER, key_name="laptop")
    created_at = clock.now_ms()
    assert await live_secrets(store, record.key_id) == [LiveSecret(first.prefix, created_at, None)]
    clock.advance(10)
    second = (await store.rotate(record.key_id, 60) or (None, first))[1]
    clock.advance(10)
    third = (await store.rotate(record.key_id, 3600) or (None, first))[1]
    assert await live_secrets(store, record.key_id) == [
        LiveSecret(third.prefix, created_at + 20_000, None),
        LiveSecret(second.prefix, created_at + 10_000, created_at + 3_620_000),
        LiveSecret(first.prefix, created_at, created_at + 70_000),
    ]
    clock.advance(50)
    assert [secret.prefix for secret in await live_secrets(store, record.key_id)] == [third.prefix, second.prefix]
    await store.revoke(record.key_id)
    assert await live_secrets(store, record.key_id) == []
    assert await live_secrets(store, "key_none") == []


async def test_the_secrets_of_an_earlier_version_are_read_without_the_times_it_did_not_store(
    store: KeyStore, redis: Redis, clock: Clock
) -> None:
    record, first = await store.create(owner=OWNER, key_name="laptop")
    raw = await redis.get(KEY_RECORD + record.key_id)
    assert raw is not None
    stored = msgspec.json.decode(raw)
    ends_at = clock.now_ms() + 5000
    stored["secrets"] = [[first.digest(None), None], ["0" * 64, ends_at]]
    await redis.set(KEY_RECORD + record.key_id, msgspec.json.encode(stored))
    assert await find_record(store, first) == record
    secrets = [LiveSecret(first.prefix, None, None), LiveSecret(None, None, ends_at)]
    assert await live_secrets(store, record.key_id) == secrets
    second = (await store.rotate(record.key_id, 60) or (None, first))[1]
    assert [secret.prefix for secret in await live_secrets(store, record.key_id)] == [second.prefix, None, None]
    assert await find_record(store, first) is not None


async def test_the_digest_of_a_replaced_secret_expires_in_redis(store: KeyStore, redis: Redis, clock: Clock) -> None:
    record, old = await store.create(owner=OWNER, key_name="laptop")
    await store.rotate(record.key_id, 60)
    ends = await redis.pexpiretime(PREFIX + "digest:" + old.digest(None))
    assert ends == clock.now_ms() + 60_000


async def test_a_revoked_or_unknown_key_is_not_rotated(store: KeyStore) -> None:
    record, _ = await store.create(owner=OWNER, key_name="laptop")
    await store.revoke(record.key_id)
    assert await store.rotate(record.key_id, 0) is None
    assert await store.rotate("key_none", 0) is None
    with pytest.raises(InvalidField):
        await store.rotate(record.key_id, -1)


async def test_invalid_fields_create_no_key(store: KeyStore, clock: Clock) -> None:
    with pytest.raises(InvalidField, match="expires_at"):
        await store.create(owner=OWNER, key_name="laptop", expires_at=clock.now_ms())
    with pytest.raises(InvalidField, match="owner"):
        await store.create(owner="", key_name="laptop")
    with pytest.raises(InvalidField, match="key_name"):
        await store.create(owner=OWNER, key_name="")
    assert await store.list(None) == []


async def test_ending_the_overlap_leaves_only_the_newest_secret(store: KeyStore, published: asyncio.Queue[str]) -> None:
    record, first = await store.create(owner=OWNER, key_name="laptop")
    second, third = [rotated[1] for _ in range(2) if (rotated := await store.rotate(record.key_id, 3600)) is not None]
    ended = await store.end_overlap(record.key_id)
    assert ended is not None
    assert (ended[0].key_prefix, ended[1]) == (third.prefix, 2)
    assert [await find_record(store, key) for key in (first, second)] == [None, None]
    assert await find_record(store, third) == ended[0]
    again = await store.end_overlap(record.key_id)
    assert again == (ended[0], 0)
    await store.revoke(record.key_id)
    assert await store.end_overlap(record.key_id) is None
    assert await store.end_overlap("key_none") is None


async def test_every_change_of_a_key_changes_its_version(store: KeyStore) -> None:
    record, _ = await store.create(owner=OWNER, key_name="laptop")

    async def version() -> str:
        details = await store.details(record.key_id)
        assert details is not None
        return details.version

    versions = [await version(), await version()]
    assert versions.pop() == versions[0]
    for make in (
        lambda: store.update(record.key_id, key_name="new"),
        lambda: store.rotate(record.key_id, 60),
        lambda: store.end_overlap(record.key_id),
        lambda: store.suspend(record.key_id, OPERATOR),
        lambda: store.transfer(record.key_id, "bob@example.com"),
        lambda: store.revoke(record.key_id),
    ):
        await make()
        versions.append(await version())
    assert len(set(versions)) == 7


async def test_of_two_changes_of_one_version_only_the_first_is_made(store: KeyStore) -> None:
    record, _ = await store.create(owner=OWNER, key_name="laptop")
    details = await store.details(record.key_id)
    assert details is not None
    results = await asyncio.gather(
        *(
            store.update(record.key_id, accepts_version=details.version.__eq__, key_name=f"name {number}")
            for number in range(5)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(result, VersionMismatch) for result in results) == 4
    [updated] = [result for result in results if isinstance(result, UpdatedKey)]
    after = await store.details(record.key_id)
    assert after is not None
    assert (after.record, after.version) == updated


async def test_keys_that_no_longer_fulfil_the_condition_are_not_revoked(store: KeyStore, clock: Clock) -> None:
    records = [(await store.create(owner=OWNER, key_name=name))[0] for name in ("a", "b", "c")]
    await store.transfer(records[0].key_id, "bob@example.com")
    await store.revoke(records[1].key_id)
    assert await store.revoke_all(records, lambda key: key.owner == OWNER) == [records[2].key_id]
    assert await store.revoke_all(records, lambda key: key.owner == OWNER) == []
    assert await store.revoke_all([], lambda key: True) == []
    [kept] = await store.list("bob@example.com")
    assert kept.revoked_at is None
