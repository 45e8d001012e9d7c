"""Filling the roll-ups from the log table, when they are new.

Days that differ get their difference to the log table, until no further day becomes equal. So it may be interrupted and
started again, and run twice at the same time, while calls are inserted.
"""

# ruff: noqa: S608 - constants are all that is formatted into queries

from __future__ import annotations

import datetime
import logging
from typing import Any

from gateway.usage.store.difference import ROLL_UPS
from gateway.usage.store.migrations.cluster import INSERT_SETTINGS
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE

PART_ROWS = 500_000
"""Rows that one statement adds up, unless one owner has more in a day."""
_SETTINGS = {"async_insert": 0, "max_threads": 1, "max_partitions_per_insert_block": 0, "max_execution_time": 0}
_DIFFERING_DAYS = f"""
SELECT day, sum(logged) AS calls FROM (
    SELECT toDate(created_at, 'UTC') AS day, count() AS logged, 0 AS quarters, 0 AS totals
    FROM {LOG_TABLE} GROUP BY day
    UNION ALL
    SELECT toDate(since, 'UTC') AS day, 0, sum(calls + denied), 0 FROM {QUARTER_HOURLY_TABLE} GROUP BY day
    UNION ALL
    SELECT toDate(since, 'UTC') AS day, 0, 0, sum(calls + denied)
    FROM {BY_DIMENSION_TABLE} WHERE dimension = 'total' GROUP BY day
)
GROUP BY day HAVING calls != sum(quarters) OR calls != sum(totals) ORDER BY day DESC
"""

log = logging.getLogger(__name__)


def fill_roll_ups(client: Any, cluster: str | None) -> None:
    """Make the roll-ups equal to the log table."""
    settings = {**_SETTINGS, **(INSERT_SETTINGS if cluster else {})}
    previous: set[datetime.date] = set()
    # Days with duplicates that no merge has removed yet stay different.
    while (days := dict(client.query(_DIFFERING_DAYS, settings=settings).result_rows)).keys() != previous:
        log.info("usage table: adding up %d calls of %d days", sum(days.values()), len(days))
        for day, calls in days.items():
            _add_difference(client, day, 1 + calls // PART_ROWS, settings)
        previous = set(days)


def _add_difference(client: Any, day: datetime.date, parts: int, settings: dict[str, Any]) -> None:
    for part in range(parts):
        for roll_up in ROLL_UPS:
            parameters = {"day": day, "owners": [], "parts": parts, "part": part}
            client.command(roll_up.add_difference, parameters, settings=settings)
