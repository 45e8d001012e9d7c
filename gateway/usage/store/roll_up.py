"""Repairing the daily roll-up: the sums by day that statistics are read from.

An insert writes to the log table first and to the daily sums second. If ClickHouse is killed in between, the sums lack
the rows. Repeating the insert under its token completes the sums, but needs the same batch; if Redis has lost which
entries formed it, the rows are found in the log table and not inserted again. Then the difference between the log table
and the sums of the affected days is added to the sums.

After two simultaneous faults an event may be inserted under two tokens: it is in the log table once, as soon as
ClickHouse has merged, but in the sums twice. The difference is then negative. Adding it works, because UInt64 sums wrap
around.
"""

# ruff: noqa: S608 - constants of this module are all that is formatted into queries

from __future__ import annotations

import asyncio
import datetime
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.usage.event import EPOCH, UsageEvent
from gateway.usage.store.table import DAILY_TABLE, LOG_TABLE, UsageTable

PAUSE_SECONDS = 1.0
"""Pause between two comparisons. An insert that still runs for an ended writer changes the difference meanwhile."""

_KEY = "day, owner, key_id, tool_name, table_names"
_SUMS = ("calls", "errors", "records", "unknown_records", "bytes")
_OWNERS = "(empty({owners:Array(String)}) OR owner IN {owners:Array(String)})"
_DIFFERENCE = f"""
SELECT {_KEY}, l.key_name AS key_name, {", ".join(f"l.{name} - s.{name} AS {name}" for name in _SUMS)}
FROM (
    SELECT
        toDate(created_at, 'UTC') AS day, owner, key_id, tool_name, table_names,
        argMaxState(CAST({LOG_TABLE}.key_name, 'String'), created_at) AS key_name,
        count() AS calls,
        countIf(is_error) AS errors,
        sum(ifNull(record_count, 0)) AS records,
        countIf(record_count IS NULL) AS unknown_records,
        sum(response_bytes) AS bytes
    FROM {LOG_TABLE} FINAL
    WHERE {_OWNERS} AND created_at >= toDateTime64({{day:Date}}, 3, 'UTC')
        AND created_at < toDateTime64({{day:Date}} + 1, 3, 'UTC')
    GROUP BY {_KEY}
) AS l
LEFT JOIN (
    SELECT {_KEY}, {", ".join(f"sum({name}) AS {name}" for name in _SUMS)}
    FROM {DAILY_TABLE} WHERE {_OWNERS} AND day = {{day:Date}} GROUP BY {_KEY}
) AS s USING ({_KEY})
WHERE l.calls != s.calls
"""
_COUNT_DIFFERENCES = f"SELECT sum(abs(calls)) FROM ({_DIFFERENCE})"
_ADD_DIFFERENCE = f"INSERT INTO {DAILY_TABLE} ({_KEY}, key_name, {', '.join(_SUMS)}) {_DIFFERENCE}"

log = logging.getLogger(__name__)


async def complete_sums(table: UsageTable, events: Iterable[UsageEvent]) -> int:
    """Make the daily sums of these events' days and owners equal to the log. Return the calls that differed.

    Nothing else may insert meanwhile. Raises `UsageTableUnavailable`; call it again then.
    """
    owners = defaultdict(set)
    for event in events:
        owners[event.day].add(event.owner)
    return sum(
        [await _repair_day(table, EPOCH + datetime.timedelta(days=day), sorted(owners[day])) for day in sorted(owners)]
    )


async def repair_sums(table: UsageTable, since: datetime.date) -> int:
    """Make the daily sums of all owners equal to the log, from a day on. Return the calls that differed.

    Use the table object that the writer inserts with: its single inserting thread keeps inserts out meanwhile.
    """
    days = range((table.today - since).days + 1)
    return sum([await _repair_day(table, since + datetime.timedelta(days=number), []) for number in days])


async def _repair_day(table: UsageTable, day: datetime.date, owners: list[str]) -> int:
    parameters = {"day": day, "owners": owners}
    before, differing = -1, await _differing_calls(table, parameters)
    while differing and differing != before:
        await asyncio.sleep(PAUSE_SECONDS)
        before, differing = differing, await _differing_calls(table, parameters)
    if differing:
        await table.write_async(_ADD_DIFFERENCE, parameters)
        log.warning("usage table: the daily sums of %s differed by %d calls and were corrected", day, differing)
    return differing


async def _differing_calls(table: UsageTable, parameters: Mapping[str, Any]) -> int:
    return int((await table.write_async(_COUNT_DIFFERENCES, parameters))[0][0])
