"""Checks that fail: what is consumed, given back and asked again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from gateway.keys.limits import counter
from gateway.proxy.admission.limits.checks import RETRY_SECONDS
from gateway.redis.client import connect
from tests.proxy.admission.limits.workers import NOON, FixedTime, LimitWorker, key
from tests.support.valkey import Valkey

USED = counter("key_1", "calls", "day", NOON // 1000)


async def used(redis: Redis) -> int:
    """Return the calls that were counted today."""
    return int(await redis.get(USED) or 0)


class LossyFront:
    """Forwards connections to Valkey, and closes one before a reply if `loses_reply`."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.loses_reply = False
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies, commands = await asyncio.open_unix_connection(self._path)
        forwarding = asyncio.gather(self._forward(reader, commands), self._forward(replies, writer, has_replies=True))
        try:
            await forwarding
        finally:
            writer.close()
            commands.close()

    async def _forward(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, has_replies: bool = False
    ) -> None:
        while data := await source.read(65_536):
            if has_replies and self.loses_reply:
                self.loses_reply = False
                break
            target.write(data)
        target.close()


@pytest.fixture
async def front(valkey_url: str) -> AsyncIterator[LossyFront]:
    front = LossyFront(valkey_url.removeprefix("unix://"))
    server = await asyncio.start_server(front.serve, "127.0.0.1", 0)
    front.port = server.sockets[0].getsockname()[1]
    yield front
    server.close()


async def test_what_was_taken_ahead_is_given_back_once_if_the_reply_is_lost(redis: Redis, front: LossyFront) -> None:
    client = connect(f"redis://127.0.0.1:{front.port}")
    worker = LimitWorker(client)
    for _ in range(20):
        assert await worker.consume(key(calls_per_day=10_000)) is None
    before = await used(redis)
    front.loses_reply = True
    await worker.limiter.close()
    assert before > await used(redis) >= 20
    await client.aclose()


async def test_a_call_whose_reply_is_lost_is_admitted_and_consumes_at_least_once(
    redis: Redis, front: LossyFront
) -> None:
    client = connect(f"redis://127.0.0.1:{front.port}")
    worker = LimitWorker(client)
    assert await worker.consume(key(calls_per_day=5)) is None
    front.loses_reply = True
    assert await worker.consume(key(calls_per_day=5)) is None
    assert 2 <= await used(redis) <= 3
    await worker.limiter.close()
    await client.aclose()


async def test_redis_is_asked_again_after_a_failure_although_calls_were_refused_meanwhile(valkey: Valkey) -> None:
    client = connect(valkey.url)
    time = FixedTime()
    worker = LimitWorker(client, time)
    valkey.kill()
    async with asyncio.timeout(30):
        for seconds in (0.0, 0.4, 0.9):
            time.seconds = seconds * RETRY_SECONDS
            deny = await worker.consume(key(calls_per_day=5))
            assert deny is not None
            assert deny.status == 503
        valkey.start()
        time.seconds = 1.1 * RETRY_SECONDS
        assert await worker.consume(key(calls_per_day=5)) is None
    await worker.limiter.close()
    await client.aclose()


async def test_results_that_are_settled_together_lose_nothing_that_was_taken_ahead(redis: Redis) -> None:
    worker = LimitWorker(redis)
    record = key(records_per_day=2000)
    settled = 0
    while admitted := (await asyncio.gather(*(worker.settle(record, 5) for _ in range(20)))).count(None):
        settled += 5 * admitted
    assert 0.95 * 2000 <= settled < 2000 + 5
