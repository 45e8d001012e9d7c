"""History: each call once, newest first, and unknown counts stay unknown."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.usage.event import UsageEvent
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.queries import history as history_module
from gateway.usage.store.queries.filters import CallFilters
from gateway.usage.store.queries.history import MAX_OFFSET, Cursor, PageTooDeep, history, history_after
from gateway.usage.store.table import UsageTable
from tests.usage.support import DAY_MS, NOW_MS, event, ids

ALL = CallFilters()


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
                "count_path": "",
                "count_witness": "",
                "count_signs": [],
                "count_confidence": None,
            }
        ],
        "total": 1,
        "page": 1,
        "page_size": 20,
        "next_cursor": None,
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
    for filters in (ALL, CallFilters(owner="ada@example.com"), CallFilters(key_id="key_1")):
        page = await history(table, filters, page_size=100)
        assert page.total == len(page.items)


async def test_an_event_that_is_in_the_table_twice_counts_once(table: UsageTable) -> None:
    table.open()
    for name in (LOG_TABLE, QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE):
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
    ({"client": "cursor"}, {"c"}),
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
        event(
            created_at=NOW_MS,
            session_id="c",
            client_name="cursor",
            tool_name="compare_stocks",
            table_names=("x", "index_daily"),
        ),
        event(created_at=NOW_MS, session_id="d", table_names=("index_daily",)),
        event(created_at=NOW_MS, session_id="e", status="tool_error", is_error=True),
        event(created_at=NOW_MS - 5, session_id="f", owner="eve@example.com"),
    )
    for filters, expected in FILTERS:
        page = await history(table, CallFilters(**filters))
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
    filters: list[tuple[CallFilters, Callable[[UsageEvent], bool]]] = [
        (ALL, lambda one: True),
        (CallFilters(status="denied"), lambda one: one.status == "denied"),
        (CallFilters(status="ok", tool="a"), lambda one: (one.status, one.tool_name) == ("ok", "a")),
        (CallFilters(table="t", key_id="key_2"), lambda one: (one.table_names, one.key_id) == (("t",), "key_2")),
        (CallFilters(since=middle), lambda one: one.created_at >= middle),
        (CallFilters(until=middle), lambda one: one.created_at < middle),
    ]
    for asked, passes in filters:
        expected = [one.event_id for one in newest if passes(one)]
        pages = [await history(table, asked, page, 40) for page in range(1, 10)]
        assert [item.event_id for page in pages for item in page.items] == expected, asked
        assert {page.total for page in pages} == {len(expected)}, asked


async def test_wrong_sums_hide_no_call(table: UsageTable) -> None:
    await insert(table, *(event(created_at=NOW_MS - number * DAY_MS) for number in range(20)))
    wrong_sums = f"INSERT INTO {BY_DIMENSION_TABLE} (dimension, since, calls) VALUES ('total', {NOW_MS // 1000}, 1000)"
    await table.write_async(wrong_sums, {})
    assert len((await history(table, ALL, 1, 15)).items) == 15
    await table.write_async(f"TRUNCATE TABLE {BY_DIMENSION_TABLE}", {})
    assert len((await history(table, ALL, 2, 15)).items) == 5


async def all_by_cursor(table: UsageTable, filters: CallFilters, size: int) -> list[str]:
    """Return the ids of all calls, page after page."""
    page = await history(table, filters, 1, size)
    shown = [item.event_id for item in page.items]
    while page.next_cursor is not None:
        assert len(page.items) == size
        page = await history_after(table, filters, Cursor.parse(page.next_cursor), size)
        shown += [item.event_id for item in page.items]
    return shown


@pytest.mark.parametrize("owner", [None, "ada@example.com"])
async def test_cursors_reach_every_call_once_however_deep(
    table: UsageTable, monkeypatch: pytest.MonkeyPatch, owner: str | None
) -> None:
    monkeypatch.setattr(history_module, "MAX_OFFSET", 10)
    # Several calls have the same time, also at the end of a page, and each is there twice.
    table.open()
    table.write(f"SYSTEM STOP MERGES {LOG_TABLE}", {})
    events = [event(created_at=NOW_MS - number // 4 * DAY_MS) for number in range(60)]
    await table.insert_async(events, "first")
    await table.insert_async(events, "second")
    expected = sorted(events, key=lambda one: (one.created_at, one.event_id), reverse=True)
    for size in (7, 10):
        assert await all_by_cursor(table, CallFilters(owner=owner), size) == [one.event_id for one in expected]
    middle = CallFilters(owner=owner, since=NOW_MS - 9 * DAY_MS, until=NOW_MS - DAY_MS)
    assert await all_by_cursor(table, middle, 5) == [one.event_id for one in expected[8:40]]


async def test_a_cursor_skips_no_call_that_arrives_between_pages(table: UsageTable) -> None:
    await insert(table, *(event(created_at=NOW_MS - number) for number in range(6)))
    first = await history(table, ALL, 1, 3)
    await insert(table, event(created_at=NOW_MS + 5))
    assert first.next_cursor is not None
    second = await history_after(table, ALL, Cursor.parse(first.next_cursor), 3)
    assert len({item.event_id for item in (*first.items, *second.items)}) == 6
    assert (second.next_cursor, second.total) == (None, 7)


@pytest.mark.parametrize("text", ["", "-", "1-", "-a", "x-a", "1" * 20 + "-a", "²-a"])
def test_another_text_is_no_cursor(text: str) -> None:
    with pytest.raises(ValueError, match="not the cursor"):
        Cursor.parse(text)


@pytest.mark.parametrize(("page", "size", "named"), [(0, 20, "page"), (1, 0, "page_size"), (1, 501, "page_size")])
async def test_an_invalid_page_is_refused_by_name(table: UsageTable, page: int, size: int, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named} must be"):
        await history(table, ALL, page, size)


async def test_the_deepest_page_is_named(table: UsageTable) -> None:
    await history(table, ALL, MAX_OFFSET // 500, 500)
    with pytest.raises(PageTooDeep, match="first 10000 items"):
        await history(table, ALL, MAX_OFFSET // 500 + 1, 500)


async def test_a_total_of_very_many_calls_is_correct(table: UsageTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "EXACT_TOTAL", 3)
    await insert(table, *(event(status=status) for status in ("ok", "ok", "ok", "ok", "denied")))
    await insert(table, *(event(created_at=NOW_MS - number) for number in range(1, 5)))
    for filters, total in (
        (ALL, 9),
        (CallFilters(owner="ada@example.com"), 9),
        (CallFilters(status="ok"), 8),
        (CallFilters(since=NOW_MS), 5),
        (CallFilters(since=NOW_MS + 1000), 0),
        (CallFilters(until=NOW_MS + DAY_MS, table="stock_daily"), 9),
        (CallFilters(until=NOW_MS, since=NOW_MS - DAY_MS), 4),
    ):
        assert (await history(table, filters)).total == total, filters


async def test_concurrent_readers_all_get_results(table: UsageTable) -> None:
    await insert(table, event())
    pages = await asyncio.gather(*(history(table, ALL) for _ in range(10)))
    assert {page.total for page in pages} == {1}
