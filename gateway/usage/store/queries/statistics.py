"""Statistics: sums and percentiles of a period, by tool, table, key, time and more."""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import msgspec

from gateway.timestamps import format_rfc3339, start_of_day
from gateway.usage.store.columns import EARLIEST_MS, LATEST_MS
from gateway.usage.store.difference import DURATION_BASE, SUMS
from gateway.usage.store.names import BY_DIMENSION_TABLE
from gateway.usage.store.queries.filters import CallFilters, and_owner, array_parameter
from gateway.usage.store.queries.models import (
    ClientRow,
    DayRow,
    HourRow,
    KeyRow,
    LabelRow,
    MinuteRow,
    OwnerRow,
    QuarterHourRow,
    Stats,
    Sums,
    TableRow,
    ToolRow,
)
from gateway.usage.store.queries.period import (
    MAX_STARTS,
    MAX_STATISTICS_DAYS,
    Period,
    Step,
    day_of,
)
from gateway.usage.store.queries.sources import LEVELS, Grouping, Range, Sources, percentiles
from gateway.usage.store.table import UsageTable

MAX_ROWS = 1000
"""Rows of each list, except those by time: those with the most calls."""

OptionalList = Literal["owner", "client", "hour", "quarter_hour", "minute"]
_OPTIONAL: dict[OptionalList, tuple[type[Sums], str]] = {
    "owner": (OwnerRow, "owner"),
    "client": (ClientRow, "client_name"),
    "hour": (HourRow, "hour"),
    "quarter_hour": (QuarterHourRow, "quarter_hour"),
    "minute": (MinuteRow, "minute"),
}
"""The types of the rows, and their members with the value."""
OPTIONAL_LISTS: tuple[OptionalList, ...] = tuple(_OPTIONAL)
_DEFAULT: tuple[Grouping, ...] = ("total", "tool", "table", "key", "day")
_STEPS: tuple[Step, ...] = ("day", "hour", "quarter_hour", "minute")
_SUMS = ", ".join(f"sum({name})" for name in SUMS)

Row = TypeVar("Row", bound=Sums)
Found = dict[str, list[tuple[Any, ...]]]
"""Rows by list: the value, the sums and the percentiles."""


class StatsRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Selects statistics. The filters have no times and no status."""

    period: Period
    filters: CallFilters = CallFilters()
    by: frozenset[OptionalList] = frozenset()
    """Lists in addition to those by tool, table, key and day."""
    label_values: Mapping[str, str] | None = None
    """The value of a label, by key id; `None` for no list by label."""


async def stats(table: UsageTable, request: StatsRequest) -> Stats:
    """Return statistics. Raises `InvalidPeriod` for lists with too many rows, and `UsageTableUnavailable`."""
    period = await _within_data(table, request)
    groupings: list[Grouping] = [*_DEFAULT, *sorted(request.by)]
    starts = {step: period.starts(step, table.now_ms()) for step in _STEPS if step in groupings}
    filters = msgspec.structs.replace(request.filters, since=period.since, until=period.until)
    sql, parameters = Sources(filters, groupings, starts).query()
    expanded, labels = _expanded(request.label_values)
    rows = await table.query_async(
        f"SELECT item.1 AS item_list, item.2 AS item_value, {_SUMS}, "
        f"quantilesExactWeightedArrayMerge({LEVELS})(state) FROM ({sql}) ARRAY JOIN {expanded} AS item "
        "GROUP BY item_list, item_value HAVING sum(calls) > 0 OR sum(denied) > 0 "
        "ORDER BY sum(calls) DESC, sum(denied) DESC, item_value "
        "LIMIT {limit:UInt32} BY item_list",
        {**parameters, **labels, "limit": MAX_STARTS + 1},
    )
    found: Found = {}
    for name, value, *numbers in rows:
        found.setdefault(name, []).append((value, *numbers))
    names = await key_names(table, request.filters.owner, [row[0] for row in found.get("key", ())[:MAX_ROWS]])
    return _stats(table.now_ms(), period, request, found, names)


async def _within_data(table: UsageTable, request: StatsRequest) -> Period:
    """Return the period without what is before the retention or, if it is long, before the first call."""
    period, owner = request.period, request.filters.owner
    since = _start_within_retention(table, period)
    if period.days(table.now_ms()) > MAX_STATISTICS_DAYS:
        rows = await table.query_async(
            f"SELECT count(), toInt64(toUnixTimestamp(min(since))) * 1000 FROM {BY_DIMENSION_TABLE} "
            f"WHERE dimension = 'total'{and_owner(owner)}",
            {} if owner is None else {"owner": owner},
        )
        count, first = rows[0]
        since = max(since, first if count else table.now_ms())
    return msgspec.structs.replace(period, since=min(since, (period.until or LATEST_MS) - 1))


def _start_within_retention(table: UsageTable, period: Period) -> int:
    """Return the start of a period, or of the retention if that is later."""
    since = EARLIEST_MS if period.since is None else period.since
    return since if table.first_day is None else max(since, start_of_day(table.first_day, datetime.UTC))


def range_within_retention(table: UsageTable, period: Period) -> Range:
    """Return the part of a period that is within the retention; it may be empty."""
    since = _start_within_retention(table, period)
    return Range(since, max(since, LATEST_MS if period.until is None else period.until))


def _expanded(label_values: Mapping[str, str] | None) -> tuple[str, dict[str, Any]]:
    """Return an expression for the rows of lists that a row of the sources belongs to, and its parameters."""
    tables = "list = 'table', arrayMap(name -> ('table', name), if(empty(names), [''], names))"
    if label_values is None:
        return f"multiIf({tables}, [(list, value)])", {}
    keys, key_parameters = array_parameter("label_keys", list(label_values))
    values, value_parameters = array_parameter("label_values", list(label_values.values()))
    label = f"transform(value, {keys}, {values}, '')" if label_values else "''"
    parameters = key_parameters | value_parameters
    return f"multiIf({tables}, list = 'key', [('key', value), ('label', {label})], [(list, value)])", parameters


async def key_names(table: UsageTable, owner: str | None, key_ids: Sequence[str]) -> dict[str, str]:
    """Return the latest names of keys."""
    if not key_ids:
        return {}
    rows = await table.query_async(
        f"SELECT value, argMaxMerge(key_name) FROM {BY_DIMENSION_TABLE} "
        f"WHERE dimension = 'key' AND value IN {{key_ids:Array(String)}}"
        f"{and_owner(owner)} GROUP BY value",
        {"key_ids": list(key_ids), "owner": owner},
    )
    return dict(rows)


def _stats(now_ms: int, period: Period, request: StatsRequest, found: Found, names: Mapping[str, str]) -> Stats:
    zone = period.tzinfo
    totals = found.get("total")
    found |= {step: sorted(found[step], key=lambda row: int(row[0])) for step in _STEPS if step in found}
    bounded = ["tool", "table", "key", "owner", "client", "label"]
    lists: dict[str, Any] = {
        f"by_{name}": _rows(*_OPTIONAL[name], found.get(name), _time_in(zone) if name in _STEPS else str)
        for name in request.by
    }
    if request.label_values is not None:
        lists["by_label"] = _rows(LabelRow, "value", found.get("label"), lambda value: value or None)
    since = EARLIEST_MS if period.since is None else period.since
    return Stats(
        days=period.days(now_ms),
        since=day_of(since, zone).isoformat(),
        from_=format_rfc3339(since),
        to=format_rfc3339(period.until),
        tz=period.zone,
        totals=_rows(Sums, None, totals or [("", *(0,) * len(SUMS), ())])[0],
        by_tool=_rows(ToolRow, "tool_name", found.get("tool")),
        by_table=_rows(TableRow, "table_name", found.get("table"), lambda name: name or None),
        by_key=tuple(
            KeyRow(key_id=key_id, key_name=names.get(key_id, ""), **_numbers(row))
            for key_id, *row in found.get("key", ())[:MAX_ROWS]
        ),
        by_day=_rows(DayRow, "day", found.get("day"), lambda start: day_of(int(start) * 1000, zone).isoformat()),
        **lists,
        truncated=any(len(found.get(name, ())) > MAX_ROWS for name in bounded),
    )


def _rows(
    row_type: type[Row],
    field: str | None,
    rows: Sequence[tuple[Any, ...]] | None,
    convert: Callable[[str], str | None] = str,
) -> tuple[Row, ...]:
    limit = MAX_STARTS if field in _STEPS else MAX_ROWS
    return tuple(
        row_type(**{**_numbers(row), **({} if field is None else {field: convert(value)})})
        for value, *row in (rows or ())[:limit]
    )


def _time_in(zone: datetime.tzinfo) -> Callable[[str], str]:
    return lambda start: datetime.datetime.fromtimestamp(int(start), zone).isoformat()


def _numbers(row: Sequence[Any]) -> dict[str, Any]:
    """Return the fields of `Sums` from the sums and the buckets of the percentiles."""
    *sums, buckets = row
    numbers = dict(zip(SUMS, sums, strict=True))
    return numbers | percentiles(map(_milliseconds, buckets), has_calls=numbers["calls"] > 0)


def _milliseconds(bucket: float) -> float:
    """Return the duration with the smallest relative error for a bucket."""
    exact: float = 2 * DURATION_BASE**bucket / (DURATION_BASE + 1)
    return exact
