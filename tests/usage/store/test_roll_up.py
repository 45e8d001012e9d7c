"""Repairing the roll-ups: the difference to the log is added once, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.event import UsageEvent, pack
from gateway.usage.store.names import BY_DIMENSION_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.queries.filters import CallFilters
from gateway.usage.store.queries.history import history
from gateway.usage.store.roll_up import complete_sums, repair_sums
from gateway.usage.store.table import UsageTable
from tests.usage.support import DAY_MS, NOW_MS, RunningWriter, drained, event, ids, last_days, logged, rolled_up

Start = Callable[..., RunningWriter]


async def insert_rows_only(
    table: UsageTable, events: Sequence[UsageEvent], without: Sequence[str] = (QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE)
) -> None:
    """Insert into the log without these roll-ups, like an insert that is killed in between."""
    table.open()
    for name in without:
        table.write(f"DETACH TABLE {name}_view", {})
    await table.insert_async(events, f"rows only, from {events[0].event_id}")
    for name in without:
        table.write(f"ATTACH TABLE {name}_view", {})


async def sums(table: UsageTable) -> list[list[tuple[Any, ...]]]:
    """Return the merged rows of both roll-ups."""
    numbers = (
        "sum(calls), sum(errors), sum(denied), sum(records), sum(unknown_records), sum(bytes),"
        " mapFilter((_, count) -> count != 0, CAST(sumMap(durations), 'Map(Int16, UInt64)'))"
    )
    return [
        await table.query_async(f"SELECT {key}, {others}, {numbers} FROM {name} GROUP BY {key} ORDER BY {key}")
        for name, key, others in (
            (
                QUARTER_HOURLY_TABLE,
                "owner, since, key_id, tool_name, table_names, client_name",
                "min(first_at), max(last_at)",
            ),
            (BY_DIMENSION_TABLE, "dimension, owner, since, value", "argMaxMerge(key_name)"),
        )
    ]


def various() -> list[UsageEvent]:
    """Return calls that differ in what the roll-ups have."""
    return [
        event(is_error=True, record_count=None, key_name="Newest", created_at=NOW_MS + 5000, duration_ms=0.0),
        event(table_names=("a", "b"), record_count=7, response_bytes=11, duration_ms=9000.0),
        event(table_names=("a", "b"), status="denied", is_error=True, record_count=0),
        event(owner="bob@example.com", client_name="cursor", created_at=NOW_MS + 900_000),
    ]


@pytest.mark.parametrize(
    "without",
    [(QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE), (QUARTER_HOURLY_TABLE,), (BY_DIMENSION_TABLE,)],
    ids=["both", "quarter hours", "dimensions"],
)
async def test_calls_that_the_sums_lack_are_added_once(
    make_table: Callable[..., UsageTable], without: Sequence[str]
) -> None:
    known, lost = [event(), event(tool_name="other")], [*various(), event(created_at=NOW_MS - 40 * DAY_MS)]
    table = make_table()
    await table.insert_async(known, "known")
    await insert_rows_only(table, lost, without)
    assert await complete_sums(table, lost) == 5
    assert await complete_sums(table, lost) == 0
    whole = make_table(database=f"{table.database}_whole")
    await whole.insert_async([*known, *lost], "all")
    assert await sums(table) == await sums(whole)
    await whole.query_async(f"DROP DATABASE {whole.database} SYNC")


async def test_calls_that_the_sums_have_twice_are_subtracted(table: UsageTable) -> None:
    twice = [*various(), event(created_at=NOW_MS - DAY_MS)]
    await table.insert_async(twice, "first")
    await table.insert_async([event(), event(tool_name="other")], "once")
    expected = await sums(table)
    await table.insert_async(twice, "second")
    assert await sums(table) != expected
    assert await repair_sums(table, table.today) == 4
    assert await repair_sums(table, table.today) == 0
    assert await complete_sums(table, twice) == 1
    found = await sums(table)
    # A row of zeros is left of nothing.
    assert [[row for row in rows if any(row[-7:-1])] for rows in found] == expected
    assert (await last_days(table, 1)).totals.calls == 5
    for owner in {one.owner for one in twice}:
        page = await history(table, CallFilters(owner=owner))
        totals = (await last_days(table, 2, owner)).totals
        assert totals.calls + totals.denied == page.total


async def test_a_running_insert_is_waited_for(table: UsageTable) -> None:
    lost = [event(), event(tool_name="other")]
    await insert_rows_only(table, lost, [QUARTER_HOURLY_TABLE])

    async def late() -> None:
        await asyncio.sleep(0.02)
        await table.query_async(
            f"INSERT INTO {QUARTER_HOURLY_TABLE}"
            " (since, owner, key_id, tool_name, table_names, client_name, calls, records)"
            " VALUES ('2026-06-21 00:00:00', 'ada@example.com', 'key_1', 'other', ['stock_daily'], 'curl', 1, 20)"
        )

    assert (await asyncio.gather(complete_sums(table, lost), late()))[0] == 1
    assert await rolled_up(table) == (2, 40)


async def test_an_event_that_only_the_log_has_reaches_the_sums_when_it_is_replayed(
    redis: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    known, new = [event() for _ in range(13)], [event() for _ in range(3)]
    await insert_rows_only(table, known)
    await redis.xadd(redis_names.USAGE, {"e": pack([*known, *new]), "again": 1})
    start_writer()
    await drained(redis)
    assert await logged(table) == ids([*known, *new])
    assert await rolled_up(table) == (16, 320)


async def test_after_a_restart_of_redis_the_sums_are_completed(
    redis: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    # The insert was killed between the log and the sums, and Redis lost the limits of its batch.
    known = [event() for _ in range(13)]
    await insert_rows_only(table, known)
    await redis.xadd(redis_names.USAGE, {"e": pack(known)})
    await redis.xadd(redis_names.USAGE, {"e": pack([event()])})
    await redis.set(redis_names.USAGE_SERVER_RUN_ID, "another")
    start_writer()
    await drained(redis)
    assert await rolled_up(table) == (14, 280)
