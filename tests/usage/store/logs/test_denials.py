"""Refused requests are summed up by key, owner, tool, status and reason, each stored count once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.usage.store.logs.denials import DenialFilters, read_page
from gateway.usage.store.migrations.retention import Retention
from gateway.usage.store.table import UsageTable
from tests.usage.denials import denial, insert_denials
from tests.usage.support import DAY_MS, NOW_MS


async def counts(table: UsageTable, **filters: Any) -> list[int]:
    page = await read_page(table, DenialFilters(**filters), 100)
    return [one.count for one in page.denials]


async def test_counts_of_equal_requests_are_added_up_with_the_last_time(table: UsageTable) -> None:
    await insert_denials(table, denial(count=3), denial(count=4, created_at=NOW_MS + 5000, gateway_id="g2"))
    (found,) = (await read_page(table, DenialFilters(), 100)).denials
    assert (found.key_id, found.owner, found.tool_name) == ("key_1", "ada@example.com", "run_sql")
    assert (found.status, found.reason, found.count) == (403, "tool", 7)
    assert found.last_at == "2026-06-21T00:00:05.000Z"


async def test_a_count_that_was_stored_twice_counts_once(table: UsageTable) -> None:
    twice = denial(count=3)
    await insert_denials(table, twice)
    await insert_denials(table, twice)
    assert await counts(table) == [3]


async def test_requests_that_differ_in_anything_have_rows_of_their_own(table: UsageTable) -> None:
    await insert_denials(
        table,
        denial(count=6),
        denial(count=5, key_id="key_2"),
        denial(count=4, owner="bob@example.com"),
        denial(count=3, tool_name=""),
        denial(count=2, status=429),
        denial(count=1, reason="table"),
    )
    assert await counts(table) == [6, 5, 4, 3, 2, 1]


async def test_filters_select_requests(table: UsageTable) -> None:
    await insert_denials(
        table,
        denial(count=16, owner="bob@example.com", created_at=NOW_MS + DAY_MS),
        denial(count=8, key_id="key_2"),
        denial(count=4, tool_name="get"),
        denial(count=2, tool_name=""),
        denial(count=1, status=429, reason="rate"),
    )
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({"owner": "bob@example.com"}, [16]),
        ({"key_id": "key_2"}, [8]),
        ({"tool": "get"}, [4]),
        ({"tool": ""}, [2]),
        ({"status": 429}, [1]),
        ({"reason": "rate"}, [1]),
        ({"status": 429, "reason": "tool"}, []),
        ({"since": NOW_MS + 1}, [16]),
        ({"until": NOW_MS + 1}, [8, 4, 2, 1]),
        ({"since": NOW_MS + DAY_MS + 1}, []),
    ]
    for filters, found in expected:
        assert await counts(table, **filters) == found, filters


async def test_rows_before_the_retention_are_not_read(make_table: Callable[..., UsageTable]) -> None:
    await insert_denials(make_table(), denial(created_at=NOW_MS - 2 * DAY_MS, count=5), denial())
    # The retention of the reader alone: ClickHouse goes by its own clock.
    table = make_table()
    table.retention = Retention(usage_days=2)
    assert await counts(table) == [1]


async def test_pages_have_each_row_once_although_more_is_refused_meanwhile(table: UsageTable) -> None:
    kinds = [(f"key_{number % 7}", number) for number in range(25)]
    await insert_denials(table, *(denial(key_id=key, tool_name=f"t{n}", count=n // 3 + 1) for key, n in kinds))
    after, found, pages = None, [], 0
    while True:
        page = await read_page(table, DenialFilters(), 10, after)
        found += page.denials
        pages += 1
        if page.next_position is None:
            break
        after = page.next_position
        await insert_denials(table, *(denial(created_at=NOW_MS + pages, key_id=key, count=50) for key, _ in kinds))
    assert pages == 3
    assert [one.count for one in found] == sorted((n // 3 + 1 for _, n in kinds), reverse=True)
    assert len({(one.key_id, one.tool_name) for one in found}) == 25


async def test_a_page_names_its_keys(table: UsageTable) -> None:
    await insert_denials(table, denial(count=3), denial(count=2, key_id=""), denial(count=1, key_id="key_2"))
    page = await read_page(table, DenialFilters(), 100)
    assert page.key_ids == ["key_1", "key_2"]
    assert [one.key_name for one in page.named({"key_1": "laptop"}).denials] == ["laptop", "", ""]
