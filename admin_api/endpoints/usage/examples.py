"""Examples of the responses of usage, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from gateway.usage.reconciliation import Balance
from gateway.usage.store.queries.models import (
    DayRow,
    Doubt,
    Doubts,
    HistoryItem,
    HistoryPage,
    KeyRow,
    OwnerRow,
    Reader,
    Readers,
    RecentCalls,
    RecentRow,
    RecentSums,
    Stats,
    Sums,
    TableRow,
    ToolRow,
)

_SUMS: dict[str, Any] = {
    "calls": 12,
    "errors": 1,
    "denied": 0,
    "records": 340,
    "unknown_records": 0,
    "bytes": 52_100,
    "p50_ms": 12.1,
    "p95_ms": 48.8,
    "p99_ms": 61.7,
}
STATS = Stats(
    days=7,
    since="2026-01-01",
    from_="2025-12-31T23:00:00.000Z",
    to=None,
    tz="Europe/Berlin",
    totals=Sums(**_SUMS),
    by_tool=(ToolRow(tool_name="query", **_SUMS),),
    by_table=(TableRow(table_name="stock_daily", **_SUMS),),
    by_key=(KeyRow(key_id="key_2xKqT0aZ7bLm9cNd4Pe8", key_name="laptop", **_SUMS),),
    by_day=(DayRow(day="2026-01-01", **_SUMS),),
    by_owner=(OwnerRow(owner="ada@example.com", **_SUMS),),
    truncated=False,
)
HISTORY = HistoryPage(
    items=(
        HistoryItem(
            event_id="0198f3c2a7d04e6f8b1c2d3e4f5a6b7c",
            created_at="2026-01-01T12:00:00.123Z",
            key_id="key_2xKqT0aZ7bLm9cNd4Pe8",
            key_name="laptop",
            owner="ada@example.com",
            tool_name="query",
            table_name="stock_daily",
            table_names=("stock_daily",),
            record_count=30,
            count_method="structured",
            is_error=False,
            status="ok",
            duration_ms=12.5,
            response_bytes=4210,
            client_name="claude-code",
            client_version="2.1.0",
            session_id="5f2b9c",
            request_id="3",
            protocol_version="2025-11-25",
            client_ip="192.0.2.7",
            gateway_id="gw-1",
            arguments_hash="9f86d081884c7d65",
            written_tables=(),
            count_path="structuredContent.rows",
            count_witness="structuredContent.row_count",
            count_signs=("common_list", "witness_agrees"),
            count_confidence=0.999,
        ),
    ),
    total=1,
    page=1,
    page_size=20,
)
DOUBTS = Doubts(
    (
        Doubt(
            tool_name="query",
            count_path="structuredContent.rows",
            count_witness="structuredContent.row_count",
            count_signs=("common_list", "witness_disagrees"),
            calls=12,
            confidence=0.119,
        ),
    ),
    truncated=False,
)
READERS = Readers(
    (
        Reader(
            key_id="key_2xKqT0aZ7bLm9cNd4Pe8",
            key_name="laptop",
            owner="ada@example.com",
            client_name="claude-code",
            tool_name="query",
            calls=12,
            records=340,
            first_at="2026-01-01T12:00:00.123Z",
            last_at="2026-01-07T08:30:00.456Z",
        ),
    ),
    truncated=False,
)
RECENT = RecentCalls(
    seconds=60,
    from_="2026-01-01T12:00:00.000Z",
    totals=RecentSums(**_SUMS, refused=3),
    rows=(
        RecentRow(
            owner="ada@example.com",
            key_id="key_2xKqT0aZ7bLm9cNd4Pe8",
            key_name="laptop",
            tool_name="query",
            refused=3,
            **_SUMS,
        ),
    ),
    truncated=False,
)
EXPORT = "event_id,created_at,key_id,owner,tool_name,record_count\n"
BALANCE = Balance(
    days=7,
    since="2026-01-01",
    accepted=12,
    written=11,
    waiting=1,
    spooled=0,
    dead_lettered=0,
    dropped=0,
    summed=11,
    balanced=True,
)
