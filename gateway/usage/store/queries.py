"""Queries on usage: the history of single calls, and statistics by day.

Rules:
- An event counts once, also if the table has it twice (except in totals of more than `EXACT_TOTAL`).
- An unknown record count stays unknown: `null` in the history, and counted as `unknown_records` in statistics, whose
  `records` are the sum of the known ones.
- Statistics and history agree: both count whole days (UTC), from the same first day.
- Every value reaches ClickHouse as a bound parameter. Every result is bounded, and says if the bound was reached.
"""

# ruff: noqa: S608 - constants of this module are all that is formatted into queries

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from gateway.timestamps import DAY_MS, format_rfc3339
from gateway.usage.store.models import (
    DayRow,
    HistoryFilters,
    HistoryItem,
    HistoryPage,
    KeyRow,
    Stats,
    Sums,
    TableRow,
    ToolRow,
)
from gateway.usage.store.table import DAILY_TABLE, LOG_TABLE, UsageTable

MAX_PAGE_SIZE = 500
MAX_OFFSET = 10_000
"""Items that a page may skip: for deeper pages ClickHouse would sort everything before them."""
MAX_STATISTICS_DAYS = 1000
MAX_ROWS = 1000
"""Rows of each list in the statistics: those with the most calls."""
EXACT_TOTAL = 50_000
"""Totals up to this are exact; larger ones may include duplicates that no merge has removed yet."""


class PageTooDeep(ValueError):
    """The page is beyond `MAX_OFFSET`; the message names alternatives."""


Row = tuple[Any, ...]

_FILTERS = {
    "owner": "owner = {owner:String}",
    "since": "created_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')",
    "until": "created_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')",
    "key_id": "key_id = {key_id:String}",
    "tool": "tool_name = {tool:String}",
    "table": "has(table_names, {table:String})",
    "status": "status = {status:String}",
}
_ITEM_COLUMNS = (
    "event_id, toUnixTimestamp64Milli(created_at) AS created_ms, key_id, key_name, owner, tool_name, table_names, "
    "record_count, count_method, is_error, status, duration_ms, response_bytes, client_name, client_version, "
    "session_id, request_id, protocol_version, client_ip, gateway_id, arguments_hash, written_tables"
)
_SUMS = "sum(calls), sum(errors), sum(records), sum(unknown_records), sum(bytes)"


async def history(table: UsageTable, filters: HistoryFilters, page: int = 1, page_size: int = 20) -> HistoryPage:
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
            f"only the first {MAX_OFFSET} items have pages; narrow the time with 'from' and 'to', or export the calls"
        )
    days = await _calls_by_day(table, filters) if filters.owner is None else []
    for since in _windows([calls for _, calls in days], offset + page_size):
        keys = await _keys(table, filters, None if since is None else days[since][0], page_size, offset)
        if len(keys) == page_size:
            break
    if 0 < len(keys) < page_size or offset == len(keys) == 0:
        # The last page tells the total; a second query would also count calls that were stored since.
        total = offset + len(keys)
    else:
        total = await _total(table, filters, sum(calls for _, calls in days))
    return HistoryPage(await _items(table, keys), total, page, page_size)


async def stats(table: UsageTable, days: int = 30, owner: str | None = None) -> Stats:
    """Return sums over the last `days` days of one owner, or of all.

    Raises `ValueError` for an invalid number of days, and `UsageTableUnavailable`.
    """
    if not 1 <= days <= MAX_STATISTICS_DAYS:
        raise ValueError(f"days must be between 1 and {MAX_STATISTICS_DAYS}")
    since = max(table.today - datetime.timedelta(days=days - 1), table.first_day or datetime.date.min)
    where = "WHERE day >= {since:Date}" + (" AND owner = {owner:String}" if owner is not None else "")
    parameters = {"since": since, "owner": owner, "limit": MAX_ROWS + 1}
    # One scan for all lists but the tables; `which` identifies the grouping.
    rows = await table.query_async(
        "SELECT grouping(tool_name, key_id, day) AS which, tool_name, key_id, day, argMaxMerge(key_name), "
        f"{_SUMS} FROM {DAILY_TABLE} {where} GROUP BY GROUPING SETS ((), (tool_name), (key_id), (day)) "
        "ORDER BY sum(calls) DESC, tool_name, key_id LIMIT {limit:UInt32} BY which",
        parameters,
    )
    tables = await table.query_async(
        f"SELECT arrayJoin(if(empty(table_names), [''], table_names)) AS name, {_SUMS} "
        f"FROM {DAILY_TABLE} {where} GROUP BY name ORDER BY sum(calls) DESC, name "
        "LIMIT {limit:UInt32}",
        parameters,
    )
    return _stats(days, since, rows, tables)


def where(filters: HistoryFilters, first_day: datetime.date | None) -> tuple[str, dict[str, Any]]:
    """Return the `WHERE` clause for the filters, empty if there is none, and its parameters."""
    parameters = {name: value for name in _FILTERS if (value := getattr(filters, name)) is not None}
    conditions = [_FILTERS[name] for name in parameters]
    if first_day is not None:
        conditions.append("created_at >= toDateTime64({first_day:Date}, 3, 'UTC')")
        parameters["first_day"] = first_day
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), parameters


def _windows(calls: Sequence[int], needed: int) -> Iterator[int | None]:
    """Yield time windows to search for a page: the index of their earliest day, the smallest window first.

    The table is sorted by owner and time: for the newest calls of all owners ClickHouse reads everything in the window.
    The daily sums tell which window is large enough. If they are wrong, a page is short, and the next window is tried;
    the last one, `None`, is unlimited.
    """
    for wanted in (needed, 10 * needed):
        enough = (index for index, calls_so_far in enumerate(accumulate(calls)) if calls_so_far >= wanted)
        if (index := next(enough, None)) is not None:
            yield index
    yield None


async def _calls_by_day(table: UsageTable, filters: HistoryFilters) -> list[tuple[datetime.date, int]]:
    """Return the days (UTC) with calls that pass the filters, the newest first, each with at least their number."""
    counted = "calls" if filters.status in (None, "ok") else "errors"
    parameters: dict[str, Any] = {
        name: value for name in ("key_id", "tool", "table") if (value := getattr(filters, name)) is not None
    }
    conditions = [_FILTERS[name] for name in parameters]
    last = None if filters.until is None else filters.until - 1
    for name, timestamp, operator in (("since", filters.since, ">="), ("last", last, "<=")):
        if timestamp is not None:
            conditions.append(f"day {operator} toDate(fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC'), 'UTC')")
            parameters[name] = timestamp
    if table.first_day is not None:
        conditions.append("day >= {first_day:Date}")
        parameters["first_day"] = table.first_day
    condition = f"WHERE {' AND '.join(conditions)} " if conditions else ""
    rows = await table.query_async(
        f"SELECT day, sum({counted}) AS counted FROM {DAILY_TABLE} {condition}"
        "GROUP BY day HAVING counted > 0 ORDER BY day DESC",
        parameters,
    )
    return [(day, int(calls)) for day, calls in rows]


async def _keys(
    table: UsageTable, filters: HistoryFilters, first_day: datetime.date | None, size: int, offset: int
) -> list[Row]:
    """Return owner, time and id of the calls of a page, among those since a day."""
    days = [day for day in (first_day, table.first_day) if day is not None]
    conditions, parameters = where(filters, max(days, default=None))
    # The inner limit bounds what ClickHouse sorts; it suffices if each event is there twice.
    return await table.query_async(
        "SELECT * FROM (SELECT owner, toUnixTimestamp64Milli(created_at) AS ms, event_id "
        f"FROM {LOG_TABLE} {conditions} "
        "ORDER BY created_at DESC, event_id DESC LIMIT {reach:UInt32}) "
        "ORDER BY ms DESC, event_id DESC LIMIT 1 BY event_id LIMIT {size:UInt32} OFFSET {offset:UInt32}",
        {**parameters, "size": size, "offset": offset, "reach": 2 * (offset + size)},
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


async def _total(table: UsageTable, filters: HistoryFilters, summed: int) -> int:
    """Return the number of calls. Above `EXACT_TOTAL` it is the number of rows, or the daily sums if they are equal."""
    if summed > EXACT_TOTAL and filters.status is None and _is_whole_days(filters):
        return summed
    conditions, parameters = where(filters, table.first_day)
    rows = await table.query_async(f"SELECT count() FROM {LOG_TABLE} {conditions}", parameters)
    if rows[0][0] <= EXACT_TOTAL:
        rows = await table.query_async(f"SELECT uniqExact(event_id) FROM {LOG_TABLE} {conditions}", parameters)
    return int(rows[0][0])


def _is_whole_days(filters: HistoryFilters) -> bool:
    return all(bound is None or bound % DAY_MS == 0 for bound in (filters.since, filters.until))


def _item(row: Row) -> HistoryItem:
    event_id, created_at, key_id, key_name, owner, tool_name, table_names, *others, written_tables = row
    names = tuple(table_names)
    return HistoryItem(
        event_id=event_id,
        created_at=format_rfc3339(created_at),
        key_id=key_id,
        key_name=key_name,
        owner=owner,
        tool_name=tool_name,
        table_name=", ".join(names) or None,
        table_names=names,
        **dict(zip(HistoryItem.__struct_fields__[8:-1], others, strict=True)),
        written_tables=tuple(written_tables),
    )


_ALL, _BY_TOOL, _BY_KEY, _BY_DAY = 0b111, 0b011, 0b101, 0b110
"""Values of `grouping(tool_name, key_id, day)`: a bit is set for each column that is not grouped by."""


def _stats(days: int, since: datetime.date, rows: list[Row], tables: list[Row]) -> Stats:
    lists: dict[int, list[Row]] = {_ALL: [], _BY_TOOL: [], _BY_KEY: [], _BY_DAY: []}
    for which, *row in rows:
        lists[which].append(tuple(row))
    totals = lists[_ALL][0][4:] if lists[_ALL] else (0,) * 5
    by_day = sorted(lists[_BY_DAY], key=lambda row: row[2])
    return Stats(
        days=days,
        since=since.isoformat(),
        totals=Sums(**_sums(totals)),
        by_tool=tuple(ToolRow(tool_name=tool, **_sums(row)) for tool, _, _, _, *row in lists[_BY_TOOL][:MAX_ROWS]),
        by_table=tuple(TableRow(table_name=name or None, **_sums(row)) for name, *row in tables[:MAX_ROWS]),
        by_key=tuple(
            KeyRow(key_id=key_id, key_name=name, **_sums(row)) for _, key_id, _, name, *row in lists[_BY_KEY][:MAX_ROWS]
        ),
        by_day=tuple(DayRow(day=day.isoformat(), **_sums(row)) for _, _, day, _, *row in by_day),
        truncated=any(len(one) > MAX_ROWS for one in (*lists.values(), tables)),
    )


def _sums(row: Sequence[int]) -> dict[str, int]:
    return dict(zip(Sums.__struct_fields__, row, strict=True))
