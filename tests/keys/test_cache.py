"""The worker's memory of keys: bounds on how long it is wrong, and what happens while Redis is away."""

from __future__ import annotations

import asyncio
import logging
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis

from gateway.keys import cache as cache_module
from gateway.keys.cache import KeyCache, KeysUnavailable
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.keys.store import Found, KeyStore
from gateway.redis import client as redis_client
from gateway.redis import subscription as subscription_module
from gateway.redis.names import INVALIDATIONS
from tests.keys.clock import Clock
from tests.support.valkey import Valkey

OWNER = "ada@example.com"


class WatchedStore(KeyStore):
    """A store that counts look-ups, and can hold their answers back after they were read."""

    lookups = 0
    written: asyncio.Queue[Mapping[str, int]]
    held: asyncio.Event | None = None
    read: asyncio.Event | None = None

    async def record_uses(self, uses: Mapping[str, int]) -> None:
        await super().record_uses(uses)
        self.written.put_nowait(uses)

    async def find_digest(self, digest: str) -> Found | None:
        self.lookups += 1
        found = await super().find_digest(digest)
        if self.read is not None:
            self.read.set()
        if self.held is not None:
            await self.held.wait()
        return found


class Worker:
    """One worker's cache with its own connections."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.redis = redis_client.connect(url)
        self.store = WatchedStore(self.redis, pepper=None, now_ms=clock.now_ms)
        self.store.written = asyncio.Queue()
        self.cache = KeyCache(self.store, self.redis, now_ms=clock.now_ms, monotonic=clock.monotonic)
        self.changes: asyncio.Queue[str] = asyncio.Queue()
        self.resets: asyncio.Queue[None] = asyncio.Queue()
        self.cache.on_change = self.changes.put_nowait
        self.cache.on_reset = lambda: self.resets.put_nowait(None)

    async def start(self) -> None:
        await self.cache.start()
        if self.cache.hears_changes:
            await self.resets.get()

    async def stop(self) -> None:
        await self.cache.stop()
        await self.redis.aclose()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def worker(redis: Redis, valkey_url: str, clock: Clock) -> AsyncIterator[Worker]:
    worker = Worker(valkey_url, clock)
    await worker.start()
    yield worker
    await worker.stop()


@pytest.fixture
def store(redis: Redis, clock: Clock) -> KeyStore:
    return KeyStore(redis, pepper=None, now_ms=clock.now_ms)


@pytest.fixture
def own_valkey() -> Iterator[Valkey]:
    """A Valkey that a test may kill."""
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = Valkey(Path(folder))
        server.start()
        yield server
        if server.process is not None and server.process.poll() is None:
            server.process.send_signal(signal.SIGCONT)
            server.kill()


async def made(store: KeyStore) -> tuple[KeyRecord, ApiKey]:
    return await store.create(owner=OWNER, key_name="laptop")


async def test_a_key_is_looked_up_once_in_thirty_seconds(worker: Worker, store: KeyStore, clock: Clock) -> None:
    record, key = await made(store)
    for _ in range(3):
        assert await worker.cache.authenticate(key) == record
    clock.advance(29_999)
    assert await worker.cache.authenticate(key) == record
    assert worker.store.lookups == 1
    clock.advance(1)
    assert await worker.cache.authenticate(key) == record
    assert worker.store.lookups == 2


async def test_an_unknown_key_is_none_and_not_remembered(worker: Worker) -> None:
    key = ApiKey.generate()
    assert await worker.cache.authenticate(key) is None
    assert await worker.cache.authenticate(key) is None
    assert worker.store.lookups == 2


async def test_revoked_key_is_refused_on_every_worker_within_100_ms(
    valkey_url: str, store: KeyStore, clock: Clock
) -> None:
    workers = [Worker(valkey_url, clock) for _ in range(2)]
    slowest = 0.0
    for worker in workers:
        await worker.start()
    for _ in range(20):
        record, key = await made(store)
        for worker in workers:
            assert await worker.cache.authenticate(key) == record
        revoked_at = time.perf_counter()
        # Workers do not wait for the disk of Redis, which whoever revokes waits for.
        revoking = asyncio.create_task(store.revoke(record.key_id))
        for worker in workers:
            async with asyncio.timeout(0.1):
                assert await worker.changes.get() == record.key_id
            slowest = max(slowest, time.perf_counter() - revoked_at)
            seen = await worker.cache.authenticate(key)
            assert seen is not None
            assert seen.status(clock.now_ms()) == "revoked"
        await revoking
    for worker in workers:
        await worker.stop()
    logging.getLogger(__name__).info("slowest revocation: %.1f ms", slowest * 1000)
    assert slowest < 0.1


async def test_a_change_of_one_key_keeps_the_others(worker: Worker, store: KeyStore) -> None:
    first, first_key = await made(store)
    _, other_key = await made(store)
    for key in (first_key, other_key):
        await worker.cache.authenticate(key)
    await store.update(first.key_id, calls_per_day=1)
    await worker.changes.get()
    await worker.cache.authenticate(other_key)
    assert worker.store.lookups == 2
    seen = await worker.cache.authenticate(first_key)
    assert seen is not None
    assert seen.calls_per_day == 1


async def test_a_replaced_secret_is_not_remembered_beyond_its_overlap(
    worker: Worker, store: KeyStore, clock: Clock
) -> None:
    record, old = await made(store)
    await store.rotate(record.key_id, 10)
    await worker.changes.get()
    assert await worker.cache.authenticate(old) is not None
    clock.advance(10_000)
    assert await worker.cache.authenticate(old) is None


async def test_callers_at_the_same_time_share_one_look_up(worker: Worker, store: KeyStore) -> None:
    record, key = await made(store)
    other_record, other_key = await made(store)
    answers = await asyncio.gather(
        *(worker.cache.authenticate(key) for _ in range(50)),
        *(worker.cache.authenticate(other_key) for _ in range(50)),
    )
    assert answers == [record] * 50 + [other_record] * 50
    assert worker.store.lookups == 2


async def test_a_cancelled_caller_disturbs_no_other(worker: Worker, store: KeyStore) -> None:
    record, key = await made(store)
    other_record, other_key = await made(store)
    for _ in range(20):
        worker.store.held = asyncio.Event()
        callers = [asyncio.create_task(worker.cache.authenticate(key)) for _ in range(3)]
        others = [asyncio.create_task(worker.cache.authenticate(other_key)) for _ in range(3)]
        await asyncio.sleep(0)
        callers[0].cancel()
        others[0].cancel()
        worker.store.held.set()
        worker.store.held = None
        assert await asyncio.gather(*callers[1:]) == [record, record]
        assert await asyncio.gather(*others[1:]) == [other_record, other_record]
        assert callers[0].cancelled()
        await store.update(record.key_id, calls_per_day=None)
        await store.update(other_record.key_id, calls_per_day=None)
        await worker.changes.get()
        await worker.changes.get()


async def test_when_every_caller_is_cancelled_the_next_one_is_served(worker: Worker, store: KeyStore) -> None:
    record, key = await made(store)
    worker.store.held = asyncio.Event()
    caller = asyncio.create_task(worker.cache.authenticate(key))
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.gather(caller, return_exceptions=True)
    worker.store.held.set()
    assert await worker.cache.authenticate(key) == record


async def test_a_look_up_under_way_during_a_revocation_is_never_remembered(
    worker: Worker, store: KeyStore, clock: Clock
) -> None:
    record, key = await made(store)
    worker.store.held = asyncio.Event()
    worker.store.read = asyncio.Event()
    early = asyncio.create_task(worker.cache.authenticate(key))
    await worker.store.read.wait()
    await store.revoke(record.key_id)
    await worker.changes.get()
    # Whoever comes after the message must not be given what was read before it.
    late = asyncio.create_task(worker.cache.authenticate(key))
    await asyncio.sleep(0)
    worker.store.held.set()
    seen = await late
    assert seen is not None
    assert seen.status(clock.now_ms()) == "revoked"
    await early
    again = await worker.cache.authenticate(key)
    assert again is not None
    assert again.status(clock.now_ms()) == "revoked"


async def test_a_lost_subscription_is_noticed_and_empties_the_memory(
    worker: Worker, store: KeyStore, redis: Redis
) -> None:
    _, key = await made(store)
    await worker.cache.authenticate(key)
    await redis.client_kill_filter(_type="pubsub")
    async with asyncio.timeout(5):
        await worker.resets.get()
    assert worker.cache.hears_changes
    await worker.cache.authenticate(key)
    assert worker.store.lookups == 2
    revoked, _ = await made(store)
    await store.revoke(revoked.key_id)
    async with asyncio.timeout(1):
        assert await worker.changes.get() == revoked.key_id


async def test_while_changes_cannot_be_heard_every_use_is_asked_for_again(
    worker: Worker, store: KeyStore, redis: Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription_module, "FIRST_PAUSE", 60.0)
    record, key = await made(store)
    await worker.cache.authenticate(key)
    lost = asyncio.Event()
    monkeypatch.setattr(subscription_module.log, "warning", lambda *_: lost.set())
    await redis.client_kill_filter(_type="pubsub")
    await lost.wait()
    await store.revoke(record.key_id)
    seen = await worker.cache.authenticate(key)
    assert seen is not None
    assert seen.status(clock.now_ms()) == "revoked"
    assert worker.store.lookups == 2


async def test_while_redis_is_away_known_keys_go_on_and_all_else_is_unavailable(
    own_valkey: Valkey, clock: Clock
) -> None:
    worker = Worker(own_valkey.url, clock)
    await worker.start()
    record, key = await made(worker.store)
    _, unknown = await made(worker.store)
    assert await worker.cache.authenticate(key) == record
    clock.advance(20_000)
    own_valkey.kill()
    for _ in range(3):
        assert await worker.cache.authenticate(key) == record
        with pytest.raises(KeysUnavailable):
            await worker.cache.authenticate(unknown)
        clock.advance(3_000)
    clock.advance(1_000)
    with pytest.raises(KeysUnavailable):
        await worker.cache.authenticate(key)

    own_valkey.start()
    async with asyncio.timeout(5):
        await worker.resets.get()
    assert await worker.cache.authenticate(key) == record
    await worker.stop()


async def test_a_silent_redis_is_noticed(own_valkey: Valkey, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = Worker(own_valkey.url, clock)
    monkeypatch.setattr(worker.cache._subscription, "_ping_every", 0.1)
    await worker.start()
    lost = asyncio.Event()
    monkeypatch.setattr(subscription_module.log, "warning", lambda *_: lost.set())
    assert own_valkey.process is not None
    own_valkey.process.send_signal(signal.SIGSTOP)
    async with asyncio.timeout(2):
        await lost.wait()
    assert not worker.cache.hears_changes
    own_valkey.process.send_signal(signal.SIGCONT)
    async with asyncio.timeout(5):
        await worker.resets.get()
    await worker.stop()


async def test_a_quiet_subscription_stays(worker: Worker, monkeypatch: pytest.MonkeyPatch, redis: Redis) -> None:
    monkeypatch.setattr(worker.cache._subscription, "_ping_every", 0.01)
    await redis.publish(INVALIDATIONS, "key_a")
    await worker.changes.get()
    await asyncio.sleep(0.2)
    assert worker.cache.hears_changes
    assert worker.resets.empty()


async def test_a_worker_starts_while_redis_is_away(own_valkey: Valkey, clock: Clock) -> None:
    own_valkey.kill()
    worker = Worker(own_valkey.url, clock)
    await worker.start()
    with pytest.raises(KeysUnavailable):
        await worker.cache.authenticate(ApiKey.generate())
    own_valkey.start()
    async with asyncio.timeout(5):
        await worker.resets.get()
    assert await worker.cache.authenticate(ApiKey.generate()) is None
    await worker.stop()


async def test_the_memory_is_bounded(worker: Worker, store: KeyStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "MAX_ENTRIES", 3)
    keys = [(await made(store))[1] for _ in range(5)]
    for key in keys:
        await worker.cache.authenticate(keys[0])
        await worker.cache.authenticate(key)
    assert len(worker.cache._entries) == 3
    assert len(worker.cache._digests) == 3
    asked = worker.store.lookups
    await worker.cache.authenticate(keys[0])
    assert worker.store.lookups == asked


async def test_last_uses_are_written_in_batches_and_when_the_worker_stops(
    valkey_url: str, store: KeyStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "FLUSH_EVERY", 0.02)
    worker = Worker(valkey_url, clock)
    await worker.start()
    worker.cache.used("key_a")
    worker.cache.used("key_a")
    async with asyncio.timeout(2):
        assert await worker.store.written.get() == {"key_a": clock.now_ms()}
    monkeypatch.setattr(cache_module, "FLUSH_EVERY", 60)
    clock.advance(7)
    worker.cache.used("key_a")
    await worker.stop()
    assert await store.last_used(["key_a"]) == {"key_a": clock.now_ms()}


async def test_last_uses_wait_while_redis_is_away(own_valkey: Valkey, clock: Clock) -> None:
    worker = Worker(own_valkey.url, clock)
    await worker.start()
    worker.cache.used("key_a")
    own_valkey.kill()
    await worker.cache._flush()
    own_valkey.start()
    await worker.cache._flush()
    assert await worker.store.last_used(["key_a"]) == {"key_a": clock.now_ms()}
    await worker.stop()


async def test_a_fault_of_a_hook_does_not_end_the_listening(worker: Worker, store: KeyStore) -> None:
    def broken(key_id: str) -> None:
        worker.cache.on_change = worker.changes.put_nowait
        raise RuntimeError(key_id)

    worker.cache.on_change = broken
    record, _ = await made(store)
    await store.revoke(record.key_id)
    async with asyncio.timeout(5):
        await worker.resets.get()
    await store.revoke(record.key_id)
    async with asyncio.timeout(1):
        assert await worker.changes.get() == record.key_id
