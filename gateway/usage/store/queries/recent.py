"""Sums and percentiles of the calls of the last seconds, by key and tool or another grouping, from the log table."""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

from typing import Any, Literal

from gateway.timestamps import format_rfc3339
from gateway.usage.store.difference import LOG_SUMS, SUMS
from gateway.usage.store.names import LOG_TABLE
from gateway.usage.store.queries.models import RecentCalls, RecentRow, Sums
from gateway.usage.store.queries.sources import LEVELS
from gateway.usage.store.table import UsageTable

DEFAULT_SECONDS = 60
MIN_SECONDS = 5
MAX_SECONDS = 3600
MAX_ROWS = 200
RecentGrouping = Literal["key_tool", "key", "tool", "owner", "client"]
_COLUMNS: dict[RecentGrouping, tuple[str, ...]] = {
    "key_tool": ("owner", "key_id", "tool_name"),
    "key": ("owner", "key_id"),
    "tool": ("tool_name",),
    "owner": ("owner",),
    "client": ("client_name",),
}
_PERCENTILES = ("p50_ms", "p95_ms", "p99_ms")


async def recent_calls(
    table: UsageTable, by: RecentGrouping = "key_tool", *, owner: str | None = None, seconds: int = DEFAULT_SECONDS
) -> RecentCalls:
    """Return the calls that were made in the last seconds, groups with the most calls first.

    Raises `UsageTableUnavailable`.
    """
    since = table.now_ms() - seconds * 1000
    columns = _COLUMNS[by]
    rows = await table.query_async(
        f"SELECT {', '.join(columns)}, argMax(toString({LOG_TABLE}.key_name), created_at), grouping({columns[0]}), "
        f"{LOG_SUMS}, quantilesExactIf({LEVELS})(duration_ms, status != 'denied') "
        f"FROM {LOG_TABLE} FINAL WHERE created_at >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')"
        f"{'' if owner is None else ' AND owner = {owner:String}'} "
        f"GROUP BY GROUPING SETS (({', '.join(columns)}), ()) "
        f"ORDER BY grouping({columns[0]}) DESC, calls DESC, denied DESC, {', '.join(columns)} LIMIT {{limit:UInt32}}",
        {"since": since, "owner": owner, "limit": MAX_ROWS + 2},
    )
    groups = [row for row in rows if not row[len(columns) + 1]]
    totals = [_numbers(row[len(columns) + 2 :]) for row in rows if row[len(columns) + 1]]
    return RecentCalls(
        seconds=seconds,
        from_=format_rfc3339(since),
        totals=Sums(**(totals[0] if totals else _numbers([*(0,) * len(SUMS), ()]))),
        rows=tuple(_row(columns, row) for row in groups[:MAX_ROWS]),
        truncated=len(groups) > MAX_ROWS,
    )


def _row(columns: tuple[str, ...], row: tuple[Any, ...]) -> RecentRow:
    names: dict[str, Any] = dict(zip(columns, row, strict=False))
    if "key_id" in names:
        names["key_name"] = row[len(columns)]
    return RecentRow(**names, **_numbers(row[len(columns) + 2 :]))


def _numbers(row: Any) -> dict[str, Any]:
    *sums, durations = row
    numbers = dict(zip(SUMS, sums, strict=True))
    percentiles = [float(f"{one:.4g}") for one in durations] if numbers["calls"] else [None] * len(_PERCENTILES)
    return numbers | dict(zip(_PERCENTILES, percentiles, strict=True))
