"""Response shapes of the admin API for usage: a page of calls, and statistics."""

from __future__ import annotations

import msgspec


class HistoryFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Selects calls; `None` does not filter. Times are milliseconds since the epoch, `until` exclusive."""

    owner: str | None = None
    since: int | None = None
    until: int | None = None
    key_id: str | None = None
    tool: str | None = None
    table: str | None = None
    status: str | None = None


class HistoryItem(msgspec.Struct, frozen=True, kw_only=True):
    """One call."""

    event_id: str
    created_at: str
    """ISO 8601 in UTC with milliseconds."""
    key_id: str
    key_name: str
    """The key's name at the time of the call."""
    owner: str
    tool_name: str
    table_name: str | None
    """All tables, joined by `, `; `None` if none was found."""
    table_names: tuple[str, ...]
    record_count: int | None
    count_method: str
    is_error: bool
    status: str
    duration_ms: float
    response_bytes: int
    client_name: str
    client_version: str
    session_id: str
    request_id: str
    protocol_version: str
    client_ip: str
    gateway_id: str
    arguments_hash: str
    written_tables: tuple[str, ...]


class HistoryPage(msgspec.Struct, frozen=True):
    """One page of the history, the newest calls first."""

    items: tuple[HistoryItem, ...]
    total: int
    page: int
    page_size: int


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a group of calls."""

    calls: int
    errors: int
    records: int
    unknown_records: int
    """Calls whose record count is unknown and not part of `records`."""
    bytes: int


class ToolRow(Sums, frozen=True, kw_only=True):
    """The calls of one tool."""

    tool_name: str


class TableRow(Sums, frozen=True, kw_only=True):
    """The calls that read one table; a call that read several counts in each row."""

    table_name: str | None
    """`None`: the calls in which no table was found."""


class KeyRow(Sums, frozen=True, kw_only=True):
    """The calls with one key."""

    key_id: str
    key_name: str
    """The latest name."""


class DayRow(Sums, frozen=True, kw_only=True):
    """The calls of one day (UTC); days without calls have no row."""

    day: str


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of the last `days` days, today (UTC) included."""

    days: int
    since: str
    """The first of these days."""
    totals: Sums
    by_tool: tuple[ToolRow, ...]
    by_table: tuple[TableRow, ...]
    by_key: tuple[KeyRow, ...]
    by_day: tuple[DayRow, ...]
    truncated: bool
    """True if a list has more than `queries.MAX_ROWS` rows and shows only the first; the totals include all."""
