"""History and statistics: the same calls, counted once, and unknown counts stay unknown."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.usage.event import UsageEvent
from gateway.usage.store import queries
from gateway.usage.store.lookup import find_stored
from gateway.usage.store.models import HistoryFilters, Stats, Sums
from gateway.usage.store.queries import MAX_OFFSET, PageTooDeep, history, stats
from gateway.usage.store.table import UsageTable
from tests.usage.support import DAY_MS, NOW_MS, event, ids

ALL = HistoryFilters()


def as_json(found: object) -> Any:
    return msgspec.json.decode(msgspec.json.encode(found))


async def insert(table: UsageTable, *events: UsageEvent) -> list[UsageEvent]:
    await table.insert_async(events, events[0].event_id)
    return list(events)


async def test_a_history_item_has_the_fields_of_the_contract(table: UsageTable) -> None:
    (one,) = await insert(table, event(created_at=NOW_MS + 1, table_names=("stock_basic", "stock_daily")))
    page = as_json(await history(table, ALL))
    assert page == {
        "items": [
            {
                "event_id": one.event_id,
                "created_at": "2026-06-21T00:00:00.001Z",
                "key_id": "key_1",
                "key_name": "Analytics",
                "owner": "ada@example.com",
                "tool_name": "query_stock_daily",
                "table_name": "stock_basic, stock_daily",
                "table_names": ["stock_basic", "stock_daily"],
                "record_count": 20,
                "count_method": "structured",
                "is_error": False,
                "status": "ok",
                "duration_ms": 12.5,
                "response_bytes": 1234,
                "client_name": "curl",
                "client_version": "8",
                "session_id": "s1",
                "request_id": "1",
                "protocol_version": "2025-06-18",
                "client_ip": "127.0.0.1",
                "gateway_id": "g1",
                "arguments_hash": "0123456789abcdef",
                "written_tables": [],
            }
        ],
        "total": 1,
        "page": 1,
        "page_size": 20,
    }


async def test_unknown_is_null_never_zero(table: UsageTable) -> None:
    await insert(
        table,
        event(record_count=None, table_names=(), count_method="unknown"),
        event(record_count=0),
        event(record_count=7),
    )
    items = (await history(table, ALL)).items
    assert {item.record_count for item in items} == {None, 0, 7}
    assert {item.table_name for item in items} == {None, "stock_daily"}
    found = await stats(table)
    assert (found.totals.records, found.totals.unknown_records) == (7, 1)
    assert {row.table_name: row.unknown_records for row in found.by_table} == {"stock_daily": 0, None: 1}


async def test_pages_are_newest_first_without_gap_or_overlap(table: UsageTable) -> None:
    events = [event(created_at=NOW_MS - number // 3) for number in range(50)]
    await insert(table, *random.Random(1).sample(events, 50))
    pages = [await history(table, ALL, page, 7) for page in range(1, 10)]
    shown = [item.event_id for page in pages for item in page.items]
    expected = sorted(events, key=lambda one: (one.created_at, one.event_id), reverse=True)
    assert shown == [one.event_id for one in expected]
    assert {page.total for page in pages} == {50}
    assert pages[-1].items == ()


async def test_the_total_agrees_with_the_last_page_while_events_are_stored(
    table: UsageTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = table.query_async

    async def query_and_store_another(sql: str, parameters: dict[str, Any]) -> list[Any]:
        rows = await query(sql, parameters)
        await insert(table, event())
        return rows

    monkeypatch.setattr(table, "query_async", query_and_store_another)
    for filters in (ALL, HistoryFilters(owner="ada@example.com"), HistoryFilters(key_id="key_1")):
        page = await history(table, filters, page_size=100)
        assert page.total == len(page.items)


async def test_an_event_that_is_in_the_table_twice_counts_once(table: UsageTable) -> None:
    table.open()
    for name in ("mcp_tool_usage_log", "mcp_tool_usage_daily"):
        table.write(f"SYSTEM STOP MERGES {name}", {})
    events = [event(created_at=NOW_MS + number) for number in range(30)]
    await table.insert_async(events, "first")
    await table.insert_async(events, "second")
    rows = await table.query_async("SELECT count() FROM mcp_tool_usage_log")
    assert rows == [(60,)]
    pages = [await history(table, ALL, page, 8) for page in range(1, 5)]
    shown = [item.event_id for page in pages for item in page.items]
    assert shown == ids(events)[::-1]
    assert {page.total for page in pages} == {30}


FILTERS: list[tuple[dict[str, Any], set[str]]] = [
    ({"owner": "ada@example.com"}, {"a", "b", "c", "d", "e"}),
    ({"owner": "eve@example.com"}, {"f"}),
    ({"owner": "nobody' OR 1 --"}, set()),
    ({"key_id": "key_2"}, {"b"}),
    ({"tool": "compare_stocks"}, {"c"}),
    ({"table": "index_daily"}, {"c", "d"}),
    ({"table": "index"}, set()),
    ({"status": "tool_error"}, {"e"}),
    ({"since": NOW_MS}, {"a", "b", "c", "d", "e"}),
    ({"until": NOW_MS}, {"f"}),
    ({"since": NOW_MS - 5, "until": NOW_MS + 1}, {"a", "b", "c", "d", "e", "f"}),
    ({"since": NOW_MS + 1}, set()),
    ({"table": "index_daily", "tool": "compare_stocks", "owner": "ada@example.com"}, {"c"}),
]


async def test_each_filter_selects_its_calls(table: UsageTable) -> None:
    await insert(
        table,
        event(created_at=NOW_MS, session_id="a"),
        event(created_at=NOW_MS, session_id="b", key_id="key_2"),
        event(created_at=NOW_MS, session_id="c", tool_name="compare_stocks", table_names=("x", "index_daily")),
        event(created_at=NOW_MS, session_id="d", table_names=("index_daily",)),
        event(created_at=NOW_MS, session_id="e", status="tool_error", is_error=True),
        event(created_at=NOW_MS - 5, session_id="f", owner="eve@example.com"),
    )
    for filters, expected in FILTERS:
        page = await history(table, HistoryFilters(**filters))
        assert {item.session_id for item in page.items} == expected, filters
        assert page.total == len(expected)


async def test_pages_of_all_owners_cover_days_and_filters(table: UsageTable) -> None:
    source = random.Random(2)
    events = [
        event(
            created_at=NOW_MS - source.randrange(30 * DAY_MS),
            owner=f"user{source.randrange(5)}@example.com",
            status=(status := source.choice(["ok", "ok", "ok", "tool_error", "denied"])),
            is_error=status != "ok",
            tool_name=source.choice(["a", "b"]),
            table_names=source.choice([(), ("t",)]),
            key_id=source.choice(["key_1", "key_2"]),
        )
        for _ in range(300)
    ]
    await insert(table, *events)
    newest = sorted(events, key=lambda one: (one.created_at, one.event_id), reverse=True)
    middle = NOW_MS - 11 * DAY_MS - 5_000_000
    filters: list[tuple[HistoryFilters, Callable[[UsageEvent], bool]]] = [
        (ALL, lambda one: True),
        (HistoryFilters(status="denied"), lambda one: one.status == "denied"),
        (HistoryFilters(status="ok", tool="a"), lambda one: (one.status, one.tool_name) == ("ok", "a")),
        (HistoryFilters(table="t", key_id="key_2"), lambda one: (one.table_names, one.key_id) == (("t",), "key_2")),
        (HistoryFilters(since=middle), lambda one: one.created_at >= middle),
        (HistoryFilters(until=middle), lambda one: one.created_at < middle),
    ]
    for asked, passes in filters:
        expected = [one.event_id for one in newest if passes(one)]
        pages = [await history(table, asked, page, 40) for page in range(1, 10)]
        assert [item.event_id for page in pages for item in page.items] == expected, asked
        assert {page.total for page in pages} == {len(expected)}, asked


async def test_wrong_daily_sums_hide_no_call(table: UsageTable) -> None:
    await insert(table, *(event(created_at=NOW_MS - number * DAY_MS) for number in range(20)))
    wrong_sums = f"INSERT INTO mcp_tool_usage_daily (day, calls) VALUES (toDate({NOW_MS // 1000}), 1000)"
    await table.write_async(wrong_sums, {})
    assert len((await history(table, ALL, 1, 15)).items) == 15
    await table.write_async("TRUNCATE TABLE mcp_tool_usage_daily", {})
    assert len((await history(table, ALL, 2, 15)).items) == 5


@pytest.mark.parametrize(("page", "size", "named"), [(0, 20, "page"), (1, 0, "page_size"), (1, 501, "page_size")])
async def test_an_invalid_page_is_refused_by_name(table: UsageTable, page: int, size: int, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must be"):
        await history(table, ALL, page, size)


async def test_the_deepest_page_is_named(table: UsageTable) -> None:
    await history(table, ALL, MAX_OFFSET // 500, 500)
    with pytest.raises(PageTooDeep, match="first 10000 items"):
        await history(table, ALL, MAX_OFFSET // 500 + 1, 500)


async def test_stats_have_the_rows_of_the_contract(table: UsageTable) -> None:
    await insert(
        table,
        event(created_at=NOW_MS - DAY_MS, table_names=("a", "b"), record_count=3, response_bytes=10),
        event(created_at=NOW_MS, table_names=("a",), record_count=4, response_bytes=20),
        event(
            created_at=NOW_MS,
            key_id="key_2",
            key_name="Other",
            tool_name="run_sql",
            table_names=(),
            record_count=0,
            is_error=True,
            response_bytes=30,
        ),
    )
    sums = {"errors": 0, "unknown_records": 0}
    assert as_json(await stats(table, 30)) == {
        "days": 30,
        "since": "2026-05-23",
        "totals": {"calls": 3, "errors": 1, "records": 7, "unknown_records": 0, "bytes": 60},
        "by_tool": [
            {"tool_name": "query_stock_daily", "calls": 2, **sums, "records": 7, "bytes": 30},
            {"tool_name": "run_sql", "calls": 1, **sums, "errors": 1, "records": 0, "bytes": 30},
        ],
        "by_table": [
            {"table_name": "a", "calls": 2, **sums, "records": 7, "bytes": 30},
            {"table_name": None, "calls": 1, **sums, "errors": 1, "records": 0, "bytes": 30},
            {"table_name": "b", "calls": 1, **sums, "records": 3, "bytes": 10},
        ],
        "by_key": [
            {"key_id": "key_1", "key_name": "Analytics", "calls": 2, **sums, "records": 7, "bytes": 30},
            {"key_id": "key_2", "key_name": "Other", "calls": 1, **sums, "errors": 1, "records": 0, "bytes": 30},
        ],
        "by_day": [
            {"day": "2026-06-20", "calls": 1, **sums, "records": 3, "bytes": 10},
            {"day": "2026-06-21", "calls": 2, **sums, "errors": 1, "records": 4, "bytes": 50},
        ],
        "truncated": False,
    }


async def test_without_calls_everything_is_zero_or_empty(table: UsageTable) -> None:
    found = await stats(table)
    assert found.totals == Sums(calls=0, errors=0, records=0, unknown_records=0, bytes=0)
    assert (found.by_tool, found.by_table, found.by_key, found.by_day) == ((), (), (), ())
    page = await history(table, ALL)
    assert (page.items, page.total) == ((), 0)


async def test_a_day_is_a_whole_day_in_utc(table: UsageTable) -> None:
    # NOW_MS is midnight.
    await insert(
        table,
        event(created_at=NOW_MS),
        event(created_at=NOW_MS - 1),
        event(created_at=NOW_MS - DAY_MS),
        event(created_at=NOW_MS - DAY_MS - 1),
    )
    assert (await stats(table, 1)).totals.calls == 1
    assert (await stats(table, 2)).totals.calls == 3
    assert (await stats(table, 3)).totals.calls == 4


@pytest.mark.parametrize("days", [0, -1, 1001])
async def test_an_invalid_number_of_days_is_refused(table: UsageTable, days: int) -> None:
    with pytest.raises(ValueError, match=r"^days must be"):
        await stats(table, days)


async def test_statistics_show_the_latest_name_of_a_key_and_history_its_name_at_the_time(table: UsageTable) -> None:
    await insert(table, event(created_at=NOW_MS + 5, key_name="new"))
    await insert(table, event(created_at=NOW_MS + 1, key_name="old"))
    assert [row.key_name for row in (await stats(table)).by_key] == ["new"]
    assert [item.key_name for item in (await history(table, ALL)).items] == ["new", "old"]


def some_events(seed: int, count: int) -> list[UsageEvent]:
    """Return random calls of a few owners, keys, tools, tables and days."""
    source = random.Random(seed)
    return [
        event(
            created_at=NOW_MS - source.randrange(10 * DAY_MS),
            owner=source.choice(["ada@example.com", "eve@example.com"]),
            key_id=f"key_{source.randrange(4)}",
            tool_name=source.choice(["a", "b", "c"]),
            table_names=tuple(source.sample(["t1", "t2", "t3"], source.randrange(4))),
            record_count=source.choice([None, 0, 1, 50]),
            is_error=source.random() < 0.1,
            response_bytes=source.randrange(10_000),
        )
        for _ in range(count)
    ]


def added_up(rows: list[UsageEvent]) -> tuple[int, int, int, int, int]:
    return (
        len(rows),
        sum(row.is_error for row in rows),
        sum(row.record_count or 0 for row in rows),
        sum(row.record_count is None for row in rows),
        sum(row.response_bytes for row in rows),
    )


def as_tuple(row: Any) -> tuple[int, int, int, int, int]:
    return row.calls, row.errors, row.records, row.unknown_records, row.bytes


def assert_agrees(found: Stats, rows: list[UsageEvent]) -> None:
    assert as_tuple(found.totals) == added_up(rows)
    for name, lists in (("tool_name", found.by_tool), ("key_id", found.by_key)):
        assert {getattr(row, name): as_tuple(row) for row in lists} == {
            value: added_up([row for row in rows if getattr(row, name) == value])
            for value in {getattr(row, name) for row in rows}
        }
    tables = Counter(name for row in rows for name in (row.table_names or (None,)))
    assert {row.table_name: row.calls for row in found.by_table} == tables
    assert sum(row.calls for row in found.by_day) == len(rows)


@pytest.mark.parametrize("seed", [1, 2])
async def test_statistics_agree_with_the_events_and_with_history(table: UsageTable, seed: int) -> None:
    events = some_events(seed, 500)
    for start in range(0, 500, 50):
        for _ in range(2):
            await table.insert_async(events[start : start + 50], f"batch {start}")
    for owner in (None, "ada@example.com"):
        for days in (1, 5, 30):
            since = NOW_MS - (days - 1) * DAY_MS
            rows = [row for row in events if row.created_at >= since and owner in (None, row.owner)]
            found = await stats(table, days, owner)
            assert_agrees(found, rows)
            page = await history(table, HistoryFilters(owner=owner, since=since))
            assert page.total == found.totals.calls


async def test_calls_beyond_the_retention_are_not_shown(table: UsageTable) -> None:
    # The engine has not removed it: it uses its own clock.
    await insert(table, event(created_at=NOW_MS), event(created_at=NOW_MS - 1))
    table.ttl_days = 1
    assert (await history(table, ALL)).total == 1
    assert (await stats(table)).totals.calls == 1
    assert (await stats(table)).since == "2026-06-21"


async def test_lists_are_bounded_and_say_so(table: UsageTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "MAX_ROWS", 3)
    await insert(table, *(event(tool_name=f"tool {number}") for number in range(5)))
    found = await stats(table)
    assert len(found.by_tool) == 3
    assert found.truncated
    assert found.totals.calls == 5


async def test_a_total_of_very_many_calls_is_correct(table: UsageTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "EXACT_TOTAL", 3)
    await insert(table, *(event(status=status) for status in ("ok", "ok", "ok", "ok", "denied")))
    await insert(table, *(event(created_at=NOW_MS - number) for number in range(1, 5)))
    for filters, total in (
        (ALL, 9),
        (HistoryFilters(owner="ada@example.com"), 9),
        (HistoryFilters(status="ok"), 8),
        (HistoryFilters(since=NOW_MS), 5),
        (HistoryFilters(since=NOW_MS + 1000), 0),
        (HistoryFilters(until=NOW_MS + DAY_MS, table="stock_daily"), 9),
        (HistoryFilters(until=NOW_MS, since=NOW_MS - DAY_MS), 4),
    ):
        assert (await history(table, filters)).total == total, filters


async def test_the_lookup_finds_stored_events_only(table: UsageTable) -> None:
    events = await insert(table, *(event(created_at=NOW_MS + number * DAY_MS) for number in range(250)))
    assert await find_stored(table, [*events, event()]) == {one.event_id: one.created_at for one in events}
    assert await find_stored(table, []) == {}


async def test_concurrent_readers_all_get_results(table: UsageTable) -> None:
    await insert(table, event())
    pages = await asyncio.gather(*(history(table, ALL) for _ in range(10)))
    assert {page.total for page in pages} == {1}
