"""Insert, then acknowledge: a crash between the two, or a Redis that lost acknowledgements, duplicates nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.redis.durable_writes import eval_durable
from gateway.usage.event import UsageEvent, pack
from gateway.usage.producer.spool import Spool
from gateway.usage.producer.stream import UsageStream
from gateway.usage.reconciliation import reconcile
from gateway.usage.store.table import UsageTable
from gateway.uuid7 import new_uuid7
from tests.support.valkey import Valkey
from tests.usage.consumer.support import FaultyTable, Snapshot, Start, append, dead_letters, interrupt
from tests.usage.support import (
    DAY_MS,
    NOW_MS,
    RecordedMetrics,
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
from tests.usage.writer_process import drain_with_new_process, kill_writer_at


async def test_a_writer_that_ends_between_insert_and_ack_duplicates_nothing(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, *(event(created_at=NOW_MS + month * 31 * DAY_MS) for month in range(3)))
    faulty.faults = ["hangs after insert"]
    await interrupt(start_writer, faulty)
    assert await logged(table) == ids(events)
    # Its successor finds the first batch pending, and newer entries.
    events += await append(stream, event(), event())
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (5, 100)


@pytest.mark.parametrize("points", [("before-insert",), ("after-insert",), ("after-ack",), ("after-insert",) * 2])
async def test_a_writer_killed_at_any_point_loses_and_duplicates_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path, points: tuple[str, ...]
) -> None:
    events = [event(created_at=NOW_MS + number % 3 * 31 * DAY_MS) for number in range(30)]
    for one in events:
        await add(client, one)
    for point in points:
        await kill_writer_at(valkey, tmp_path, point)
        # Newer entries must not change the batch that was in progress.
        events.append(event())
        await add(client, events[-1])
    assert await drain_with_new_process(valkey, tmp_path) == (ids(events), len(events))


async def test_a_writer_killed_during_inserts_into_many_months_loses_and_duplicates_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path
) -> None:
    # Such an insert writes one part for each month, to the log and to the roll-ups, one after another.
    events = [event(created_at=NOW_MS + number % 24 * 31 * DAY_MS) for number in range(240)]
    await add(client, *events)
    for milliseconds in (5, 15, 30, 60, 100):
        await kill_writer_at(valkey, tmp_path, "during-insert", milliseconds / 1000)
    assert await drain_with_new_process(valkey, tmp_path) == (ids(events), len(events))


async def test_killing_redis_under_a_writer_loses_and_duplicates_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    running = start_writer(redis=client)
    events: list[UsageEvent] = []
    for _ in range(3):
        for _ in range(50):
            events.append(event())
            await add(client, events[-1])
        # There is no spool here that would replay entries that Redis loses.
        await eval_durable(client, "return redis.call('SET', KEYS[1], 1)", ["mark"], [])
        valkey.kill()
        valkey.start()
    await drained(client)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (150, 3000)
    await running.cancel()


@pytest.mark.parametrize("acknowledged_before", [0, 4])
async def test_acknowledgements_that_redis_lost_duplicate_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start, acknowledged_before: int
) -> None:
    running = start_writer(redis=client)
    events = [event() for _ in range(acknowledged_before)]
    for one in events:
        await add(client, one)
    await drained(client)
    await running.cancel()
    for _ in range(10):
        events.append(event())
        await add(client, events[-1])
    snapshot = Snapshot(valkey)
    await snapshot.take(client)
    running = start_writer(redis=client)
    await drained(client)
    await running.cancel()
    snapshot.restore()
    # Stored entries are there again, in batches with new ones.
    for _ in range(5):
        events.append(event())
        await add(client, events[-1])
    running = start_writer(redis=client)
    await drained(client)
    events.append(event())
    await add(client, events[-1])
    await drained(client)
    await running.cancel()
    assert await logged(table) == ids(events)
    assert (await rolled_up(table))[0] == len(events)


async def test_acknowledgements_that_redis_lost_under_a_running_writer_duplicate_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    running = start_writer(redis=client, linger_seconds=600)
    events = [event() for _ in range(3)]
    await add(client, *events)
    # Now the entries are there and not pending yet.
    await gathering(client)
    snapshot = Snapshot(valkey)
    await snapshot.take(client)
    await flushed(client)
    snapshot.restore()
    events.append(event())
    await add(client, events[-1])
    await flushed(client)
    await running.cancel()
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (4, 80)


async def test_entries_that_a_worker_replays_are_not_stored_again(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start, tmp_path: Path
) -> None:
    stream = UsageStream(client, Spool(tmp_path))
    await stream.start()
    running = start_writer(redis=client)
    events = await append(stream, event())
    snapshot = Snapshot(valkey)
    await snapshot.take(client)
    for _ in range(10):
        events += await append(stream, event())
    await drained(client)
    snapshot.restore()
    for _ in range(10):
        events += await append(stream, event())
    await until(lambda: not stream.replay_task.redis_unavailable.is_set())
    # The last ones may be sent after Redis counts as available again.
    await stream.close()
    await drained(client)
    await running.cancel()
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (21, 420)


async def test_events_that_the_table_cannot_hold_go_to_the_dead_letters(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    bad = event(created_at=1 << 60)
    good = [event(), event()]
    await append(stream, good[0], bad, good[1])
    await redis.xadd(redis_names.USAGE, {"e": b"junk"})
    metrics = RecordedMetrics()
    start_writer(metrics=metrics)
    await drained(redis)
    assert await logged(table) == ids(good)
    letters = dict(await dead_letters(redis))
    assert letters[pack((bad,))].startswith("created_at")
    assert "cannot be read" in letters[b"junk"]
    assert metrics.counts["dead_lettered"] == 2


async def test_a_duplicate_that_is_stored_with_its_second_time_is_counted_once(
    redis: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    made_at = NOW_MS - 1000
    first = event(event_id=f"{made_at:012x}7{5:019x}", created_at=NOW_MS)
    second = msgspec.structs.replace(first, created_at=NOW_MS + 1000)
    await table.insert_async([second], "before Redis forgot")
    for one in (first, second):
        await redis.xadd(redis_names.USAGE, {"e": pack([one]), "again": "1"})
    start_writer()
    await drained(redis)
    assert await logged(table) == [first.event_id]
    assert sum(map(int, (await redis.hgetall(redis_names.USAGE_DUPLICATES)).values())) == 1


async def balance(client: redis.asyncio.Redis, table: UsageTable) -> tuple[int, int, bool]:
    found = await reconcile(client, table, days=2, patience=2)
    return found.accepted, found.written, found.balanced


@pytest.mark.parametrize("drained_between", [True, False])
@pytest.mark.parametrize("later_ms", [7000, -7000])
async def test_an_event_that_two_workers_made_is_stored_once(
    redis: redis.asyncio.Redis,
    table: UsageTable,
    start_writer: Start,
    tmp_path: Path,
    drained_between: bool,
    later_ms: int,
) -> None:
    # A worker was killed after it made an event and before it recorded that for the others.
    made = event(event_id=new_uuid7(NOW_MS - 60_000))
    again = msgspec.structs.replace(made, created_at=made.created_at + later_ms)
    first, second = (UsageStream(redis, Spool(tmp_path / name)) for name in ("first", "second"))
    await asyncio.gather(first.submit(event()), first.submit(made, possibly_duplicate=True))
    running = start_writer()
    if drained_between:
        await drained(redis)
    else:
        await running.cancel()
    await asyncio.gather(second.submit(event()), second.submit(again, possibly_duplicate=True))
    if not drained_between:
        start_writer()
    await drained(redis)
    assert len(await logged(table)) == 3
    assert await rolled_up(table) == (3, 60)
    assert await balance(redis, table) == (3, 3, True)
    await first.close()
    await second.close()


async def test_a_possible_duplicate_without_a_twin_is_counted_although_its_writer_is_killed(
    redis: redis.asyncio.Redis, table: UsageTable, faulty: FaultyTable, start_writer: Start, tmp_path: Path
) -> None:
    stream = UsageStream(redis, Spool(tmp_path))
    await stream.submit(event(event_id=new_uuid7(NOW_MS)), possibly_duplicate=True)
    faulty.faults = ["hangs after insert"]
    running = start_writer(table=faulty)
    await faulty.inserting.wait()
    await running.cancel()
    start_writer()
    await drained(redis)
    assert await balance(redis, table) == (1, 1, True)
    await stream.close()
