"""Usage events as the columns of the usage table, and which events the table can hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gateway.usage.event import UsageEvent

COLUMN_TYPES = {
    "event_id": "String",
    "created_at": "DateTime64(3, 'UTC')",
    "owner": "LowCardinality(String)",
    "key_id": "LowCardinality(String)",
    "key_name": "LowCardinality(String)",
    "tool_name": "LowCardinality(String)",
    "table_names": "Array(LowCardinality(String))",
    "record_count": "Nullable(UInt64)",
    "count_method": "LowCardinality(String)",
    "is_error": "Bool",
    "status": "LowCardinality(String)",
    "duration_ms": "Float64",
    "response_bytes": "UInt64",
    "client_name": "LowCardinality(String)",
    "client_version": "LowCardinality(String)",
    "session_id": "String",
    "request_id": "String",
    "protocol_version": "LowCardinality(String)",
    "client_ip": "String",
    "gateway_id": "LowCardinality(String)",
    "arguments_hash": "String",
    "written_tables": "Array(LowCardinality(String))",
    "count_path": "LowCardinality(String)",
    "count_witness": "LowCardinality(String)",
    "count_signs": "Array(LowCardinality(String))",
    "count_confidence": "Nullable(Float32)",
}

EARLIEST_MS = 946_684_800_000
LATEST_MS = 4_102_444_800_000
"""The years 2000 and 2100. ClickHouse silently accepts times beyond its own range, and returns others."""
_UINT64 = 1 << 64


def columns(events: Sequence[UsageEvent]) -> list[list[Any]]:
    """Return the events as one list for each of `COLUMN_TYPES`."""
    return [[getattr(event, name) for event in events] for name in COLUMN_TYPES]


def is_storable_time(created_at: int) -> bool:
    """Return True for a time that ClickHouse returns as it was inserted."""
    return EARLIEST_MS <= created_at < LATEST_MS


def rejection_reason(event: UsageEvent) -> str | None:
    """Return the reason why the table cannot hold an event; `None` if it can."""
    if not is_storable_time(event.created_at):
        return f"created_at {event.created_at} is not between the years 2000 and 2100"
    if event.record_count is not None and not 0 <= event.record_count < _UINT64:
        return f"record_count {event.record_count} is out of range"
    if not 0 <= event.response_bytes < _UINT64:
        return f"response_bytes {event.response_bytes} is out of range"
    return None
