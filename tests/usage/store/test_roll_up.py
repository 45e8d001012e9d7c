"""Repairing the daily sums: the difference to the log is added once, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.event import UsageEvent, pack
from gateway.usage.store.models import HistoryFilters, Sums
from gateway.usage.store.queries import history, stats
from gateway.usage.store.roll_up import complete_sums, repair_sums
from gateway.usage.store.table import UsageTable
from tests.usage.support import DAY_MS, NOW_MS, RunningWriter, drained, event, ids, logged, rolled_up

Start = Callable[..., RunningWriter]


async def insert_rows_only(table: UsageTable, events: Sequence[UsageEvent]) -> None:
    """Insert into the log alone, like an insert that is killed between the log and the sums."""
    table.open()
    table.write("DETACH TABLE mcp_tool_usage_daily_view", {})
    await table.insert_async(events, f"rows only, from {events[0].event_id}")
    table.write("ATTACH TABLE mcp_tool_usage_daily_view", {})


async def sums(table: UsageTable) -> list[tuple[Any, ...]]:
    return await table.query_async(
        "SELECT toString(day), owner, tool_name, table_names, argMaxMerge(key_name), sum(calls), sum(errors),"
        " sum(records), sum(unknown_records), sum(bytes) FROM mcp_tool_usage_daily"
        " GROUP BY day, owner, tool_name, table_names ORDER BY day, owner, tool_name, table_names"
    )


async def test_calls_that_the_sums_lack_are_added_once(table: UsageTable) -> None:
    await table.insert_async([event(), event(tool_name="other")], "whole")
    lost = [
        event(is_error=True, record_count=None, key_name="Newest", created_at=NOW_MS + 5000),
        event(table_names=("a", "b"), record_count=7, response_bytes=11),
        event(owner="bob@example.com"),
        event(created_at=NOW_MS - 40 * DAY_MS),
    ]
    await insert_rows_only(table, lost)
    assert await complete_sums(table, lost) == 4
    assert await complete_sums(table, lost) == 0
    assert await sums(table) == [
        ("2026-05-12", "ada@example.com", "query_stock_daily", ["stock_daily"], "Analytics", 1, 0, 20, 0, 1234),
        ("2026-06-21", "ada@example.com", "other", ["stock_daily"], "Analytics", 1, 0, 20, 0, 1234),
        ("2026-06-21", "ada@example.com", "query_stock_daily", ["a", "b"], "Analytics", 1, 0, 7, 0, 11),
        ("2026-06-21", "ada@example.com", "query_stock_daily", ["stock_daily"], "Newest", 2, 1, 20, 1, 2468),
        ("2026-06-21", "bob@example.com", "query_stock_daily", ["stock_daily"], "Analytics", 1, 0, 20, 0, 1234),
    ]


async def test_calls_that_the_sums_have_twice_are_subtracted(table: UsageTable) -> None:
    twice = [
        event(record_count=None, is_error=True, key_name="Newest", created_at=NOW_MS + 5000),
        event(table_names=("a",)),
        event(owner="bob@example.com", response_bytes=7),
        event(created_at=NOW_MS - DAY_MS),
    ]
    for token in ("first", "second"):
        await table.insert_async(twice, token)
    await table.insert_async([event(), event(tool_name="other")], "once")
    assert await rolled_up(table) == (10, 160)
    expected = Counter(one.owner for one in twice[:3]) + Counter({"ada@example.com": 2})
    assert await repair_sums(table, table.today) == 3
    assert await repair_sums(table, table.today) == 0
    found = await stats(table, 1)
    assert (found.totals.calls, found.totals.errors, found.totals.unknown_records) == (5, 1, 1)
    for owner, calls in expected.items():
        page = await history(table, HistoryFilters(owner=owner, since=NOW_MS))
        assert (await stats(table, 1, owner)).totals.calls == page.total == calls
    assert await complete_sums(table, twice) == 1
    assert (await stats(table, 2)).totals == Sums(calls=6, errors=1, records=100, unknown_records=1, bytes=6177)


async def test_a_running_insert_is_waited_for(table: UsageTable) -> None:
    lost = [event(), event(tool_name="other")]
    await insert_rows_only(table, lost)

    async def late() -> None:
        await asyncio.sleep(0.02)
        await table.query_async(
            "INSERT INTO mcp_tool_usage_daily (day, owner, key_id, tool_name, table_names, calls, records)"
            " VALUES ('2026-06-21', 'ada@example.com', 'key_1', 'other', ['stock_daily'], 1, 20)"
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
