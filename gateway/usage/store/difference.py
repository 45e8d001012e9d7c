"""SQL for the difference between the log table and its roll-ups: what has to be added to a roll-up to make it right.

The difference is added as further rows, because sums merge. It may be negative: UInt64 sums wrap around. The statements
take the parameters `day` (UTC), `owners` (none for all), and `part` of `parts`, into which owners are divided to bound
the memory.
"""

# ruff: noqa: S608 - constants of this module are all that is formatted into queries

from __future__ import annotations

import msgspec

from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE

DURATION_BASE = 1.04
"""Bucket b of `durations` holds the calls above this to the power of b-1, up to the power of b (milliseconds)."""
BUCKET = f"toInt16(ceil(log(greatest(least(duration_ms, 1e9), 0.001)) / log({DURATION_BASE})))"
QUARTER_HOUR_START = "toStartOfFifteenMinutes(toDateTime(created_at))"
SUMS = ("calls", "errors", "denied", "records", "unknown_records", "bytes")
LOG_SUMS = (
    "countIf(status != 'denied') AS calls, "
    "countIf(is_error AND status != 'denied') AS errors, "
    "countIf(status = 'denied') AS denied, "
    "sumIf(ifNull(record_count, 0), status != 'denied') AS records, "
    "countIf(record_count IS NULL AND status != 'denied') AS unknown_records, "
    "sumIf(response_bytes, status != 'denied') AS bytes"
)
"""The sums of rows of the log table, as the views compute them."""
_LOG_DURATIONS = f"sumMapIf([{BUCKET}], [toUInt64(1)], status != 'denied') AS durations"
_MINUS_DURATIONS = "sumMap((durations.1, arrayMap(count -> toUInt64(-toInt64(count)), durations.2))) AS durations"
_OWNERS = (
    "(empty({owners:Array(String)}) OR owner IN {owners:Array(String)}) "
    "AND cityHash64(owner) % {parts:UInt32} = {part:UInt32}"
)


class RollUp(msgspec.Struct, frozen=True):
    """A table of sums."""

    table: str
    key: str
    """The columns that identify a row."""
    log_key: str
    """The same as expressions on the log table."""
    array_join: str
    others: dict[str, tuple[str, str, str]]
    """The columns besides key, sums and durations: on the log table, on this table, and the merge of both."""
    amount: str
    """Number of calls that differ, of the rows of a difference."""

    @property
    def difference(self) -> str:
        """The query for the rows to add."""
        merged = [merge for _, _, merge in self.others.values()]
        sums = [f"sum({name}) AS {name}" for name in SUMS]
        return (
            f"SELECT {', '.join([self.key, *merged, *sums, 'sumMap(durations) AS durations'])} "
            f"FROM ({self._logged} UNION ALL {self._stored}) AS both "
            f"GROUP BY {self.key} HAVING calls != 0 OR denied != 0"
        )

    @property
    def differing_calls(self) -> str:
        """The query for the number of calls that differ."""
        return f"SELECT {self.amount} FROM (SELECT *, abs(toInt64(calls + denied)) AS amount FROM ({self.difference}))"

    @property
    def add_difference(self) -> str:
        """The statement that makes the sums equal to the log table."""
        columns = ", ".join([self.key, *self.others, *SUMS, "durations"])
        return f"INSERT INTO {self.table} ({columns}) {self.difference}"

    @property
    def _logged(self) -> str:
        others = [expression for expression, _, _ in self.others.values()]
        return (
            f"SELECT {', '.join([self.log_key, *others, LOG_SUMS, _LOG_DURATIONS])} "
            f"FROM {LOG_TABLE} FINAL {self.array_join} "
            f"WHERE {_OWNERS} AND created_at >= toDateTime64({{day:Date}}, 3, 'UTC') "
            f"AND created_at < toDateTime64({{day:Date}} + 1, 3, 'UTC') GROUP BY {self.key}"
        )

    @property
    def _stored(self) -> str:
        others = [expression for _, expression, _ in self.others.values()]
        minus = [f"toUInt64(-toInt64(sum(stored.{name}))) AS {name}" for name in SUMS]
        return (
            f"SELECT {', '.join([self.key, *others, *minus, _MINUS_DURATIONS])} FROM {self.table} AS stored "
            f"WHERE {_OWNERS} AND since >= toDateTime({{day:Date}}, 'UTC') "
            f"AND since < toDateTime({{day:Date}} + 1, 'UTC') GROUP BY {self.key}"
        )


_QUARTER_HOURLY = RollUp(
    table=QUARTER_HOURLY_TABLE,
    key="owner, since, key_id, tool_name, table_names, client_name",
    log_key=f"owner, {QUARTER_HOUR_START} AS since, key_id, tool_name, table_names, client_name",
    array_join="",
    others={
        name: (
            f"{aggregate}OrNullIf(created_at, status != 'denied') AS {name}",
            f"CAST(NULL, 'Nullable(DateTime64(3, \\'UTC\\'))') AS {name}",
            f"{aggregate}({name}) AS {name}",
        )
        for name, aggregate in (("first_at", "min"), ("last_at", "max"))
    },
    amount="sum(amount)",
)
_BY_DIMENSION = RollUp(
    table=BY_DIMENSION_TABLE,
    key="dimension, owner, since, value",
    log_key=(
        f"entry.1 AS dimension, owner, if(dimension = 'total', {QUARTER_HOUR_START}, "
        "toStartOfDay(toDateTime(created_at))) AS since, entry.2 AS value"
    ),
    array_join=(
        "ARRAY JOIN arrayConcat([('total', ''), ('tool', toString(tool_name)), ('key', toString(key_id)), "
        "('client', toString(client_name))], "
        "arrayMap(name -> ('table', toString(name)), if(empty(table_names), [''], table_names))) AS entry"
    ),
    others={
        "key_name": (
            f"argMaxState(if(dimension = 'key', toString({LOG_TABLE}.key_name), ''), created_at) AS key_name",
            "argMaxMergeState(stored.key_name) AS key_name",
            "argMaxMergeState(both.key_name) AS key_name",
        )
    },
    # A call is in several rows, and once in those of the total.
    amount="max2(sumIf(amount, dimension = 'total'), toUInt64(sum(amount) > 0))",
)
ROLL_UPS = (_QUARTER_HOURLY, _BY_DIMENSION)
