"""Response shapes of the admin API for usage: a page of calls, and statistics."""

from __future__ import annotations

import msgspec


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
    count_path: str
    count_witness: str
    count_signs: tuple[str, ...]
    count_confidence: float | None


class HistoryPage(msgspec.Struct, frozen=True):
    """One page of the history, the newest calls first."""

    items: tuple[HistoryItem, ...]
    total: int
    page: int
    page_size: int
    next_cursor: str | None = None
    """The cursor of the next page; `None` on the last one."""


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of a group of calls. Percentiles of the duration are `None` without calls, and at most 2 % off."""

    calls: int
    """Calls without those that were denied."""
    errors: int
    denied: int
    records: int
    unknown_records: int
    """Calls whose record count is unknown and not part of `records`."""
    bytes: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


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


class OwnerRow(Sums, frozen=True, kw_only=True):
    """The calls of one owner."""

    owner: str


class ClientRow(Sums, frozen=True, kw_only=True):
    """The calls of one client."""

    client_name: str


class LabelRow(Sums, frozen=True, kw_only=True):
    """The calls with the keys that have one value of a label."""

    value: str | None
    """`None`: the calls with keys that lack the label."""


class DayRow(Sums, frozen=True, kw_only=True):
    """The calls of one day of the time zone; days without calls have no row."""

    day: str


class HourRow(Sums, frozen=True, kw_only=True):
    """The calls of one hour of the time zone; hours without calls have no row."""

    hour: str
    """RFC 3339, with the offset from UTC: a repeated hour has two rows."""


class QuarterHourRow(Sums, frozen=True, kw_only=True):
    """The calls of a quarter of an hour; those without calls have no row."""

    quarter_hour: str


class MinuteRow(Sums, frozen=True, kw_only=True):
    """The calls of one minute; minutes without calls have no row."""

    minute: str


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """Statistics of a period. Lists that were not requested are absent."""

    days: int
    """Days of the time zone in the period; a day in part counts as one."""
    since: str
    """The first of these days."""
    from_: str = msgspec.field(name="from")
    to: str | None
    """The end, exclusive; `None` if it is open."""
    tz: str
    totals: Sums
    by_tool: tuple[ToolRow, ...]
    by_table: tuple[TableRow, ...]
    by_key: tuple[KeyRow, ...]
    by_day: tuple[DayRow, ...]
    by_owner: tuple[OwnerRow, ...] | msgspec.UnsetType = msgspec.UNSET
    by_client: tuple[ClientRow, ...] | msgspec.UnsetType = msgspec.UNSET
    by_label: tuple[LabelRow, ...] | msgspec.UnsetType = msgspec.UNSET
    by_hour: tuple[HourRow, ...] | msgspec.UnsetType = msgspec.UNSET
    by_quarter_hour: tuple[QuarterHourRow, ...] | msgspec.UnsetType = msgspec.UNSET
    by_minute: tuple[MinuteRow, ...] | msgspec.UnsetType = msgspec.UNSET
    truncated: bool
    """True if a list has more than `statistics.MAX_ROWS` rows and shows only the first; the totals include all."""


class RecentSums(Sums, frozen=True, kw_only=True):
    """Totals of recent calls."""

    refused: int | msgspec.UnsetType = msgspec.UNSET
    """Requests that were answered with 403 or 429, which are no calls. Absent by client: nobody counts them so."""


class RecentRow(RecentSums, frozen=True, kw_only=True):
    """The recent calls of one group; it has the members that the calls are grouped by."""

    owner: str | msgspec.UnsetType = msgspec.UNSET
    key_id: str | msgspec.UnsetType = msgspec.UNSET
    key_name: str | msgspec.UnsetType = msgspec.UNSET
    """The latest name."""
    tool_name: str | msgspec.UnsetType = msgspec.UNSET
    client_name: str | msgspec.UnsetType = msgspec.UNSET


class RecentCalls(msgspec.Struct, frozen=True, kw_only=True):
    """The calls of the last seconds. Percentiles are exact."""

    seconds: int
    from_: str = msgspec.field(name="from")
    totals: RecentSums
    rows: tuple[RecentRow, ...]
    truncated: bool
    """True if there are more than `recent.MAX_ROWS`; the totals include all."""


class Reader(msgspec.Struct, frozen=True, kw_only=True):
    """The calls with which one key read a table, from one client, by one tool; those that were denied read nothing."""

    key_id: str
    key_name: str
    """The latest name."""
    owner: str
    client_name: str
    tool_name: str
    calls: int
    records: int
    """Records of these calls, also of other tables in them, without calls whose count is unknown."""
    first_at: str
    last_at: str


class Readers(msgspec.Struct, frozen=True):
    """The readers of a table, those with the most calls first."""

    readers: tuple[Reader, ...]
    truncated: bool
    """True if there are more than `readers.MAX_READERS`."""


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Calls of one tool whose records were found at one place, but whose count is too doubtful to report."""

    tool_name: str
    count_path: str
    count_witness: str
    count_signs: tuple[str, ...]
    calls: int
    confidence: float | None
    """The mean confidence of these calls."""


class Doubts(msgspec.Struct, frozen=True):
    """Doubtful counts, those with the most calls first."""

    doubts: tuple[Doubt, ...]
    truncated: bool
    """True if there are more than `doubts.MAX_DOUBTS`."""
