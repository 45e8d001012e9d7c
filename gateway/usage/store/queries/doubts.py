"""Calls whose records were found, but whose count is too doubtful to report: by tool, place and signs."""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

from gateway.usage.store.names import LOG_TABLE
from gateway.usage.store.queries.filters import and_owner
from gateway.usage.store.queries.models import Doubt, Doubts
from gateway.usage.store.queries.period import Period
from gateway.usage.store.queries.sources import in_ranges
from gateway.usage.store.queries.statistics import range_within_retention
from gateway.usage.store.table import UsageTable

MAX_DOUBTS = 1000
_GROUP = "tool_name, count_path, count_witness, count_signs"


async def doubts(table: UsageTable, period: Period, owner: str | None = None) -> Doubts:
    """Return the doubtful counts, those with the most calls first. Raises `UsageTableUnavailable`."""
    within = range_within_retention(table, period)
    rows = await table.query_async(
        f"SELECT {_GROUP}, count() AS calls, avg(count_confidence) FROM {LOG_TABLE} FINAL "
        f"WHERE record_count IS NULL AND count_path != '' AND {in_ranges('created_at', [within])}{and_owner(owner)} "
        f"GROUP BY {_GROUP} ORDER BY calls DESC, {_GROUP} LIMIT {{limit:UInt32}}",
        {"owner": owner, "limit": MAX_DOUBTS + 1},
    )
    found = tuple(
        Doubt(
            tool_name=tool,
            count_path=path,
            count_witness=witness,
            count_signs=tuple(signs),
            calls=calls,
            confidence=None if confidence is None else round(confidence, 3),
        )
        for tool, path, witness, signs, calls, confidence in rows[:MAX_DOUBTS]
    )
    return Doubts(found, truncated=len(rows) > MAX_DOUBTS)
