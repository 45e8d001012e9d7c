"""Reading usage: the history of single calls, and statistics by day.

Rules:
- An event counts once, also where the table has it twice (totals of more than `EXACT_TOTAL` aside).
- An unknown record count stays unknown: `null` in the history, and counted as `unknown_records` in
  statistics, whose `records` add up the known ones.
- Statistics and history agree: both count whole days (UTC), from the same first day.
- Every value reaches ClickHouse as a bound parameter. Every answer has a bound, and says where it was
  reached.
"""

# ruff: noqa: S608 - constants of this module are all that is formatted into queries

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from gateway.usage.answers import (
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
from gateway.usage.event import UsageEvent
from gateway.usage.table import DAILY_TABLE, LOG_TABLE, UsageTable

MAX_PAGE_SIZE = 500
MAX_OFFSET = 10_000
"""Items that a page may skip: deeper ones would cost ClickHouse a sort of everything before them."""
MAX_DAYS = 1000
MAX_ROWS = 1000
"""Rows of each list in the statistics, those with the most calls."""
EXACT_TOTAL = 5_000_000
"""A total of more calls is the number of rows."""
LATENESS_MS = 3_600_000
"""How much later than an event another one of the same id is looked for."""
_STORED_CHUNK = 1000
"""Ids looked up with one query."""


class PageTooDeep(ValueError):
    """The page lies beyond `MAX_OFFSET`; the message says how to get there."""


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
    "session_id, request_id, protocol_version, client_ip, gateway_id, arguments_hash"
)
_SUMS = "sum(calls), sum(errors), sum(records), sum(unknown_records), sum(bytes)"


async def history(table: UsageTable, filters: HistoryFilters, page: int = 1, page_size: int = 20) -> HistoryPage:
    """One page of calls, the newest first.

    Raises `ValueError` for a page or size that is none, `PageTooDeep`, and `UsageTableUnavailable`.
    """
    if page < 1:
        raise ValueError("page must be 1 or more")
    if not 1 <= page_size <= MAX_PAGE_SIZE:
        raise ValueError(f"page_size must be between 1 and {MAX_PAGE_SIZE}")
    offset = (page - 1) * page_size
    if offset + page_size > MAX_OFFSET:
        raise PageTooDeep(
            f"only the first {MAX_OFFSET} items have pages; narrow the time with 'from' and 'to' to see more"
        )
    conditions, parameters = where(filters, table.first_day)
    # The inner limit lets ClickHouse read no more than that; it is far enough where each event is there twice.
    rows = await table.query_soon(
        f"SELECT * FROM (SELECT {_ITEM_COLUMNS} FROM {LOG_TABLE} {conditions} "
        "ORDER BY created_at DESC, event_id DESC LIMIT {reach:UInt32}) "
        "ORDER BY created_ms DESC, event_id DESC LIMIT 1 BY event_id LIMIT {size:UInt32} OFFSET {offset:UInt32}",
        {**parameters, "size": page_size, "offset": offset, "reach": 2 * (offset + page_size)},
    )
    total = await _total(table, conditions, parameters)
    return HistoryPage(tuple(_item(row) for row in rows), total, page, page_size)


async def stats(table: UsageTable, days: int = 30, owner: str | None = None) -> Stats:
    """Sums over the last `days` days of one owner, or of all.

    Raises `ValueError` for a number of days that is none, and `UsageTableUnavailable`.
    """
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"days must be between 1 and {MAX_DAYS}")
    since = max(table.today - datetime.timedelta(days=days - 1), table.first_day or datetime.date.min)
    where = "WHERE day >= {since:Date}" + (" AND owner = {owner:String}" if owner is not None else "")
    parameters = {"since": since, "owner": owner, "limit": MAX_ROWS + 1}
    # One scan for all but the tables; `which` tells the groupings apart.
    rows = await table.query_soon(
        "SELECT grouping(tool_name, key_id, day) AS which, tool_name, key_id, day, argMaxMerge(key_name), "
        f"{_SUMS} FROM {DAILY_TABLE} {where} GROUP BY GROUPING SETS ((), (tool_name), (key_id), (day)) "
        "ORDER BY sum(calls) DESC, tool_name, key_id LIMIT {limit:UInt32} BY which",
        parameters,
    )
    tables = await table.query_soon(
        f"SELECT arrayJoin(if(empty(table_names), [''], table_names)) AS name, {_SUMS} "
        f"FROM {DAILY_TABLE} {where} GROUP BY name ORDER BY sum(calls) DESC, name "
        "LIMIT {limit:UInt32}",
        parameters,
    )
    return _stats(days, since, rows, tables)


async def stored(table: UsageTable, events: Sequence[UsageEvent]) -> dict[str, int]:
    """The ids of those events that the table has, with their times there (`created_at`).

    An event that was made twice has one id and two times, both later than its id. Raises `UsageTableUnavailable`.
    """
    found: dict[str, int] = {}
    for start in range(0, len(events), _STORED_CHUNK):
        chunk = events[start : start + _STORED_CHUNK]
        rows = await table.query_soon(
            f"SELECT event_id, toUnixTimestamp64Milli(created_at) FROM {LOG_TABLE}"
            " WHERE owner IN {owners:Array(String)}"
            " AND created_at >= fromUnixTimestamp64Milli({first:Int64}, 'UTC')"
            " AND created_at <= fromUnixTimestamp64Milli({last:Int64}, 'UTC')"
            " AND event_id IN {ids:Array(String)}",
            {
                "owners": list({event.owner for event in chunk}),
                "first": min(event.made_at for event in chunk),
                "last": max(event.created_at for event in chunk) + LATENESS_MS,
                "ids": [event.event_id for event in chunk],
            },
        )
        found.update(rows)
    return found


def where(filters: HistoryFilters, first_day: datetime.date | None) -> tuple[str, dict[str, Any]]:
    """The condition of a query on the calls that pass the filters, `WHERE` included, and its parameters."""
    parameters = {name: value for name in _FILTERS if (value := getattr(filters, name)) is not None}
    conditions = [_FILTERS[name] for name in parameters]
    if first_day is not None:
        conditions.append("created_at >= toDateTime64({first_day:Date}, 3, 'UTC')")
        parameters["first_day"] = first_day
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), parameters


async def _total(table: UsageTable, conditions: str, parameters: dict[str, Any]) -> int:
    """How many calls there are; of very many, without looking for duplicates that no merge has removed yet."""
    rows = await table.query_soon(f"SELECT count() FROM {LOG_TABLE} {conditions}", parameters)
    if rows[0][0] <= EXACT_TOTAL:
        rows = await table.query_soon(f"SELECT count() FROM {LOG_TABLE} FINAL {conditions}", parameters)
    return int(rows[0][0])


def _item(row: Row) -> HistoryItem:
    event_id, created_at, key_id, key_name, owner, tool_name, table_names, *others = row
    names = tuple(table_names)
    moment = datetime.datetime.fromtimestamp(created_at / 1000, datetime.UTC)
    return HistoryItem(
        event_id=event_id,
        created_at=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        key_id=key_id,
        key_name=key_name,
        owner=owner,
        tool_name=tool_name,
        table_name=", ".join(names) or None,
        table_names=names,
        **dict(zip(HistoryItem.__struct_fields__[8:], others, strict=True)),
    )


_ALL, _BY_TOOL, _BY_KEY, _BY_DAY = 0b111, 0b011, 0b101, 0b110
"""`grouping(tool_name, key_id, day)`: a bit is set for each column that was not grouped by."""


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
        truncated=any(len(found) > MAX_ROWS for found in (*lists.values(), tables)),
    )


def _sums(row: Sequence[int]) -> dict[str, int]:
    return dict(zip(Sums.__struct_fields__, row, strict=True))
