"""Completing the sums by day: what the log has and they lack is added, once, and nothing else."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.event import UsageEvent, pack
from gateway.usage.store.models import HistoryFilters, Sums
from gateway.usage.store.queries import history, stats
from gateway.usage.store.roll_up import complete, mend
from gateway.usage.store.table import UsageTable
from tests.usage.support import DAY_MS, NOW_MS, RunningWriter, drained, event, ids, logged, rolled_up

Start = Callable[..., RunningWriter]


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.usage.store.roll_up.PAUSE_SECONDS", 0.05)


async def insert_rows_only(table: UsageTable, events: Sequence[UsageEvent]) -> None:
    """As an insert leaves it that is killed between the log and the sums."""
    table.open()
    command = table._clients["insert"].command
    command("DETACH TABLE mcp_tool_usage_daily_view")
    await table.insert_async(events, f"rows only, from {events[0].event_id}")
    command("ATTACH TABLE mcp_tool_usage_daily_view")


async def sums(table: UsageTable) -> list[tuple[Any, ...]]:
    return await table.query_async(
        "SELECT toString(day), owner, tool_name, table_names, argMaxMerge(key_name), sum(calls), sum(errors),"
        " sum(records), sum(unknown_records), sum(bytes) FROM mcp_tool_usage_daily"
        " GROUP BY day, owner, tool_name, table_names ORDER BY day, owner, tool_name, table_names"
    )


async def test_what_the_sums_lack_is_added_once(table: UsageTable) -> None:
    await table.insert_async([event(), event(tool_name="other")], "whole")
    lost = [
        event(is_error=True, record_count=None, key_name="Newest", created_at=NOW_MS + 5000),
        event(table_names=("a", "b"), record_count=7, response_bytes=11),
        event(owner="bob@example.com"),
        event(created_at=NOW_MS - 40 * DAY_MS),
    ]
    await insert_rows_only(table, lost)
    assert await complete(table, lost) == 4
    assert await complete(table, lost) == 0
    assert await sums(table) == [
        ("2026-05-12", "ada@example.com", "query_stock_daily", ["stock_daily"], "Analytics", 1, 0, 20, 0, 1234),
        ("2026-06-21", "ada@example.com", "other", ["stock_daily"], "Analytics", 1, 0, 20, 0, 1234),
        ("2026-06-21", "ada@example.com", "query_stock_daily", ["a", "b"], "Analytics", 1, 0, 7, 0, 11),
        ("2026-06-21", "ada@example.com", "query_stock_daily", ["stock_daily"], "Newest", 2, 1, 20, 1, 2468),
        ("2026-06-21", "bob@example.com", "query_stock_daily", ["stock_daily"], "Analytics", 1, 0, 20, 0, 1234),
    ]


async def test_what_the_sums_have_twice_is_taken_out(table: UsageTable) -> None:
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
    assert await mend(table, table.today) == 3
    assert await mend(table, table.today) == 0
    found = await stats(table, 1)
    assert (found.totals.calls, found.totals.errors, found.totals.unknown_records) == (5, 1, 1)
    for owner, calls in expected.items():
        page = await history(table, HistoryFilters(owner=owner, since=NOW_MS))
        assert (await stats(table, 1, owner)).totals.calls == page.total == calls
    assert await complete(table, twice) == 1
    assert (await stats(table, 2)).totals == Sums(calls=6, errors=1, records=100, unknown_records=1, bytes=6177)


async def test_an_insert_that_still_goes_on_is_waited_for(table: UsageTable) -> None:
    lost = [event(), event(tool_name="other")]
    await insert_rows_only(table, lost)

    async def late() -> None:
        await asyncio.sleep(0.02)
        await table.query_async(
            "INSERT INTO mcp_tool_usage_daily (day, owner, key_id, tool_name, table_names, calls, records)"
            " VALUES ('2026-06-21', 'ada@example.com', 'key_1', 'other', ['stock_daily'], 1, 20)"
        )

    assert (await asyncio.gather(complete(table, lost), late()))[0] == 1
    assert await rolled_up(table) == (2, 40)


async def test_an_event_that_the_log_alone_has_reaches_the_sums_when_it_is_sent_again(
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
    # The batch was killed between log and sums, and Redis came back with other entries for it.
    known = [event() for _ in range(13)]
    await insert_rows_only(table, known)
    await redis.xadd(redis_names.USAGE, {"e": pack(known)})
    await redis.xadd(redis_names.USAGE, {"e": pack([event()])})
    await redis.set(redis_names.USAGE_SERVER_RUN_ID, "another")
    start_writer()
    await drained(redis)
    assert await rolled_up(table) == (14, 280)
