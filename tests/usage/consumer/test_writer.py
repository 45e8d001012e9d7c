"""The writer: lingering, bounded batches, one leader, and recovery from a lost Redis."""

from __future__ import annotations

import logging
import socket

import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.redis.lease import Lease
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.consumer.stream_consumer import StreamConsumer
from gateway.usage.producer.stream import UsageStream
from gateway.usage.store.table import UsageTable
from tests.usage.consumer.support import FaultyTable, Start, append
from tests.usage.support import (
    RecordedMetrics,
    RunningWriter,
    add,
    drained,
    event,
    flushed,
    gathering,
    ids,
    logged,
    rolled_up,
    until,
)


async def test_appended_events_reach_the_table_and_the_roll_up(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    events = await append(stream, *(event() for _ in range(100)))
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (100, 2000)


async def test_a_batch_is_inserted_after_its_linger_time(
    redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start
) -> None:
    start_writer(linger_seconds=0.1)
    for _ in range(2):
        await append(stream, event())
        await drained(redis)


async def test_events_linger_until_a_reader_requests_a_flush(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    start_writer(linger_seconds=600)
    for _ in range(2):
        await append(stream, event(), event())
        await gathering(redis)
        assert await redis.xlen(redis_names.USAGE) == 1
        assert await wait_until_stored(redis, patience=10)
        assert await redis.xlen(redis_names.USAGE) == 0
    assert len(await logged(table)) == 4


async def test_a_writer_with_a_backlog_does_not_linger(redis: redis.asyncio.Redis, start_writer: Start) -> None:
    for _ in range(3):
        await add(redis, *(event() for _ in range(20)))
    metrics = RecordedMetrics()
    start_writer(linger_seconds=0.2, batch_events=10, metrics=metrics)
    await drained(redis)
    assert sum(metrics.batches) == 60


async def test_events_that_arrive_while_a_batch_lingers_are_one_insert(
    redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start
) -> None:
    metrics = RecordedMetrics()
    start_writer(linger_seconds=600, metrics=metrics)
    for _ in range(5):
        await append(stream, event())
        await gathering(redis)
    await flushed(redis)
    assert metrics.batches == [5]


async def test_a_batch_is_bounded(redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start) -> None:
    for _ in range(200):
        await append(stream, event())
    metrics = RecordedMetrics()
    start_writer(batch_events=60, metrics=metrics)
    await drained(redis)
    assert sum(metrics.batches) == 200
    assert max(metrics.batches) <= 60 + 50


async def test_a_flushed_redis_does_not_stop_the_writer(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    start_writer()
    events = await append(stream, event())
    await drained(redis)
    await redis.flushall()
    events += await append(stream, event())
    # Redis has lost the first event: it is replayed, and not stored again.
    await until(lambda: not stream.replay_task.redis_unavailable.is_set())
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (2, 40)


async def test_a_lost_consumer_group_is_created_again(
    redis: redis.asyncio.Redis,
    stream: UsageStream,
    table: UsageTable,
    start_writer: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.usage.consumer.writer.BLOCK_MS", 50)
    start_writer()
    events = await append(stream, event())
    await drained(redis)
    await redis.xgroup_destroy(redis_names.USAGE, redis_names.USAGE_GROUP)

    async def is_created() -> bool:
        return bool(await redis.xinfo_groups(redis_names.USAGE))

    # The writer notices it without a new entry.
    await until(is_created)
    events += await append(stream, event())
    await drained(redis)
    assert await logged(table) == ids(events)


async def test_an_unreachable_clickhouse_shows_in_the_state_and_keeps_the_stream(
    redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        table = UsageTable(f"http://127.0.0.1:{unused.getsockname()[1]}")
        await append(stream, event(), event())
        metrics = RecordedMetrics()
        running = start_writer(table=table, metrics=metrics, lease_seconds=0.5)
        await until(lambda: metrics.backlog[0] == 1 and not running.writer.state.connected)
        assert "cannot be reached, check GATEWAY_CLICKHOUSE_URL" in running.writer.state.problem
        assert await redis.xlen(redis_names.USAGE) == 1
        await running.cancel()
        table.close()


async def test_of_two_writers_one_drains_and_the_other_takes_over(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    writers = [start_writer(), start_writer()]

    def leading() -> list[RunningWriter]:
        return [one for one in writers if one.writer.state.is_leading]

    events = await append(stream, *(event() for _ in range(10)))
    await drained(redis)
    await until(lambda: bool(leading()))
    (leader,) = leading()
    await leader.cancel()
    events += await append(stream, event())
    await drained(redis)
    await until(lambda: bool(leading()))
    (successor,) = leading()
    assert successor is not leader
    assert await logged(table) == ids(events)


async def test_the_whole_batch_of_a_suspended_writer_is_taken_over(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    # A writer took a batch, inserted it, and was suspended until its lease expired.
    await Lease(redis, redis_names.USAGE_LEASE, "suspended", 60).acquire()
    suspended = StreamConsumer(redis, "suspended")
    await suspended.create_group()
    events = await append(stream, *(event() for _ in range(5)))
    await suspended.take()
    batch = await suspended.pending()
    assert batch is not None
    await table.insert_async(batch.events, batch.token)
    events += await append(stream, event())
    await redis.delete(redis_names.USAGE_LEASE)
    start_writer()
    await drained(redis)
    # It continues: what it still does has no effect.
    await table.insert_async(batch.events, batch.token)
    assert not await suspended.ack(batch, [])
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (6, 120)


async def test_a_writer_that_lost_its_lease_stops_draining(
    redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = start_writer()
    await until(lambda: running.writer.state.is_leading)
    with caplog.at_level(logging.WARNING):
        await redis.set(redis_names.USAGE_LEASE, "another")
        entry = await add(redis, event())
        await until(lambda: not running.writer.state.is_leading)
        assert await redis.xrange(redis_names.USAGE, entry, entry)
        await redis.delete(redis_names.USAGE_LEASE)
        await drained(redis)
    assert "another writer has taken over" in caplog.text


async def test_the_age_of_the_oldest_entry_is_measured(
    redis: redis.asyncio.Redis, stream: UsageStream, faulty: FaultyTable, start_writer: Start
) -> None:
    faulty.faults = ["refused"] * 1000
    entry = await add(redis, event())
    added_at = int(entry.split(b"-")[0])
    metrics = RecordedMetrics()
    start_writer(table=faulty, metrics=metrics, lease_seconds=0.2, now_ms=lambda: added_at + 7000)
    await until(lambda: metrics.backlog[0] == 1)
    assert metrics.backlog == (1, 7000)
