"""The per-worker key cache: how stale it may be, and what it does while Redis is unavailable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.keys import cache as cache_module
from gateway.keys.cache import KeyCache, KeysUnavailable
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.storage.details import KeyLookup
from gateway.keys.store import KeyStore
from gateway.redis import client as redis_client
from gateway.redis import subscription as subscription_module
from tests.support.clock import Clock
from tests.support.valkey import Valkey
from tests.support.waiting import until

OWNER = "ada@example.com"


class ObservedStore(KeyStore):
    """A store that counts lookups, and can delay their results after Redis was read."""

    lookups = 0
    has_read: asyncio.Event | None = None
    may_return: asyncio.Event | None = None

    async def find_by_digest(self, digest: str) -> KeyLookup | None:
        self.lookups += 1
        lookup = await super().find_by_digest(digest)
        if self.has_read is not None:
            self.has_read.set()
        if self.may_return is not None:
            await self.may_return.wait()
        return lookup


class Worker:
    """The cache of one worker, with separate connections."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.redis = redis_client.connect(url)
        self.store = ObservedStore(self.redis, pepper=None, now_ms=clock.now_ms)
        self.outcomes: list[str] = []
        self.cache = KeyCache(
            self.store,
            self.redis,
            now_ms=clock.now_ms,
            monotonic=clock.monotonic,
            count_lookup=self.outcomes.append,
        )

    async def stop(self) -> None:
        await self.cache.stop()
        await self.redis.aclose()

    async def can_find(self, key: ApiKey) -> bool:
        try:
            await self.cache.find(key)
        except KeysUnavailable:
            return False
        return True

    async def until_evicted(self, key: ApiKey) -> None:
        await until(lambda: self.cache.cached_record(key) is None)


@pytest.fixture
async def worker(redis: Redis, valkey_url: str, clock: Clock) -> AsyncIterator[Worker]:
    worker = Worker(valkey_url, clock)
    await worker.cache.start()
    yield worker
    await worker.stop()


async def create(store: KeyStore) -> tuple[KeyRecord, ApiKey]:
    return await store.create(owner=OWNER, key_name="laptop")


async def test_a_key_is_looked_up_once_in_thirty_seconds(worker: Worker, store: KeyStore, clock: Clock) -> None:
    record, key = await create(store)
    for _ in range(3):
        assert await worker.cache.find(key) == record
    clock.advance(29.999)
    assert await worker.cache.find(key) == record
    assert worker.store.lookups == 1
    clock.advance(0.001)
    assert await worker.cache.find(key) == record
    assert worker.store.lookups == 2
    assert worker.outcomes == ["miss", "hit", "hit", "hit", "miss"]


async def test_an_unknown_key_is_none_and_not_cached(worker: Worker) -> None:
    key = ApiKey.generate()
    assert await worker.cache.find(key) is None
    assert await worker.cache.find(key) is None
    assert worker.store.lookups == 2


async def test_a_revocation_reaches_every_worker_before_the_record_expires(
    valkey_url: str, store: KeyStore, clock: Clock
) -> None:
    workers = [Worker(valkey_url, clock) for _ in range(2)]
    for worker in workers:
        await worker.cache.start()
    for _ in range(20):
        record, key = await create(store)
        for worker in workers:
            assert await worker.cache.find(key) == record
        await store.revoke(record.key_id)
        for worker in workers:
            await worker.until_evicted(key)
            found = await worker.cache.find(key)
            assert found is not None
            assert found.status(clock.now_ms()) == "revoked"
    for worker in workers:
        await worker.stop()


async def test_a_change_of_one_key_keeps_the_others_cached(worker: Worker, store: KeyStore) -> None:
    first, first_key = await create(store)
    _, other_key = await create(store)
    for key in (first_key, other_key):
        await worker.cache.find(key)
    await store.update(first.key_id, calls_per_day=1)
    await worker.until_evicted(first_key)
    await worker.cache.find(other_key)
    assert worker.store.lookups == 2
    found = await worker.cache.find(first_key)
    assert found is not None
    assert found.calls_per_day == 1


async def test_a_change_of_a_policy_drops_the_keys_of_its_owner_and_no_others(worker: Worker, store: KeyStore) -> None:
    keys = [(await create(store))[1] for _ in range(2)]
    _, other_key = await store.create(owner="bob@example.com", key_name="laptop")
    for key in (*keys, other_key):
        await worker.cache.find(key)
    policy = await store.policies.update(OWNER, {"calls_per_day": 1})
    for key in keys:
        await worker.until_evicted(key)
        found = await worker.cache.find(key)
        assert found is not None
        assert found.owner_policy == policy
    assert worker.cache.cached_record(other_key) is not None
    await store.policies.delete(OWNER)
    await worker.until_evicted(keys[0])


async def test_a_lookup_that_is_in_flight_during_a_change_of_the_policy_is_not_cached(
    worker: Worker, store: KeyStore
) -> None:
    later, later_key = await store.create(owner="bob@example.com", key_name="laptop")
    await worker.cache.find(later_key)
    _, key = await create(store)
    worker.store.may_return = asyncio.Event()
    worker.store.has_read = asyncio.Event()
    early = asyncio.create_task(worker.cache.find(key))
    await worker.store.has_read.wait()
    await store.policies.update(OWNER, {"calls_per_day": 1})
    await store.update(later.key_id, calls_per_day=1)
    await worker.until_evicted(later_key)
    worker.store.may_return.set()
    await early
    found = await worker.cache.find(key)
    assert found is not None
    assert found.owner_policy is not None


async def test_a_replaced_secret_is_not_cached_beyond_its_overlap(
    worker: Worker, store: KeyStore, clock: Clock
) -> None:
    record, old = await create(store)
    await worker.cache.find(old)
    await store.rotate(record.key_id, 10)
    await worker.until_evicted(old)
    assert await worker.cache.find(old) is not None
    clock.advance(10)
    assert await worker.cache.find(old) is None


async def test_concurrent_callers_share_one_lookup(worker: Worker, store: KeyStore) -> None:
    record, key = await create(store)
    other_record, other_key = await create(store)
    results = await asyncio.gather(
        *(worker.cache.find(key) for _ in range(50)),
        *(worker.cache.find(other_key) for _ in range(50)),
    )
    assert results == [record] * 50 + [other_record] * 50
    assert worker.store.lookups == 2


async def test_cancelling_a_caller_does_not_affect_the_others(worker: Worker, store: KeyStore) -> None:
    record, key = await create(store)
    other_record, other_key = await create(store)
    for _ in range(20):
        worker.store.may_return = asyncio.Event()
        callers = [asyncio.create_task(worker.cache.find(key)) for _ in range(3)]
        others = [asyncio.create_task(worker.cache.find(other_key)) for _ in range(3)]
        await asyncio.sleep(0)
        callers[0].cancel()
        others[0].cancel()
        worker.store.may_return.set()
        worker.store.may_return = None
        assert await asyncio.gather(*callers[1:]) == [record, record]
        assert await asyncio.gather(*others[1:]) == [other_record, other_record]
        assert callers[0].cancelled()
        await store.update(record.key_id, calls_per_day=None)
        await store.update(other_record.key_id, calls_per_day=None)
        await worker.until_evicted(key)
        await worker.until_evicted(other_key)


async def test_when_every_caller_is_cancelled_the_next_one_is_served(worker: Worker, store: KeyStore) -> None:
    record, key = await create(store)
    worker.store.may_return = asyncio.Event()
    caller = asyncio.create_task(worker.cache.find(key))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    worker.store.may_return.set()
    assert await worker.cache.find(key) == record


async def test_a_lookup_that_is_in_flight_during_a_revocation_is_not_cached(
    worker: Worker, store: KeyStore, clock: Clock
) -> None:
    # Messages arrive in order: when the later change has evicted its key, the revocation has been processed.
    later, later_key = await create(store)
    await worker.cache.find(later_key)
    record, key = await create(store)
    worker.store.may_return = asyncio.Event()
    worker.store.has_read = asyncio.Event()
    early = asyncio.create_task(worker.cache.find(key))
    await worker.store.has_read.wait()
    await store.revoke(record.key_id)
    await store.update(later.key_id, calls_per_day=1)
    await worker.until_evicted(later_key)
    # A caller that arrives after the message must not share the lookup from before it.
    late = asyncio.create_task(worker.cache.find(key))
    await asyncio.sleep(0)
    worker.store.may_return.set()
    found = await late
    assert found is not None
    assert found.status(clock.now_ms()) == "revoked"
    await early
    again = await worker.cache.find(key)
    assert again is not None
    assert again.status(clock.now_ms()) == "revoked"


async def test_losing_the_subscription_clears_the_cache(worker: Worker, store: KeyStore, redis: Redis) -> None:
    record, key = await create(store)
    await worker.cache.find(key)
    await redis.client_kill_filter(_type="pubsub")
    await worker.until_evicted(key)
    await worker.cache.find(key)
    assert worker.store.lookups == 2
    await store.revoke(record.key_id)
    await worker.until_evicted(key)


async def test_while_the_subscription_is_down_every_use_reads_redis(
    worker: Worker, store: KeyStore, redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_module, "INITIAL_BACKOFF", 60.0)
    record, key = await create(store)
    await worker.cache.find(key)
    await redis.client_kill_filter(_type="pubsub")
    await until(lambda: worker.cache.cached_record(key) is None)
    await store.revoke(record.key_id)
    found = await worker.cache.find(key)
    assert found is not None
    assert found.status(clock.now_ms()) == "revoked"
    assert worker.store.lookups == 2


async def test_while_redis_is_down_cached_keys_work_until_they_expire_and_others_are_unavailable(
    valkey: Valkey, clock: Clock
) -> None:
    worker = Worker(valkey.url, clock)
    await worker.cache.start()
    record, key = await create(worker.store)
    _, other_key = await create(worker.store)
    assert await worker.cache.find(key) == record
    clock.advance(20)
    valkey.kill()
    for _ in range(3):
        assert await worker.cache.find(key) == record
        with pytest.raises(KeysUnavailable):
            await worker.cache.find(other_key)
        clock.advance(3)
    clock.advance(1)
    with pytest.raises(KeysUnavailable):
        await worker.cache.find(key)
    assert worker.outcomes == ["miss", *["hit", "error"] * 3, "error"]

    valkey.start()
    await until(lambda: worker.can_find(key))
    assert await worker.cache.find(key) == record
    await worker.stop()


async def test_a_worker_starts_while_redis_is_down(valkey: Valkey, clock: Clock) -> None:
    valkey.kill()
    worker = Worker(valkey.url, clock)
    await worker.cache.start()
    with pytest.raises(KeysUnavailable):
        await worker.cache.find(ApiKey.generate())
    valkey.start()
    await until(lambda: worker.can_find(ApiKey.generate()))
    assert await worker.cache.find(ApiKey.generate()) is None
    await worker.stop()


async def test_the_cache_is_bounded_and_evicts_the_least_recently_used_key(
    worker: Worker, store: KeyStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "MAX_CACHED_KEYS", 3)
    keys = [(await create(store))[1] for _ in range(5)]
    for key in keys:
        await worker.cache.find(keys[0])
        await worker.cache.find(key)
    cached = [worker.cache.cached_record(key) is not None for key in keys]
    assert cached == [True, False, False, True, True]
    lookups = worker.store.lookups
    await worker.cache.find(keys[0])
    assert worker.store.lookups == lookups


async def test_stopping_the_cache_writes_the_pending_last_uses(valkey_url: str, store: KeyStore, clock: Clock) -> None:
    worker = Worker(valkey_url, clock)
    await worker.cache.start()
    record, key = await store.create(owner=OWNER, key_name="laptop")
    worker.cache.record_use(key, record.key_id, "agent", "192.0.2.7")
    await worker.stop()
    assert await store.last_uses.of_keys([record.key_id]) == {record.key_id: clock.now_ms()}
