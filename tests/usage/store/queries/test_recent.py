"""The calls of the last seconds."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import UNSET

from gateway.usage.store.queries import recent
from gateway.usage.store.queries.recent import RecentGrouping, recent_calls
from gateway.usage.store.table import UsageTable
from tests.usage.denials import denial, insert_denials
from tests.usage.support import NOW_MS, event


async def insert(table: UsageTable) -> None:
    events = [
        event(created_at=NOW_MS - 59_999, tool_name="query", record_count=3, duration_ms=10.0, key_name="old"),
        event(created_at=NOW_MS - 1, tool_name="query", record_count=None, duration_ms=30.0, key_name="laptop"),
        event(created_at=NOW_MS - 2, tool_name="query", status="denied", is_error=True, duration_ms=900.0),
        event(created_at=NOW_MS - 3, tool_name="run_sql", status="tool_error", is_error=True, record_count=0),
        event(created_at=NOW_MS - 4, key_id="key_2", owner="eve@example.com", client_name="cursor", record_count=1),
        event(created_at=NOW_MS - 60_001, tool_name="before"),
    ]
    await table.insert_async(events, "token")


async def test_recent_calls_are_grouped_by_key_and_tool_with_the_most_calls_first(table: UsageTable) -> None:
    await insert(table)
    found = await recent_calls(table)
    assert [(row.owner, row.key_name, row.tool_name, row.calls) for row in found.rows] == [
        ("ada@example.com", "laptop", "query", 2),
        ("ada@example.com", "Analytics", "run_sql", 1),
        ("eve@example.com", "Analytics", "query_stock_daily", 1),
    ]
    first = found.rows[0]
    assert (first.errors, first.denied, first.records, first.unknown_records) == (0, 1, 3, 1)
    assert (first.p50_ms, first.p95_ms) == (30.0, 30.0)
    assert (found.seconds, found.from_, found.truncated) == (60, "2026-06-20T23:59:00.000Z", False)
    totals = found.totals
    assert (totals.calls, totals.errors, totals.denied, totals.records) == (4, 1, 1, 4)


@pytest.mark.parametrize(
    ("by", "members", "calls"),
    [
        ("key", {"owner", "key_id", "key_name"}, [3, 1]),
        ("tool", {"tool_name"}, [2, 1, 1]),
        ("owner", {"owner"}, [3, 1]),
        ("client", {"client_name"}, [3, 1]),
    ],
)
async def test_a_grouping_has_its_members_alone(
    table: UsageTable, by: RecentGrouping, members: set[str], calls: list[int]
) -> None:
    await insert(table)
    rows = msgspec.to_builtins((await recent_calls(table, by)).rows)
    assert [row["calls"] for row in rows] == calls
    assert set(rows[0]) - set(msgspec.to_builtins((await recent_calls(table)).totals)) == members


async def test_refused_requests_are_counted_apart_from_calls(table: UsageTable) -> None:
    await insert(table)
    await insert_denials(
        table,
        denial(created_at=NOW_MS - 1, tool_name="query", count=5),
        denial(created_at=NOW_MS - 2, tool_name="query", count=6, status=429),
        denial(created_at=NOW_MS - 3, key_id="key_9", count=7),
        denial(created_at=NOW_MS - 3, tool_name="drop", count=2),
        denial(created_at=NOW_MS - 60_001, count=100),
    )
    found = await recent_calls(table)
    assert [(row.key_id, row.tool_name, row.calls, row.denied, row.refused) for row in found.rows] == [
        ("key_1", "query", 2, 1, 11),
        ("key_1", "run_sql", 1, 0, 0),
        ("key_2", "query_stock_daily", 1, 0, 0),
        ("key_9", "run_sql", 0, 0, 7),
        ("key_1", "drop", 0, 0, 2),
    ]
    assert [row.key_name for row in found.rows] == ["laptop", "laptop", "Analytics", "", "laptop"]
    totals = found.totals
    assert (totals.calls, totals.errors, totals.denied, totals.refused, totals.records) == (4, 1, 1, 20, 4)
    assert (found.rows[0].p50_ms, found.rows[3].p50_ms) == (30.0, None)
    by_client = await recent_calls(table, "client")
    assert [(row.client_name, row.refused) for row in by_client.rows] == [("curl", UNSET), ("cursor", UNSET)]
    assert (by_client.totals.denied, by_client.totals.refused) == (1, UNSET)


async def test_an_owner_sees_own_calls_alone_in_rows_and_total(table: UsageTable) -> None:
    await insert(table)
    found = await recent_calls(table, "owner", owner="eve@example.com")
    assert ([row.owner for row in found.rows], found.totals.calls) == (["eve@example.com"], 1)


async def test_the_seconds_bound_the_period(table: UsageTable) -> None:
    await insert(table)
    assert (await recent_calls(table, seconds=5)).totals.calls == 3
    assert (await recent_calls(table, seconds=61)).totals.calls == 5


async def test_without_calls_all_sums_are_zero(table: UsageTable) -> None:
    found = await recent_calls(table)
    assert (found.rows, found.totals.calls, found.totals.p50_ms) == ((), 0, None)


async def test_many_groups_are_truncated_and_the_total_includes_all(
    table: UsageTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "MAX_ROWS", 2)
    await insert(table)
    found = await recent_calls(table)
    assert (len(found.rows), found.truncated, found.totals.calls) == (2, True, 4)
