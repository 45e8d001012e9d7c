"""Exactly-once inserts: whatever ClickHouse refuses, loses or does not confirm, every event is stored once."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis.asyncio

from gateway.usage.event import unpack
from gateway.usage.producer.stream import UsageStream
from gateway.usage.store.migrations.retention import Retention
from gateway.usage.store.table import UsageTable
from tests.support.valkey import Valkey
from tests.usage.consumer.support import FaultyTable, Start, append, dead_letters, interrupt
from tests.usage.support import (
    DAY_MS,
    NOW_MS,
    RecordedMetrics,
    add,
    drained,
    event,
    ids,
    logged,
    refuse_poison,
    rolled_up,
    until,
)
from tests.usage.writer_process import drain_with_new_process, kill_writer_at


async def test_a_batch_across_a_months_end_arrives_once(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, *(event(created_at=NOW_MS + month * 31 * DAY_MS) for month in range(4)))
    faulty.faults = ["reply lost", "refused", "reply lost"]
    start_writer(table=faulty)
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (4, 80)


async def test_a_batch_is_repeated_while_clickhouse_is_away_and_arrives_once(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, *(event() for _ in range(10)))
    faulty.faults = ["refused", "reply lost", "refused"]
    metrics = RecordedMetrics()
    running = start_writer(table=faulty, metrics=metrics)
    await until(lambda: not running.writer.state.connected)
    assert running.writer.state.problem == "away"
    await drained(redis)
    assert await logged(table) == ids(events)
    assert metrics.connected.count(False) == 3
    assert metrics.connected[-1]
    assert running.writer.state.connected
    assert running.writer.state.problem == ""


# The writer that repeats the insert may be killed as well.
@pytest.mark.parametrize(
    ("lost_from", "points"),
    [
        (("log",), ("after-insert",)),
        (("log",), ("after-insert", "after-second-insert")),
        (("log", "quarter_hourly", "by_dimension"), ("after-insert",)),
        (("log", "quarter_hourly", "by_dimension"), ("after-insert", "after-second-insert")),
        (("quarter_hourly",), ("after-insert",)),
        (("by_dimension",), ("after-insert",)),
    ],
)
async def test_rows_of_which_a_killed_clickhouse_has_only_the_token_are_inserted_again(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path, lost_from: tuple[str, ...], points: tuple[str, ...]
) -> None:
    # ClickHouse writes the token of a part first. Killed before it has the part, it ignores the repeated insert.
    events = [event(created_at=NOW_MS + number % 3 * 31 * DAY_MS) for number in range(30)]
    month = time.strftime("%Y%m", time.gmtime(events[1].created_at / 1000))
    await add(client, *events)
    for point in points:
        await kill_writer_at(valkey, tmp_path, point)
        for table in lost_from:
            for part in (tmp_path / "chdb" / "data" / "mcp_gateway" / f"mcp_tool_usage_{table}").glob(f"{month}_*"):
                shutil.rmtree(part)
    assert await drain_with_new_process(valkey, tmp_path) == (ids(events), len(events))


async def test_rows_that_are_lost_repeatedly_are_stored_in_the_end(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, event(), event())
    faulty.faults = ["hangs, rows lost"]
    await interrupt(start_writer, faulty)
    faulty.faults = ["rows lost"] * 6
    start_writer(table=faulty)
    await drained(redis)
    assert faulty.faults == []
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (2, 40)


async def test_expired_rows_do_not_count_as_lost(
    redis: redis.asyncio.Redis,
    make_table: Callable[..., UsageTable],
    usage_url: str,
    start_writer: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Retention uses ClickHouse's own clock.
    now_ms = time.time_ns() // 1_000_000
    table = make_table(retention=Retention(usage_days=3), now_ms=lambda: now_ms)
    table.open()
    faulty = FaultyTable(usage_url, database=table.database, retention=Retention(usage_days=3), now_ms=lambda: now_ms)
    faulty.faults = ["reply lost"]
    young = event(created_at=now_ms)
    await add(redis, event(created_at=now_ms - 10 * DAY_MS), young)
    metrics = RecordedMetrics()
    running = start_writer(table=faulty, metrics=metrics)
    await drained(redis)
    await running.cancel()
    faulty.close()
    assert young.event_id in await logged(table)
    assert "lost" not in caplog.text
    assert metrics.batches == [2]


async def test_events_that_clickhouse_refuses_go_to_the_dead_letters_and_the_others_are_stored(
    redis: redis.asyncio.Redis,
    stream: UsageStream,
    table: UsageTable,
    start_writer: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuse_poison(table)
    events = [event() for _ in range(40)]
    poison = [event(tool_name="poison") for _ in range(3)]
    mixed = [*events[:5], poison[0], *events[5:20], poison[1], poison[2], *events[20:]]
    await append(stream, *mixed)
    with caplog.at_level(logging.ERROR):
        start_writer()
        await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (40, 800)
    letters = await dead_letters(redis)
    assert [unpack(packed)[0] for packed, _ in letters] == poison
    assert all("tame" in reason for _, reason in letters)
    assert "3 events went to the dead letters" in caplog.text


async def test_stored_events_of_a_refused_batch_are_not_stored_again(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    events = await append(stream, *(event() for _ in range(6)), event(tool_name="poison"))
    await table.insert_async(events[:3], "an earlier split")
    refuse_poison(table)
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events[:6])
    assert await rolled_up(table) == (6, 120)


async def test_a_refused_batch_that_was_interrupted_duplicates_nothing(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    refuse_poison(table)
    events = [event() for _ in range(8)]
    await append(stream, *events, event(tool_name="poison"))
    # The whole batch is refused, one half is inserted, and there the writer ends.
    faulty.faults = ["none", "none", "hangs after insert"]
    await interrupt(start_writer, faulty)
    assert 0 < len(await logged(table)) < 8
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (8, 160)
    assert len(await dead_letters(redis)) == 1


async def test_a_lost_half_of_a_refused_batch_is_inserted_again(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    refuse_poison(table)
    events = await append(stream, *(event() for _ in range(8)))
    await append(stream, event(tool_name="poison"))
    faulty.faults = ["none", "none", "hangs, rows lost"]
    await interrupt(start_writer, faulty)
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (8, 160)
