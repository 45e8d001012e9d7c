"""Plausible usage in large amounts, to time queries.

`python -m tests.usage.seed --rows 50000000 --url chdb:///folder` fills a database that no gateway has open; `--time`
measures the queries of the admin API on it.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec

from gateway.timestamps import now_ms
from gateway.usage.store.columns import COLUMN_TYPES
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE
from gateway.usage.store.queries.filters import CallFilters
from gateway.usage.store.queries.history import MAX_OFFSET, history
from gateway.usage.store.queries.period import Period, statistics_period
from gateway.usage.store.queries.readers import readers
from gateway.usage.store.queries.statistics import StatsRequest, stats
from gateway.usage.store.table import UsageTable

OWNER = "user003@example.com"
"""The owner whose usage is timed: the one with the fourth most calls."""
_STEP = 1_000_000
_DAY_MS = 86_400_000
_ROUNDS = 7
_SEED = f"""
INSERT INTO {LOG_TABLE} ({", ".join(COLUMN_TYPES)})
WITH
    {{first:Int64}} + intDiv(number * {{span:Int64}}, {{rows:Int64}}) AS ms,
    cityHash64(number) AS random,
    -- Few owners make most of the calls.
    toUInt16(pow(200, (random % 10007) / 10007)) - 1 AS owner_number,
    bitShiftRight(random, 8) % 3 AS key_number,
    bitShiftRight(random, 16) % 24 AS tool_number,
    bitShiftRight(random, 24) % 100 AS luck,
    leftPad(toString(owner_number), 3, '0') AS owner_digits
SELECT
    lower(concat(leftPad(hex(ms), 12, '0'), '7', right(hex(random), 3), leftPad(hex(number), 16, '0'))) AS event_id,
    fromUnixTimestamp64Milli(ms, 'UTC') AS created_at,
    concat('user', owner_digits, '@example.com') AS owner,
    concat('key_', owner_digits, toString(key_number)) AS key_id,
    ['laptop', 'notebook', 'nightly report'][key_number + 1] AS key_name,
    concat('query_', toString(tool_number)) AS tool_name,
    if(luck < 5, [], if(luck < 20, [concat('table_', toString(tool_number)), 'stock_basic'],
       [concat('table_', toString(tool_number))])) AS table_names,
    if(luck < 5, NULL, bitShiftRight(random, 32) % 500) AS record_count,
    if(luck < 5, 'unknown', 'structured') AS count_method,
    luck = 99 AS is_error,
    if(luck = 99, 'tool_error', 'ok') AS status,
    (bitShiftRight(random, 40) % 100000) / 100 AS duration_ms,
    bitShiftRight(random, 20) % 100000 AS response_bytes,
    ['claude-code', 'cursor', 'curl'][random % 3 + 1] AS client_name,
    '1.2.3' AS client_version,
    lower(hex(cityHash64(intDiv(number, 40)))) AS session_id,
    toString(number % 40) AS request_id,
    '2025-06-18' AS protocol_version,
    concat('10.0.', toString(owner_number % 8), '.', toString(random % 250)) AS client_ip,
    concat('gateway-', toString(number % 3)) AS gateway_id,
    lower(hex(cityHash64(number, 1))) AS arguments_hash,
    [] AS written_tables,
    if(luck < 5, '', 'structuredContent.rows') AS count_path,
    if(luck < 50, '', 'structuredContent.row_count') AS count_witness,
    if(luck < 5, [], ['common_list', 'witness_agrees']) AS count_signs,
    if(luck < 5, NULL, 0.98) AS count_confidence
FROM numbers({{begin:UInt64}}, {{count:UInt64}})
SETTINGS max_threads = 2, max_insert_threads = 1
"""


async def seed(table: UsageTable, rows: int, days: int = 90) -> None:
    """Add `rows` calls of 200 owners, evenly over the last `days` days, the earliest first."""
    end = now_ms()
    parameters = {"first": end - days * _DAY_MS, "span": days * _DAY_MS, "rows": rows}
    for begin in range(0, rows, _STEP):
        await table.write_async(_SEED, {**parameters, "begin": begin, "count": min(_STEP, rows - begin)})
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{begin + _STEP:,} of {rows:,}")


async def time_queries(table: UsageTable) -> dict[str, float]:
    """Return the median milliseconds of the queries of the admin API."""
    own, everybody = CallFilters(owner=OWNER), CallFilters()
    kathmandu = last_days("Asia/Kathmandu")
    page = StatsRequest(period=kathmandu, by=frozenset({"owner", "client", "hour"}))
    timed: dict[str, Callable[[], Awaitable[object]]] = {
        "stats of 30 days, one owner": lambda: stats(table, StatsRequest(period=last_days(), filters=own)),
        "stats of 30 days, all": lambda: stats(table, StatsRequest(period=last_days())),
        "the same in Asia/Kathmandu, one owner": lambda: stats(table, StatsRequest(period=kathmandu, filters=own)),
        "the same in Asia/Kathmandu, all": lambda: stats(table, StatsRequest(period=kathmandu)),
        "and by owner, client and hour, all": lambda: stats(table, page),
        "of one tool, all": lambda: stats(table, msgspec.structs.replace(page, filters=CallFilters(tool="query_7"))),
        "of one client, all": lambda: stats(table, msgspec.structs.replace(page, filters=CallFilters(client="curl"))),
        "readers of a table in 30 days, all": lambda: readers(table, "table_7", kathmandu),
        "first page, one owner": lambda: history(table, own),
        "first page, all": lambda: history(table, everybody),
        "last page, one owner": lambda: history(table, own, MAX_OFFSET // 100, 100),
        "last page, all": lambda: history(table, everybody, MAX_OFFSET // 100, 100),
        "first page of a tool, one owner": lambda: history(table, CallFilters(owner=OWNER, tool="query_7")),
        "first page of a key, all": lambda: history(table, CallFilters(key_id="key_0031")),
    }
    return {name: await _median(query) for name, query in timed.items()}


def last_days(zone: str | None = None) -> Period:
    return statistics_period(30, None, None, zone, now_ms())


async def _median(query: Callable[[], Awaitable[object]]) -> float:
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        await query()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


async def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="chdb:///tmp/mcp-gateway-seed")
    parser.add_argument("--rows", type=int, default=0, help="calls to add")
    parser.add_argument("--days", type=int, default=90, help="days that they spread over")
    parser.add_argument("--time", action="store_true", help="time the queries of the admin API")
    options = parser.parse_args()
    table = UsageTable(options.url)
    started = time.perf_counter()
    await seed(table, options.rows, options.days)
    (count,), (summed,) = [
        (await table.query_async(sql))[0]
        for sql in (
            f"SELECT count() FROM {LOG_TABLE}",
            f"SELECT sum(calls) FROM {BY_DIMENSION_TABLE} WHERE dimension = 'total'",
        )
    ]
    print(f"{count:,} rows, {summed:,} in the roll-ups; seeded in {time.perf_counter() - started:.0f} s")
    if options.time:
        for name, milliseconds in (await time_queries(table)).items():
            print(f"{name:40}{milliseconds:8.0f} ms")
    table.close()


if __name__ == "__main__":
    asyncio.run(_main())
