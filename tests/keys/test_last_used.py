"""Batched writing of the last uses of keys and secrets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
import redis.asyncio

from gateway.keys import last_used
from gateway.keys.last_used import LastUsedWriter
from gateway.keys.storage.last_uses import KeyUse, LastUses
from gateway.redis import client as redis_client
from tests.support.clock import Clock
from tests.support.valkey import Valkey


class RecordingLastUses(LastUses):
    """Reports what is written."""

    def __init__(self, redis: redis.asyncio.Redis) -> None:
        super().__init__(redis)
        self.writes: asyncio.Queue[Mapping[str, KeyUse]] = asyncio.Queue()

    async def record(self, uses: Mapping[str, KeyUse]) -> None:
        await super().record(uses)
        self.writes.put_nowait(uses)


def record(writer: LastUsedWriter, name: str, client: str = "agent") -> None:
    writer.record(f"digest-{name}", f"key_{name}", client, "192.0.2.7")


async def test_uses_are_written_in_batches_and_at_the_end(
    redis: redis.asyncio.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_used, "FLUSH_INTERVAL", 0.02)
    last_uses = RecordingLastUses(redis)
    writer = LastUsedWriter(last_uses, now_ms=clock.now_ms)
    writer.start()
    record(writer, "a", client="first")
    record(writer, "b")
    record(writer, "a", client="second")
    async with asyncio.timeout(30):
        assert await last_uses.writes.get() == {
            "digest-a": KeyUse("key_a", clock.now_ms(), "second", "192.0.2.7"),
            "digest-b": KeyUse("key_b", clock.now_ms(), "agent", "192.0.2.7"),
        }
    monkeypatch.setattr(last_used, "FLUSH_INTERVAL", 60)
    clock.advance(0.007)
    record(writer, "a")
    await writer.stop()
    assert await last_uses.of_keys(["key_a"]) == {"key_a": clock.now_ms()}


async def test_uses_are_kept_while_redis_is_down(valkey: Valkey, clock: Clock) -> None:
    client = redis_client.connect(valkey.url)
    last_uses = LastUses(client)
    writer = LastUsedWriter(last_uses, now_ms=clock.now_ms)
    record(writer, "a")
    valkey.kill()
    await writer.flush()
    valkey.start()
    await writer.flush()
    assert await last_uses.of_keys(["key_a"]) == {"key_a": clock.now_ms()}
    await client.aclose()


async def test_the_number_of_pending_uses_is_bounded(
    redis: redis.asyncio.Redis, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(last_used, "MAX_PENDING", 2)
    last_uses = LastUses(redis)
    writer = LastUsedWriter(last_uses, now_ms=clock.now_ms)
    for name in ("a", "b", "c", "a"):
        record(writer, name)
    await writer.flush()
    assert set(await last_uses.of_keys(["key_a", "key_b", "key_c"])) == {"key_a", "key_b"}
