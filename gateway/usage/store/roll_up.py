"""Repairing the roll-ups: the sums that statistics are read from.

An insert writes to the log table first and to the roll-ups after that. If ClickHouse is killed in between, sums lack
the rows. Repeating the insert under its token completes the sums, but needs the same batch; if Redis has lost which
entries formed it, the rows are found in the log table and not inserted again. Then the difference between the log table
and the sums of the affected days is added to the sums.

After two simultaneous faults an event may be inserted under two tokens: it is in the log table once, as soon as
ClickHouse has merged, but in the sums twice. The difference is then negative.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
from collections import defaultdict
from collections.abc import Iterable

from gateway.usage.event import EPOCH, UsageEvent
from gateway.usage.store.difference import ROLL_UPS, RollUp
from gateway.usage.store.table import UsageTable

PAUSE_SECONDS = 1.0
"""Pause between two comparisons. An insert that still runs for an ended writer changes the difference meanwhile."""

log = logging.getLogger(__name__)


async def complete_sums(table: UsageTable, events: Iterable[UsageEvent]) -> int:
    """Make the sums of these events' days and owners equal to the log. Return the calls that differed.

    Nothing else may insert meanwhile. Raises `UsageTableUnavailable`; call it again then.
    """
    owners = defaultdict(set)
    for event in events:
        owners[event.day].add(event.owner)
    return sum(
        [await _repair_day(table, EPOCH + datetime.timedelta(days=day), sorted(owners[day])) for day in sorted(owners)]
    )


async def repair_sums(table: UsageTable, since: datetime.date) -> int:
    """Make the sums of all owners equal to the log, from a day on. Return the calls that differed.

    Use the table object that the writer inserts with: its single inserting thread keeps inserts out meanwhile.
    """
    days = range((table.today - since).days + 1)
    return sum([await _repair_day(table, since + datetime.timedelta(days=number), []) for number in days])


async def _repair_day(table: UsageTable, day: datetime.date, owners: list[str]) -> int:
    return max([await _repair(table, roll_up, day, owners) for roll_up in ROLL_UPS])


async def _repair(table: UsageTable, roll_up: RollUp, day: datetime.date, owners: list[str]) -> int:
    parameters = {"day": day, "owners": owners, "parts": 1, "part": 0}

    async def differing_calls() -> int:
        return int((await table.write_async(roll_up.differing_calls, parameters))[0][0])

    before, differing = -1, await differing_calls()
    while differing and differing != before:
        await asyncio.sleep(PAUSE_SECONDS)
        before, differing = differing, await differing_calls()
    if differing:
        await table.write_async(roll_up.add_difference, parameters)
        log.warning("usage table: %s of %s differed by %d calls and was corrected", roll_up.table, day, differing)
    return differing
