"""The retention of the tables: ClickHouse removes rows at the end of a day (UTC)."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway.usage.store.migrations.cluster import local_name
from gateway.usage.store.names import AUDIT_TABLE, BY_DIMENSION_TABLE, DENIALS_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE

_DAY_OF_TIME = "toStartOfDay(created_at, 'UTC')"
_USAGE_DAYS = {
    **dict.fromkeys((LOG_TABLE, DENIALS_TABLE), _DAY_OF_TIME),
    **dict.fromkeys((QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE), "toStartOfDay(since)"),
}
"""The day of a row, by table with the retention of usage."""


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """Whole days after which rows are removed; `None` keeps all."""

    usage_days: int | None = None
    """Of calls, denials and roll-ups, which end on the same day."""
    audit_days: int | None = None


def set_retention(client: Any, retention: Retention, cluster: str | None) -> None:
    """Have the tables remove rows."""
    for name, day in _USAGE_DAYS.items():
        _set_days(client, name, day, retention.usage_days, cluster)
    _set_days(client, AUDIT_TABLE, _DAY_OF_TIME, retention.audit_days, cluster)


def _set_days(client: Any, name: str, day: str, days: int | None, cluster: str | None) -> None:
    table, where = (local_name(name), f" ON CLUSTER `{cluster}`") if cluster else (name, "")
    rows = client.query(
        "SELECT engine_full FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
        {"name": table},
    ).result_rows
    has_ttl = " TTL " in rows[0][0]
    if days is not None and f"toIntervalDay({days:d})" not in rows[0][0]:
        client.command(f"ALTER TABLE {table}{where} MODIFY TTL {day} + toIntervalDay({days:d})")
    elif days is None and has_ttl:
        client.command(f"ALTER TABLE {table}{where} REMOVE TTL")
