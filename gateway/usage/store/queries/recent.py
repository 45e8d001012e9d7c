"""Sums and percentiles of the calls of the last seconds, by key and tool or another grouping, from the log table.

Requests that were refused with 403 or 429 are no calls. Their sums come from their own table, except by client, which
it lacks.
"""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from msgspec import UNSET
from msgspec.structs import replace

from gateway.timestamps import format_rfc3339
from gateway.usage.store.difference import LOG_SUMS, SUMS
from gateway.usage.store.names import DENIALS_TABLE, LOG_TABLE
from gateway.usage.store.queries.filters import and_owner
from gateway.usage.store.queries.models import RecentCalls, RecentRow, RecentSums
from gateway.usage.store.queries.sources import LEVELS, percentiles
from gateway.usage.store.queries.statistics import key_names
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
_TIMES = "created_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')"
_CALLS = (
    "SELECT owner, key_id, key_name, tool_name, client_name, created_at, status, is_error, record_count, "
    f"response_bytes, duration_ms, 0 AS refused FROM {LOG_TABLE} FINAL WHERE {_TIMES}"
)
_REFUSED = (
    "SELECT owner, key_id, '', tool_name, '', created_at, 'denied', false, 0, 0, 0, "
    f"count FROM {DENIALS_TABLE} FINAL WHERE {_TIMES}"
)
"""Rows that add to no sum of calls but that of denied ones, from which they are subtracted."""


async def recent_calls(
    table: UsageTable, by: RecentGrouping = "key_tool", *, owner: str | None = None, seconds: int = DEFAULT_SECONDS
) -> RecentCalls:
    """Return the calls that were made in the last seconds, groups with the most calls first.

    Raises `UsageTableUnavailable`.
    """
    since = table.now_ms() - seconds * 1000
    columns = _COLUMNS[by]
    sources = [source + and_owner(owner) for source in ((_CALLS,) if by == "client" else (_CALLS, _REFUSED))]
    rows = await table.query_async(
        f"SELECT {', '.join(columns)}, argMaxIf(toString(key_name), created_at, refused = 0), grouping({columns[0]}), "
        f"{LOG_SUMS}, quantilesExactIf({LEVELS})(duration_ms, status != 'denied'), "
        f"countIf(refused > 0), sum(refused) AS all_refused FROM ({' UNION ALL '.join(sources)}) "
        f"GROUP BY GROUPING SETS (({', '.join(columns)}), ()) "
        f"ORDER BY grouping({columns[0]}) DESC, calls DESC, all_refused DESC, denied DESC, {', '.join(columns)} "
        "LIMIT {limit:UInt32}",
        {"since": since, "owner": owner, "limit": MAX_ROWS + 2},
    )
    groups = [row for row in rows if not row[len(columns) + 1]]
    totals = [_numbers(row[len(columns) + 2 :], by) for row in rows if row[len(columns) + 1]]
    found = await _named(table, owner, [_row(by, row) for row in groups[:MAX_ROWS]])
    return RecentCalls(
        seconds=seconds,
        from_=format_rfc3339(since),
        totals=RecentSums(**(totals[0] if totals else _numbers([*(0,) * len(SUMS), (), 0, 0], by))),
        rows=found,
        truncated=len(groups) > MAX_ROWS,
    )


async def _named(table: UsageTable, owner: str | None, rows: Sequence[RecentRow]) -> tuple[RecentRow, ...]:
    """Return the rows with the names of keys that had no call in these seconds, as far as they had one before."""
    unnamed = {row.key_id for row in rows if row.key_name == "" and row.key_id is not UNSET}
    names = await key_names(table, owner, sorted(unnamed)) if unnamed else {}
    return tuple(replace(row, key_name=names.get(row.key_id, "")) if row.key_id in unnamed else row for row in rows)


def _row(by: RecentGrouping, row: tuple[Any, ...]) -> RecentRow:
    columns = _COLUMNS[by]
    names: dict[str, Any] = dict(zip(columns, row, strict=False))
    if "key_id" in names:
        names["key_name"] = row[len(columns)]
    return RecentRow(**names, **_numbers(row[len(columns) + 2 :], by))


def _numbers(row: Any, by: RecentGrouping) -> dict[str, Any]:
    *sums, durations, refused_rows, refused = row
    numbers: dict[str, Any] = dict(zip(SUMS, sums, strict=True))
    numbers["denied"] -= refused_rows
    numbers["refused"] = UNSET if by == "client" else refused
    return numbers | percentiles(durations, has_calls=numbers["calls"] > 0)
