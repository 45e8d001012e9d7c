"""Dead letters: refused events are kept until an operator retries or drops them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.consumer.dead_letters import DeadLetters
from gateway.usage.event import pack
from gateway.usage.producer.stream import UsageStream
from gateway.usage.store.table import UsageTable
from tests.usage.support import DAY_MS, RunningWriter, drained, entries, event, ids, logged, rolled_up, until

Start = Callable[..., RunningWriter]


@pytest.fixture
def letters(redis: redis.asyncio.Redis) -> DeadLetters:
    return DeadLetters(redis)


async def refuse(redis: redis.asyncio.Redis, packed: bytes, reason: str = "too odd") -> None:
    await redis.xadd(redis_names.USAGE_DEAD_LETTERS, {"e": packed, "reason": reason})


async def test_dead_letters_are_listed_with_their_events_and_reasons(
    redis: redis.asyncio.Redis, letters: DeadLetters
) -> None:
    one = event()
    await refuse(redis, pack((one,)))
    await refuse(redis, b"\xc1 no event")
    first, second = [letter async for letter in letters.all()]
    assert (first.events, first.reason, first.count, first.day) == ((one,), "too odd", 1, one.day)
    assert (second.events, second.size, second.count, second.day) == ((), 10, 1, second.at // DAY_MS)
    assert await letters.get(first.id) == first
    assert [await letters.get(unknown) for unknown in ("1-1", "-", "+", "x")] == [None] * 4
    assert [letter async for letter in letters.all(since=second.at + 1)] == []


async def test_dead_letters_of_several_pages_are_all_listed(redis: redis.asyncio.Redis, letters: DeadLetters) -> None:
    for _ in range(1201):
        await refuse(redis, b"")
    assert len({letter.id async for letter in letters.all()}) == 1201


async def test_a_retried_dead_letter_is_added_once(redis: redis.asyncio.Redis, letters: DeadLetters) -> None:
    await refuse(redis, pack((event(),)))
    found = [letter async for letter in letters.all()]
    assert await letters.retry(found) == 1
    assert await letters.retry(found) == 0
    assert [b"again" in fields for _, fields in await entries(redis, redis_names.USAGE)] == [True]
    assert await entries(redis, redis_names.USAGE_DEAD_LETTERS) == []


async def test_a_dropped_dead_letter_is_counted_for_its_day(redis: redis.asyncio.Redis, letters: DeadLetters) -> None:
    one = event()
    await refuse(redis, pack((one,)))
    found = [letter async for letter in letters.all()]
    assert await letters.drop(found) == 1
    assert await letters.drop(found) == 0
    assert await entries(redis, redis_names.USAGE_DEAD_LETTERS) == []
    assert [await letters.dropped(day) for day in (one.day, one.day + 1)] == [1, 0]


async def test_a_retried_event_is_stored_once_and_a_bad_one_returns(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, letters: DeadLetters, start_writer: Start
) -> None:
    good, bad = event(), event(created_at=1)
    await refuse(redis, pack((good,)))
    await refuse(redis, pack((bad,)))
    start_writer()
    await letters.retry([letter async for letter in letters.all()])
    await drained(redis)
    # Retried again, as by an operator who saw no result.
    await refuse(redis, pack((good,)))
    await letters.retry([letter async for letter in letters.all()])
    await drained(redis)

    async def has_returned() -> bool:
        return len(await entries(redis, redis_names.USAGE_DEAD_LETTERS)) == 1

    await until(has_returned)
    assert await logged(table) == ids([good])
    assert await rolled_up(table) == (1, 20)
