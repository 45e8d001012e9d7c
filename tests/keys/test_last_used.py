"""Batched writing of the times at which keys were last used."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
import redis.asyncio

from gateway.keys import last_used
from gateway.keys.last_used import LastUsedWriter
from gateway.keys.store import KeyStore
from gateway.redis import client as redis_client
from tests.support.clock import Clock
from tests.support.valkey import Valkey


class RecordingStore(KeyStore):
    """A store that reports what is written."""

    def __init__(self, redis: redis.asyncio.Redis, clock: Clock) -> None:
        super().__init__(redis, pepper=None, now_ms=clock.now_ms)
        self.writes: asyncio.Queue[Mapping[str, int]] = asyncio.Queue()

    async def record_last_used(self, uses: Mapping[str, int]) -> None:
        await super().record_last_used(uses)
        self.writes.put_nowait(uses)


async def test_uses_are_written_in_batches_and_at_the_end(
    redis: redis.asyncio.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_used, "FLUSH_INTERVAL", 0.02)
    store = RecordingStore(redis, clock)
    writer = LastUsedWriter(store, now_ms=clock.now_ms)
    writer.start()
    writer.record("key_a")
    writer.record("key_b")
    writer.record("key_a")
    async with asyncio.timeout(5):
        assert await store.writes.get() == {"key_a": clock.now_ms(), "key_b": clock.now_ms()}
    monkeypatch.setattr(last_used, "FLUSH_INTERVAL", 60)
    clock.advance(0.007)
    writer.record("key_a")
    await writer.stop()
    assert await store.last_used(["key_a"]) == {"key_a": clock.now_ms()}


async def test_uses_are_kept_while_redis_is_down(valkey: Valkey, clock: Clock) -> None:
    client = redis_client.connect(valkey.url)
    store = KeyStore(client, pepper=None, now_ms=clock.now_ms)
    writer = LastUsedWriter(store, now_ms=clock.now_ms)
    writer.record("key_a")
    valkey.kill()
    await writer.flush()
    valkey.start()
    await writer.flush()
    assert await store.last_used(["key_a"]) == {"key_a": clock.now_ms()}
    await client.aclose()


async def test_the_number_of_pending_keys_is_bounded(
    redis: redis.asyncio.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_used, "MAX_PENDING", 2)
    store = KeyStore(redis, pepper=None, now_ms=clock.now_ms)
    writer = LastUsedWriter(store, now_ms=clock.now_ms)
    for key_id in ("key_a", "key_b", "key_c", "key_a"):
        writer.record(key_id)
    await writer.flush()
    assert set(await store.last_used(["key_a", "key_b", "key_c"])) == {"key_a", "key_b"}
