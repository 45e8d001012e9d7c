"""Counts of refused requests reach the usage stream, also after an outage of Redis and when the worker stops."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import redis.asyncio
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.proxy.admission.rejections import INTERNAL, NO_KEY, NO_TOOL
from gateway.proxy.clock import Clock as ProxyClock
from gateway.proxy.denials import sending
from gateway.proxy.denials.counts import MAX_COUNTS, DenialCounts
from gateway.proxy.denials.sending import Denials
from gateway.redis.client import connect
from tests.proxy.denials.support import streamed_counts, sums
from tests.proxy.denials.test_counts import key
from tests.support.clock import Clock
from tests.support.valkey import Valkey
from tests.support.waiting import until


def denials_of(client: Redis, clock: Clock) -> Denials:
    return Denials(client, ProxyClock(clock.now_ms, clock.monotonic), DenialCounts(lambda _tool: True), "gateway-1")


@pytest.fixture
def denials(redis: Redis, clock: Clock) -> Denials:
    return denials_of(redis, clock)


@pytest.fixture
async def client(valkey: Valkey) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of a Valkey that can be stopped."""
    client = connect(valkey.url)
    yield client
    await client.aclose()


async def test_only_403_and_429_are_counted(denials: Denials, redis: Redis) -> None:
    for deny in (NO_TOOL, NO_KEY, INTERNAL):
        denials.count(deny, key(), "run_sql")
    assert await denials.send()
    assert sums(await streamed_counts(redis)) == {("run_sql", 403, "tool"): 1}


async def test_without_refused_requests_nothing_is_sent(denials: Denials, redis: Redis) -> None:
    assert await denials.send()
    await denials.close()
    assert await streamed_counts(redis) == []


async def test_counts_are_sent_while_the_worker_runs(
    denials: Denials, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sending, "SEND_SECONDS", 0.01)
    denials.start()
    for total in (1, 2):
        denials.count(NO_TOOL, key(), "")
        await until(partial(_is_sum, redis, total))
    await denials.close()


async def test_counts_are_sent_immediately_when_there_is_no_room_for_more(denials: Denials, redis: Redis) -> None:
    denials.start()
    for number in range(MAX_COUNTS):
        denials.count(NO_TOOL, key(f"key_{number}"), "")
    await until(lambda: _is_sum(redis, MAX_COUNTS))
    await denials.close()


async def test_the_last_counts_are_sent_when_the_worker_stops(denials: Denials, redis: Redis) -> None:
    denials.start()
    await asyncio.sleep(0)
    denials.count(NO_TOOL, key(), "")
    await denials.close()
    assert await _is_sum(redis, 1)


async def test_counts_of_an_outage_of_redis_are_sent_after_it(
    valkey: Valkey, client: redis.asyncio.Redis, clock: Clock
) -> None:
    denials = denials_of(client, clock)
    denials.count(NO_TOOL, key(), "before")
    valkey.kill()
    assert not await denials.send()
    denials.count(NO_TOOL, key(), "during")
    assert not await denials.send()
    valkey.start()
    await denials.close()
    assert sums(await streamed_counts(client)) == {("before", 403, "tool"): 1, ("during", 403, "tool"): 1}


async def test_counts_whose_reply_was_lost_are_sent_again_under_the_same_ids(
    redis: Redis, denials: Denials, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = redis.xadd

    async def add_and_lose_reply(*arguments: Any, **named: Any) -> None:
        await add(*arguments, **named)
        raise RedisConnectionError("the reply was lost")

    denials.count(NO_TOOL, key(), "")
    with monkeypatch.context() as patch:
        patch.setattr(redis, "xadd", add_and_lose_reply)
        assert not await denials.send()
    denials.count(NO_TOOL, key(), "")
    assert await denials.send()
    first, again = await streamed_counts(redis)
    assert first == again


async def test_counts_that_are_lost_with_redis_at_the_end_are_logged(
    valkey: Valkey, client: redis.asyncio.Redis, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    denials = denials_of(client, clock)
    denials.count(NO_TOOL, key(), "")
    valkey.kill()
    with caplog.at_level(logging.WARNING, sending.__name__):
        await denials.close()
    assert "are lost: Redis is unavailable" in caplog.text


async def _is_sum(client: Redis, total: int) -> bool:
    return sum(count.count for count in await streamed_counts(client)) == total
