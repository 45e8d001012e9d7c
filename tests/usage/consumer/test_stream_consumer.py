"""The stream consumer: the pending set is the batch, whatever happens in between."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.redis.lease import Lease, LeaseLost
from gateway.usage.consumer.batch import RejectedEvent
from gateway.usage.consumer.stream_consumer import TAKE_EVENTS, StreamConsumer
from gateway.usage.event import pack, unpack
from tests.usage.support import add, entries, event


@pytest.fixture
async def consumer(redis: redis.asyncio.Redis) -> StreamConsumer:
    await Lease(redis, redis_names.USAGE_LEASE, "me", 60).acquire()
    consumer = StreamConsumer(redis, "me")
    await consumer.create_group()
    return consumer


async def test_entries_older_than_the_group_are_read(redis: redis.asyncio.Redis) -> None:
    await add(redis, event())
    await Lease(redis, redis_names.USAGE_LEASE, "me", 60).acquire()
    consumer = StreamConsumer(redis, "me")
    await consumer.create_group()
    await consumer.create_group()
    assert await consumer.take() == 1


async def test_reading_the_pending_set_again_gives_the_same_batch(
    redis: redis.asyncio.Redis, consumer: StreamConsumer
) -> None:
    events = [event() for _ in range(3)]
    added = [await add(redis, one) for one in events]
    assert await consumer.take() == 3
    await add(redis, event())
    first, again = await consumer.pending(), await consumer.pending()
    assert first is not None
    assert first.ids == tuple(added)
    assert first.events == tuple(events)
    assert first == again


async def test_entries_taken_without_a_reply_are_in_the_batch(
    redis: redis.asyncio.Redis, consumer: StreamConsumer
) -> None:
    added = [await add(redis, event()) for _ in range(TAKE_EVENTS + 1)]
    # Like a client that repeats a command after a broken connection.
    await consumer.take()
    await consumer.take()
    batch = await consumer.pending()
    assert batch is not None
    assert batch.ids == tuple(added)


async def test_taken_events_count_by_number_and_by_kilobytes(
    redis: redis.asyncio.Redis, consumer: StreamConsumer
) -> None:
    await add(redis, *(event() for _ in range(15)))
    assert await consumer.take() == 15
    await add(redis, *(event() for _ in range(256)))
    assert await consumer.take() == 256
    await add(redis, event(session_id="x" * 10_000))
    assert 10 <= await consumer.take() <= 11
    await redis.xadd(redis_names.USAGE, {"e": b""})
    assert await consumer.take() == 1
    assert await consumer.take() == 0


async def test_without_the_lease_nothing_becomes_pending(redis: redis.asyncio.Redis, consumer: StreamConsumer) -> None:
    await add(redis, event())
    await redis.set(redis_names.USAGE_LEASE, "another")
    with pytest.raises(LeaseLost):
        await consumer.take()
    await redis.delete(redis_names.USAGE_LEASE)
    with pytest.raises(LeaseLost):
        await consumer.take()
    assert await consumer.pending() is None


async def test_acknowledging_deletes_the_batch_and_adds_its_dead_letters(
    redis: redis.asyncio.Redis, consumer: StreamConsumer
) -> None:
    for _ in range(3):
        await add(redis, event())
    await consumer.take()
    batch = await consumer.pending()
    assert batch is not None
    assert await consumer.ack(batch, [RejectedEvent(b"packed", "why")])
    assert await redis.xlen(redis_names.USAGE) == 0
    assert await consumer.pending() is None
    ((_, letter),) = await entries(redis, redis_names.USAGE_DEAD_LETTERS)
    assert letter == {b"e": b"packed", b"reason": b"why"}


async def test_acknowledging_twice_adds_dead_letters_once(redis: redis.asyncio.Redis, consumer: StreamConsumer) -> None:
    await add(redis, event())
    await consumer.take()
    batch = await consumer.pending()
    assert batch is not None
    assert await consumer.ack(batch, [RejectedEvent(b"packed", "why")])
    assert not await consumer.ack(batch, [RejectedEvent(b"packed", "why")])
    assert await redis.xlen(redis_names.USAGE_DEAD_LETTERS) == 1


async def test_a_large_batch_is_acknowledged_as_a_whole(redis: redis.asyncio.Redis, consumer: StreamConsumer) -> None:
    for _ in range(9):
        # In parts, so that each reply arrives in time on a busy machine too.
        async with redis.pipeline() as pipe:
            for _ in range(1_111):
                pipe.xadd(redis_names.USAGE, {"e": pack((event(),))})
            await pipe.execute()
    while await consumer.take():
        pass
    batch = await consumer.pending()
    assert batch is not None
    assert len(batch.events) == 9_999
    assert await consumer.ack(batch, [])
    assert await redis.xlen(redis_names.USAGE) == 0


async def test_the_pending_sets_of_other_consumers_are_separate_batches(
    redis: redis.asyncio.Redis, consumer: StreamConsumer
) -> None:
    added = [await add(redis, event()) for _ in range(4)]
    await redis.xreadgroup(redis_names.USAGE_GROUP, "older", {redis_names.USAGE: ">"}, count=3)
    await consumer.take()
    pending = [batch async for batch in consumer.pending_of_all()]
    assert sorted(batch.ids for batch in pending) == [tuple(added[:3]), tuple(added[3:])]


async def test_an_entry_deleted_while_pending_does_not_change_the_token(
    redis: redis.asyncio.Redis, consumer: StreamConsumer
) -> None:
    first = await add(redis, event())
    await add(redis, event())
    await consumer.take()
    before = await consumer.pending()
    await redis.xdel(redis_names.USAGE, first)
    after = await consumer.pending()
    assert before is not None
    assert after is not None
    assert after.token == before.token
    assert (after.deleted_entries, len(after.events)) == (1, 1)


async def test_an_event_that_is_in_the_stream_twice_is_in_the_batch_once(
    redis: redis.asyncio.Redis, consumer: StreamConsumer
) -> None:
    one, other = event(), event()
    await add(redis, one, other)
    await add(redis, one)
    await consumer.take()
    batch = await consumer.pending()
    assert batch is not None
    assert batch.events == (one, other)


@pytest.mark.parametrize("packed", [b"", b"junk", b"\x91\x91\xa1a"])
async def test_unreadable_entries_are_rejected_unchanged(
    redis: redis.asyncio.Redis, consumer: StreamConsumer, packed: bytes
) -> None:
    entry: Any = await redis.xadd(redis_names.USAGE, {"e": packed})
    await consumer.take()
    batch = await consumer.pending()
    assert batch is not None
    (rejected,) = batch.rejected
    assert rejected.packed == packed
    assert rejected.reason.startswith(f"entry {entry.decode()} cannot be read")


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"created_at": 1 << 62}, "created_at"),
        ({"created_at": -1}, "created_at"),
        ({"record_count": -1}, "record_count"),
        ({"response_bytes": -1}, "response_bytes"),
    ],
)
async def test_events_that_the_table_cannot_hold_are_rejected_before_an_insert(
    redis: redis.asyncio.Redis, consumer: StreamConsumer, values: dict[str, int], named: str
) -> None:
    bad, good = event(**values), event()
    await add(redis, bad, good)
    await consumer.take()
    batch = await consumer.pending()
    assert batch is not None
    assert batch.events == (good,)
    assert unpack(batch.rejected[0].packed) == (bad,)
    assert named in batch.rejected[0].reason


async def test_the_backlog_is_the_length_and_the_time_of_the_oldest_entry(
    redis: redis.asyncio.Redis, consumer: StreamConsumer
) -> None:
    assert await consumer.backlog() == (0, None)
    first = await add(redis, event())
    await add(redis, event())
    assert await consumer.backlog() == (2, int(first.split(b"-")[0]))
