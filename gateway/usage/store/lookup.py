"""Looking up which events the table has, for the writer."""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

from collections.abc import Sequence

from gateway.usage.event import UsageEvent
from gateway.usage.store.names import LOG_TABLE
from gateway.usage.store.table import UsageTable

LATENESS_MS = 3_600_000
"""Search window for a duplicate of an event: up to so much later than the event."""
_IDS_PER_QUERY = 1000


async def find_stored(table: UsageTable, events: Sequence[UsageEvent]) -> dict[str, int]:
    """Return the ids of those events that the table has, with their times there (`created_at`).

    An event that was made twice has one id and two times, both later than its id. Raises `UsageTableUnavailable`.
    """
    found: dict[str, int] = {}
    for start in range(0, len(events), _IDS_PER_QUERY):
        chunk = events[start : start + _IDS_PER_QUERY]
        rows = await table.query_async(
            f"SELECT event_id, toUnixTimestamp64Milli(created_at) FROM {LOG_TABLE}"
            " WHERE owner IN {owners:Array(String)}"
            " AND created_at >= fromUnixTimestamp64Milli({first:Int64}, 'UTC')"
            " AND created_at <= fromUnixTimestamp64Milli({last:Int64}, 'UTC')"
            " AND event_id IN {ids:Array(String)}",
            {
                "owners": list({event.owner for event in chunk}),
                "first": min(event.id_time for event in chunk),
                "last": max(event.created_at for event in chunk) + LATENESS_MS,
                "ids": [event.event_id for event in chunk],
            },
        )
        found.update(rows)
    return found
