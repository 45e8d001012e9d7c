"""The pending set of a consumer is its batch, whatever happens between."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.consumer.batches import TAKE_EVENTS, DeadLetter, LeaseLost, UsageBatches
from gateway.usage.consumer.lease import Lease
from gateway.usage.event import pack, unpack
from tests.usage.support import add, entries, event


@pytest.fixture
async def batches(redis: redis.asyncio.Redis) -> UsageBatches:
    await Lease(redis, redis_names.USAGE_LEASE, "me", 60).acquire()
    found = UsageBatches(redis, "me")
    await found.prepare()
    return found


async def test_entries_of_before_the_group_are_not_missed(redis: redis.asyncio.Redis) -> None:
    await add(redis, event())
    await Lease(redis, redis_names.USAGE_LEASE, "me", 60).acquire()
    batches = UsageBatches(redis, "me")
    await batches.prepare()
    await batches.prepare()
    assert await batches.take() == 1


async def test_what_was_taken_is_the_batch_however_often_it_is_read(
    redis: redis.asyncio.Redis, batches: UsageBatches
) -> None:
    events = [event() for _ in range(3)]
    added = [await add(redis, one) for one in events]
    assert await batches.take() == 3
    await add(redis, event())
    first, again = await batches.pending(), await batches.pending()
    assert first is not None
    assert first.ids == tuple(added)
    assert first.events == tuple(events)
    assert first == again


async def test_a_take_whose_answer_was_lost_is_in_the_batch(redis: redis.asyncio.Redis, batches: UsageBatches) -> None:
    added = [await add(redis, event()) for _ in range(TAKE_EVENTS + 1)]
    # As a client does that sends a command again after a broken connection.
    await batches.take()
    await batches.take()
    batch = await batches.pending()
    assert batch is not None
    assert batch.ids == tuple(added)


async def test_the_weight_of_what_was_taken_counts_events_and_kilobytes(
    redis: redis.asyncio.Redis, batches: UsageBatches
) -> None:
    await add(redis, *(event() for _ in range(15)))
    assert await batches.take() == 15
    await add(redis, *(event() for _ in range(256)))
    assert await batches.take() == 256
    await add(redis, event(session_id="x" * 10_000))
    assert 10 <= await batches.take() <= 11
    await redis.xadd(redis_names.USAGE, {"e": b""})
    assert await batches.take() == 1
    assert await batches.take() == 0


async def test_without_the_lease_nothing_becomes_pending(redis: redis.asyncio.Redis, batches: UsageBatches) -> None:
    await add(redis, event())
    await redis.set(redis_names.USAGE_LEASE, "another")
    with pytest.raises(LeaseLost):
        await batches.take()
    await redis.delete(redis_names.USAGE_LEASE)
    with pytest.raises(LeaseLost):
        await batches.take()
    assert await batches.pending() is None


async def test_settling_removes_the_batch_and_keeps_its_dead_letters(
    redis: redis.asyncio.Redis, batches: UsageBatches
) -> None:
    for _ in range(3):
        await add(redis, event())
    await batches.take()
    batch = await batches.pending()
    assert batch is not None
    assert await batches.settle(batch, [DeadLetter(b"packed", "why")])
    assert await redis.xlen(redis_names.USAGE) == 0
    assert await batches.pending() is None
    ((_, letter),) = await entries(redis, redis_names.USAGE_DEAD_LETTERS)
    assert letter == {b"e": b"packed", b"reason": b"why"}


async def test_settling_twice_writes_dead_letters_once(redis: redis.asyncio.Redis, batches: UsageBatches) -> None:
    await add(redis, event())
    await batches.take()
    batch = await batches.pending()
    assert batch is not None
    assert await batches.settle(batch, [DeadLetter(b"packed", "why")])
    assert not await batches.settle(batch, [DeadLetter(b"packed", "why")])
    assert await redis.xlen(redis_names.USAGE_DEAD_LETTERS) == 1


async def test_a_large_batch_is_settled_whole(redis: redis.asyncio.Redis, batches: UsageBatches) -> None:
    async with redis.pipeline() as pipe:
        for _ in range(9_999):
            pipe.xadd(redis_names.USAGE, {"e": pack((event(),))})
        await pipe.execute()
    while await batches.take():
        pass
    batch = await batches.pending()
    assert batch is not None
    assert len(batch.events) == 9_999
    assert await batches.settle(batch, [])
    assert await redis.xlen(redis_names.USAGE) == 0


async def test_other_consumers_left_overs_are_batches_of_their_own(
    redis: redis.asyncio.Redis, batches: UsageBatches
) -> None:
    added = [await add(redis, event()) for _ in range(4)]
    await redis.xreadgroup(redis_names.USAGE_GROUP, "older", {redis_names.USAGE: ">"}, count=3)
    await batches.take()
    left_over = [batch async for batch in batches.left_over()]
    assert sorted(batch.ids for batch in left_over) == [tuple(added[:3]), tuple(added[3:])]


async def test_an_entry_removed_while_pending_does_not_change_the_token(
    redis: redis.asyncio.Redis, batches: UsageBatches
) -> None:
    first = await add(redis, event())
    await add(redis, event())
    await batches.take()
    before = await batches.pending()
    await redis.xdel(redis_names.USAGE, first)
    after = await batches.pending()
    assert before is not None
    assert after is not None
    assert after.token == before.token
    assert (after.missing, len(after.events)) == (1, 1)


async def test_an_event_that_the_stream_has_twice_is_in_the_batch_once(
    redis: redis.asyncio.Redis, batches: UsageBatches
) -> None:
    one, other = event(), event()
    await add(redis, one, other)
    await add(redis, one)
    await batches.take()
    batch = await batches.pending()
    assert batch is not None
    assert batch.events == (one, other)


@pytest.mark.parametrize("packed", [b"", b"junk", b"\x91\x91\xa1a"])
async def test_unreadable_entries_are_dead_letters_as_they_are(
    redis: redis.asyncio.Redis, batches: UsageBatches, packed: bytes
) -> None:
    entry: Any = await redis.xadd(redis_names.USAGE, {"e": packed})
    await batches.take()
    batch = await batches.pending()
    assert batch is not None
    (letter,) = batch.dead
    assert letter.packed == packed
    assert letter.reason.startswith(f"entry {entry.decode()} cannot be read")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"created_at": 1 << 62}, "created_at"),
        ({"created_at": -1}, "created_at"),
        ({"record_count": -1}, "record_count"),
        ({"response_bytes": -1}, "response_bytes"),
    ],
)
async def test_events_that_the_table_cannot_hold_are_told_beforehand(
    redis: redis.asyncio.Redis, batches: UsageBatches, values: dict[str, int], named: str
) -> None:
    bad, good = event(**values), event()
    await add(redis, bad, good)
    await batches.take()
    batch = await batches.pending()
    assert batch is not None
    assert batch.events == (good,)
    assert unpack(batch.dead[0].packed) == (bad,)
    assert named in batch.dead[0].reason


async def test_backlog_gives_the_length_and_the_time_of_the_oldest(
    redis: redis.asyncio.Redis, batches: UsageBatches
) -> None:
    assert await batches.backlog() == (0, None)
    first = await add(redis, event())
    await add(redis, event())
    assert await batches.backlog() == (2, int(first.split(b"-")[0]))
