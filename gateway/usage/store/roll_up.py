"""Putting the sums by day right.

An insert puts the rows into the log first and into the sums by day second. A ClickHouse that is killed between the two
has the rows only. The same insert, repeated under its token, completes the sums; but where Redis forgot what the batch
was, there is no same insert any more: the rows are found in the log, and are not inserted again. Then what the sums of
their days lack is worked out from the log.

The other way round, an event that was inserted under two tokens, by two faults at once, is in the log once as soon as
ClickHouse has merged, but in the sums twice. That is worked out likewise: a number that is added may be negative,
since sums of UInt64 wrap.
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
"""An insert that a server still carries out for a writer that is gone has ended after that."""

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
_COUNT = f"SELECT sum(abs(calls)) FROM ({_DIFFERENCE})"
_COMPLETE = f"INSERT INTO {DAILY_TABLE} ({_KEY}, key_name, {', '.join(_SUMS)}) {_DIFFERENCE}"

log = logging.getLogger(__name__)


async def complete(table: UsageTable, events: Iterable[UsageEvent]) -> int:
    """Have the sums of the days and owners of these events agree with the log.

    Returns the calls that differed. Nothing else may insert meanwhile. Raises `UsageTableUnavailable`; call it
    again then.
    """
    owners = defaultdict(set)
    for event in events:
        owners[event.day].add(event.owner)
    return sum(
        [
            await _complete_day(table, EPOCH + datetime.timedelta(days=day), sorted(owners[day]))
            for day in sorted(owners)
        ]
    )


async def mend(table: UsageTable, since: datetime.date) -> int:
    """The same for everybody's sums from a day on. To be asked of the table that the writer inserts with, whose one
    thread sees to it that no insert is between the two.
    """
    days = range((table.today - since).days + 1)
    return sum([await _complete_day(table, since + datetime.timedelta(days=number), []) for number in days])


async def _complete_day(table: UsageTable, day: datetime.date, owners: list[str]) -> int:
    parameters = {"day": day, "owners": owners}
    before, differing = -1, await _count(table, parameters)
    while differing and differing != before:
        await asyncio.sleep(PAUSE_SECONDS)
        before, differing = differing, await _count(table, parameters)
    if differing:
        await table.write_async(_COMPLETE, parameters)
        log.warning("usage table: the sums of %s differed by %d calls and were put right", day, differing)
    return differing


async def _count(table: UsageTable, parameters: Mapping[str, Any]) -> int:
    return int((await table.write_async(_COUNT, parameters))[0][0])
