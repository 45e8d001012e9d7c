"""The tables that statistics are read from, as one query with rows of the same form.

| part of the period | without filters on key, tool, table or client | with them |
| --- | --- | --- |
| whole days (UTC), by tool, table, key or client | sums by dimension | sums by quarter hour |
| whole quarter hours, in total, by owner or time | sums by dimension (`total`) | sums by quarter hour |
| other whole quarter hours | sums by quarter hour | sums by quarter hour |
| the rest, and minutes | log table | log table |

A row has `list`, its `value`, for tables `names` instead, the sums, and the state of the percentiles.
"""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from gateway.timestamps import DAY_MS
from gateway.usage.store.columns import EARLIEST_MS, LATEST_MS
from gateway.usage.store.difference import BUCKET, LOG_SUMS, QUARTER_HOUR_START, SUMS
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.queries.filters import CallFilters, column_conditions
from gateway.usage.store.queries.period import Step

QUARTER_HOUR_MS = 900_000
LEVELS = "0.5, 0.95, 0.99"
_PERCENTILES = ("p50_ms", "p95_ms", "p99_ms")
"""The fields of `Sums` for these levels."""
Grouping = Literal["total", "tool", "key", "client", "table", "owner", "day", "hour", "quarter_hour", "minute"]

_COLUMNS: dict[Grouping, str] = {
    "tool": "tool_name",
    "key": "key_id",
    "client": "client_name",
    "table": "table_names",
    "owner": "owner",
}
_DAILY: tuple[Grouping, ...] = ("tool", "key", "client", "table")
_STORED_SUMS = ", ".join(f"sum(stored.{name}) AS {name}" for name in SUMS)
_STATE = f"quantilesExactWeightedArrayState({LEVELS})"
_NO_NAMES = "CAST([], 'Array(String)')"
_LOG_BUCKETS = f"if(status = 'denied', CAST([], 'Array(Int16)'), [{BUCKET}])"
_LOG_COUNTS = "if(status = 'denied', CAST([], 'Array(UInt64)'), [toUInt64(1)])"


class Range(msgspec.Struct, frozen=True):
    """A half-open range of time, in milliseconds since the epoch."""

    since: int
    until: int

    def whole(self, unit: int) -> Range:
        """Return the largest range of whole units in it; it may be empty."""
        since = -(-self.since // unit) * unit
        return Range(since, max(since, self.until // unit * unit))

    def without(self, inner: Range) -> tuple[Range, ...]:
        """Return what is left of it without a range in it, if anything."""
        if inner.since == inner.until:
            return (self,) if self.since < self.until else ()
        parts = (Range(self.since, inner.since), Range(inner.until, self.until))
        return tuple(part for part in parts if part.since < part.until)


class Sources(msgspec.Struct, frozen=True):
    """A selection to read: the calls of a period that pass the filters, in groups."""

    filters: CallFilters
    groupings: Sequence[Grouping]
    starts: Mapping[Step, Sequence[int]]
    """The starts of the groups by time."""

    def query(self) -> tuple[str, dict[str, Any]]:
        """Return the query and its parameters."""
        since, until = self.filters.since, self.filters.until
        period = Range(EARLIEST_MS if since is None else since, LATEST_MS if until is None else until)
        quarters = period.whole(QUARTER_HOUR_MS)
        minutes: list[Grouping] = [grouping for grouping in self.groupings if grouping == "minute"]
        coarse: list[Grouping] = [grouping for grouping in self.groupings if grouping != "minute"]
        parts = [self._logged(period.without(quarters), coarse), self._logged((period,), minutes)]
        if self.filters.dimensions:
            parts.append(self._quarters((quarters,), coarse))
        else:
            daily = [grouping for grouping in coarse if grouping in _DAILY]
            parts.append(self._totals(quarters, [grouping for grouping in coarse if grouping not in _DAILY]))
            days = quarters.whole(DAY_MS)
            parts.append(self._quarters(quarters.without(days), daily))
            parts.append(self._days(days, daily))
        _, parameters = column_conditions(self.filters)
        parameters |= {f"{step}_starts": list(starts) for step, starts in self.starts.items()}
        return " UNION ALL ".join(part for part in parts if part), parameters

    def _logged(self, ranges: Sequence[Range], groupings: Sequence[Grouping]) -> str:
        time = "toDateTime(created_at)" if "minute" in groupings else QUARTER_HOUR_START
        return self._grouped(
            f"{LOG_TABLE} FINAL",
            [in_ranges("created_at", ranges)],
            groupings,
            (f"toUnixTimestamp({time})", LOG_SUMS, f"{_STATE}({_LOG_BUCKETS}, {_LOG_COUNTS})") if ranges else None,
        )

    def _quarters(self, ranges: Sequence[Range], groupings: Sequence[Grouping]) -> str:
        ranges = [one for one in ranges if one.since < one.until]
        return self._grouped(
            f"{QUARTER_HOURLY_TABLE} AS stored", [in_ranges("since", ranges, seconds)], groupings, _stored(ranges)
        )

    def _totals(self, quarters: Range, groupings: Sequence[Grouping]) -> str:
        ranges = [quarters] if quarters.since < quarters.until else []
        conditions = ["dimension = 'total'", in_ranges("since", ranges, seconds)]
        return self._grouped(f"{BY_DIMENSION_TABLE} AS stored", conditions, groupings, _stored(ranges))

    def _days(self, days: Range, groupings: Sequence[Grouping]) -> str:
        if days.since == days.until or not groupings:
            return ""
        conditions, _ = column_conditions(self.filters)
        dimensions = ", ".join(f"'{grouping}'" for grouping in groupings)
        conditions += [f"dimension IN ({dimensions})", in_ranges("since", [days], seconds)]
        return (
            "SELECT CAST(dimension, 'String') AS list, CAST(stored.value, 'String') AS value, [value] AS names, "
            f"{_STORED_SUMS}, {_STATE}(durations.1, durations.2) AS state "
            f"FROM {BY_DIMENSION_TABLE} AS stored WHERE {' AND '.join(conditions)} GROUP BY dimension, stored.value"
        )

    def _grouped(
        self, table: str, conditions: list[str], groupings: Sequence[Grouping], columns: tuple[str, str, str] | None
    ) -> str:
        """Return a query that groups by each of the groupings in one scan; empty if there is nothing to read."""
        if columns is None or not groupings:
            return ""
        time, sums, state = columns
        named = {g: _COLUMNS.get(g, f"start_of_{g}") for g in groupings if g != "total"}
        starts = [
            f"roundDown({time}, {{{g}_starts:Array(UInt32)}}) AS start_of_{g}" for g in groupings if g in self.starts
        ]
        sets = ", ".join(["()" if g == "total" else f"({named[g]})" for g in groupings])
        lists = [*(f"grouping({column}) = 0, '{g}'" for g, column in named.items()), "'total'"]
        texts = [f"grouping({column}) = 0, toString({column})" for g, column in named.items() if g != "table"]
        values = [*texts, "''"]
        names = "arrayMap(name -> toString(name), table_names)" if "table" in named else _NO_NAMES
        conditions = [*column_conditions(self.filters)[0], *conditions]
        return (
            f"{'WITH ' if starts else ''}{', '.join(starts)} "
            f"SELECT {_choose(lists)} AS list, {_choose(values)} AS value, {names} AS names, "
            f"{sums}, {state} AS state FROM {table} WHERE {' AND '.join(conditions)} "
            f"GROUP BY GROUPING SETS ({sets})"
        )


def _stored(ranges: Sequence[Range]) -> tuple[str, str, str] | None:
    return ("toUnixTimestamp(since)", _STORED_SUMS, f"{_STATE}(durations.1, durations.2)") if ranges else None


def _choose(branches: Sequence[str]) -> str:
    """Return an expression for the first branch that holds; the last one is the default."""
    return f"multiIf({', '.join(branches)})" if len(branches) > 1 else branches[0]


def percentiles(durations: Iterable[float], *, has_calls: bool) -> dict[str, float | None]:
    """Return the percentiles as fields of `Sums`, from the durations at `LEVELS` in milliseconds."""
    if not has_calls:
        return dict.fromkeys(_PERCENTILES)
    return {name: float(f"{duration:.4g}") for name, duration in zip(_PERCENTILES, durations, strict=True)}


def milliseconds(ms: int) -> str:
    """Return an expression for a moment, to compare with times of the log table."""
    return f"fromUnixTimestamp64Milli({ms}, 'UTC')"


def seconds(ms: int) -> str:
    """Return an expression for a whole second, to compare with times of the roll-ups."""
    return f"toDateTime({ms // 1000}, 'UTC')"


def in_ranges(column: str, ranges: Sequence[Range], moment: Callable[[int], str] = milliseconds) -> str:
    """Return the condition that a time is in one of the ranges."""
    conditions = [f"({column} >= {moment(one.since)} AND {column} < {moment(one.until)})" for one in ranges]
    return f"({' OR '.join(conditions)})"
