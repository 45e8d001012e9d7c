"""The history: pages of single calls, the newest first.

The first `MAX_OFFSET` calls have page numbers. A cursor, which names the last call of a page, reaches all of them.
"""

# ruff: noqa: S608 - constants of this module are all that is formatted into queries

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import msgspec

from gateway.timestamps import DAY_MS, format_rfc3339
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.queries.filters import CallFilters, column_conditions, where
from gateway.usage.store.queries.models import HistoryItem, HistoryPage
from gateway.usage.store.table import UsageTable

MAX_PAGE_SIZE = 500
MAX_OFFSET = 10_000
"""Items that a page may skip: for deeper pages ClickHouse would sort everything before them."""
EXACT_TOTAL = 50_000
"""Totals up to this are exact; larger ones may include duplicates that no merge has removed yet."""


class PageTooDeep(ValueError):
    """The page is beyond `MAX_OFFSET`; the message names alternatives."""


Row = tuple[Any, ...]

_ITEM_COLUMNS = (
    "event_id, toUnixTimestamp64Milli(created_at) AS created_ms, key_id, key_name, owner, tool_name, table_names, "
    "record_count, count_method, is_error, status, duration_ms, response_bytes, client_name, client_version, "
    "session_id, request_id, protocol_version, client_ip, gateway_id, arguments_hash, written_tables, "
    "count_path, count_witness, count_signs, count_confidence"
)
_CURSOR_DIGITS = 15
_COUNTED = {None: "calls + denied", "ok": "calls", "denied": "denied"}
"""The sums that count calls, by status; `ok` also counts errors."""


class Cursor(NamedTuple):
    """The last call of a page, after which the next one begins."""

    created_ms: int
    event_id: str

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Parse the cursor of a page. Raises `ValueError`."""
        created_ms, separator, event_id = text.partition("-")
        if not (separator and event_id and len(created_ms) < _CURSOR_DIGITS and created_ms.isdecimal()):
            raise ValueError("not the cursor of a page")
        return cls(int(created_ms), event_id)

    def __str__(self) -> str:
        return f"{self.created_ms}-{self.event_id}"


async def history(table: UsageTable, filters: CallFilters, page: int = 1, page_size: int = 20) -> HistoryPage:
    """Return one page of calls, the newest first.

    Raises `ValueError` for an invalid page or size, `PageTooDeep`, and `UsageTableUnavailable`.
    """
    if page < 1:
        raise ValueError("page must be 1 or more")
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise ValueError(f"page_size must be between 1 and {MAX_PAGE_SIZE}")
    offset = (page - 1) * page_size
    if offset + page_size > MAX_OFFSET:
        raise PageTooDeep(
            f"only the first {MAX_OFFSET} items have pages; use 'cursor', narrow the time with 'from' and 'to', "
            "or export the calls"
        )
    days = await _calls_by_day(table, filters) if filters.owner is None else []
    keys = await _newest(table, filters, days, _Page(page_size + 1, offset))
    if (keys and len(keys) <= page_size) or offset == len(keys) == 0:
        # The last page tells the total; a second query would also count calls that were stored since.
        total = offset + len(keys)
    else:
        total = await _total(table, filters, sum(calls for _, calls in days))
    return HistoryPage(
        await _items(table, keys[:page_size]), total, page, page_size, next_cursor=_next_cursor(keys, page_size)
    )


async def history_after(table: UsageTable, filters: CallFilters, cursor: Cursor, size: int) -> HistoryPage:
    """Return the calls after the last one of a page, however deep. Its number, 1, means nothing.

    Raises `UsageTableUnavailable`.
    """
    until = cursor.created_ms + 1 if filters.until is None else min(filters.until, cursor.created_ms + 1)
    older = msgspec.structs.replace(filters, until=until)
    days = await _calls_by_day(table, older) if filters.owner is None else []
    keys = await _newest(table, older, days, _Page(size + 1, 0, cursor))
    total = await _total(table, filters, 0)
    return HistoryPage(await _items(table, keys[:size]), total, 1, size, next_cursor=_next_cursor(keys, size))


class _Page(NamedTuple):
    size: int
    offset: int
    cursor: Cursor | None = None


def _next_cursor(keys: Sequence[Row], size: int) -> str | None:
    return str(Cursor(*keys[size - 1][1:])) if len(keys) > size else None


async def _newest(
    table: UsageTable, filters: CallFilters, days: Sequence[tuple[datetime.date, int]], page: _Page
) -> list[Row]:
    keys: list[Row] = []
    for since in _windows([calls for _, calls in days], page.offset + page.size):
        keys = await _keys(table, filters, None if since is None else days[since][0], page)
        if len(keys) == page.size:
            break
    return keys


def _windows(calls: Sequence[int], needed: int) -> Iterator[int | None]:
    """Yield time windows to search for a page: the index of their earliest day, the smallest window first.

    The table is sorted by owner and time: for the newest calls of all owners ClickHouse reads everything in the window.
    The sums by day tell which window is large enough. If they are wrong, a page is short, and the next window is tried;
    the last one, `None`, is unlimited.
    """
    for wanted in (needed, 10 * needed):
        enough = (index for index, calls_so_far in enumerate(accumulate(calls)) if calls_so_far >= wanted)
        if (index := next(enough, None)) is not None:
            yield index
    yield None


async def _calls_by_day(table: UsageTable, filters: CallFilters) -> list[tuple[datetime.date, int]]:
    """Return the days (UTC) with calls that pass the filters, the newest first, each with at least their number."""
    conditions, parameters = column_conditions(filters)
    if not filters.dimensions:
        conditions.append("dimension = 'total'")
    last = None if filters.until is None else filters.until - 1
    for name, timestamp, operator in (("since", filters.since, ">="), ("last", last, "<=")):
        if timestamp is not None:
            day = f"toDate(fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC'), 'UTC')"
            conditions.append(f"toDate(since, 'UTC') {operator} {day}")
            parameters[name] = timestamp
    if table.first_day is not None:
        conditions.append("since >= toDateTime({first_day:Date}, 'UTC')")
        parameters["first_day"] = table.first_day
    condition = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    rows = await table.query_async(
        f"SELECT toDate(since, 'UTC') AS day, sum({_COUNTED.get(filters.status, 'errors')}) AS counted "
        f"FROM {QUARTER_HOURLY_TABLE if filters.dimensions else BY_DIMENSION_TABLE} {condition}"
        "GROUP BY day HAVING counted > 0 ORDER BY day DESC",
        parameters,
    )
    return [(day, int(calls)) for day, calls in rows]


async def _keys(table: UsageTable, filters: CallFilters, first_day: datetime.date | None, page: _Page) -> list[Row]:
    """Return owner, time and id of the calls of a page, among those since a day."""
    days = [day for day in (first_day, table.first_day) if day is not None]
    conditions, parameters = where(filters, max(days, default=None))
    if page.cursor is not None:
        # `until` ends the search at the millisecond of the cursor.
        conditions += (
            " AND (created_at < fromUnixTimestamp64Milli({cursor_ms:Int64}, 'UTC') OR event_id < {cursor_id:String})"
        )
        parameters |= {"cursor_ms": page.cursor.created_ms, "cursor_id": page.cursor.event_id}
    # The inner limit bounds what ClickHouse sorts; it suffices if each event is there twice.
    return await table.query_async(
        "SELECT * FROM (SELECT owner, toUnixTimestamp64Milli(created_at) AS ms, event_id "
        f"FROM {LOG_TABLE} {conditions} "
        "ORDER BY created_at DESC, event_id DESC LIMIT {reach:UInt32}) "
        "ORDER BY ms DESC, event_id DESC LIMIT 1 BY event_id LIMIT {size:UInt32} OFFSET {offset:UInt32}",
        {**parameters, "size": page.size, "offset": page.offset, "reach": 2 * (page.offset + page.size)},
    )


async def _items(table: UsageTable, keys: Sequence[Row]) -> tuple[HistoryItem, ...]:
    if not keys:
        return ()
    rows = await table.query_async(
        f"SELECT {_ITEM_COLUMNS} FROM {LOG_TABLE} "
        "WHERE owner IN {owners:Array(String)} AND event_id IN {ids:Array(String)} "
        "AND created_at >= fromUnixTimestamp64Milli({first:Int64}, 'UTC') "
        "AND created_at <= fromUnixTimestamp64Milli({last:Int64}, 'UTC') "
        "ORDER BY created_ms DESC, event_id DESC LIMIT 1 BY event_id",
        {
            "owners": list({owner for owner, _, _ in keys}),
            "ids": [event_id for _, _, event_id in keys],
            "first": keys[-1][1],
            "last": keys[0][1],
        },
    )
    return tuple(_item(row) for row in rows)


async def _total(table: UsageTable, filters: CallFilters, summed: int) -> int:
    """Return the number of calls. Above `EXACT_TOTAL` it is the number of rows, or the sums if they are equal."""
    if summed > EXACT_TOTAL and filters.status is None and _is_whole_days(filters):
        return summed
    conditions, parameters = where(filters, table.first_day)
    rows = await table.query_async(f"SELECT count() FROM {LOG_TABLE} {conditions}", parameters)
    if rows[0][0] <= EXACT_TOTAL:
        rows = await table.query_async(f"SELECT uniqExact(event_id) FROM {LOG_TABLE} {conditions}", parameters)
    return int(rows[0][0])


def _is_whole_days(filters: CallFilters) -> bool:
    return all(bound is None or bound % DAY_MS == 0 for bound in (filters.since, filters.until))


def _item(row: Row) -> HistoryItem:
    event_id, created_at, key_id, key_name, owner, tool_name, table_names, *others = row
    names = tuple(table_names)
    fields = dict(zip(HistoryItem.__struct_fields__[8:], others, strict=True))
    fields["written_tables"] = tuple(fields["written_tables"])
    fields["count_signs"] = tuple(fields["count_signs"])
    if fields["count_confidence"] is not None:
        # Stored with 32 bits: without rounding, 0.95 is 0.949999988079071.
        fields["count_confidence"] = round(fields["count_confidence"], 3)
    return HistoryItem(
        event_id=event_id,
        created_at=format_rfc3339(created_at),
        key_id=key_id,
        key_name=key_name,
        owner=owner,
        tool_name=tool_name,
        table_name=", ".join(names) or None,
        table_names=names,
        **fields,
    )
