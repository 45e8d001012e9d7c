"""Queries on the counts of refused requests.

- Counts are summed by key, owner, tool, status and reason, and read in order of the sums, the largest first. A page
  continues below the last row of the one before it; all pages sum up what was stored when the first one was read.
- An export has the counts as the workers made them, each once.
"""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any, NamedTuple

import msgspec

from gateway.timestamps import format_rfc3339
from gateway.usage.store.export import SETTINGS, stream_result, without_formula
from gateway.usage.store.formats import ENGINE_FORMATS, Format
from gateway.usage.store.logs.log_table import DENIALS_LOG
from gateway.usage.store.queries.filters import TIMES, where
from gateway.usage.store.table import UsageTable

_CONDITIONS = {
    "owner": "owner = {owner:String}",
    "key_id": "key_id = {key_id:String}",
    "tool": "tool_name = {tool:String}",
    "status": "status = {status:UInt16}",
    "reason": "reason = {reason:String}",
    **TIMES,
}
_FREE_TEXTS = ("owner", "tool_name", "gateway_id")
_KIND = "key_id, owner, tool_name, status, reason"
_AFTER = (
    "HAVING refused < {after:UInt64} OR (refused = {after:UInt64} AND "
    f"({_KIND}) > ({{after_key:String}}, {{after_owner:String}}, {{after_tool:String}}, {{after_status:UInt16}}, "
    "{after_reason:String}))"
)


class DenialFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Selects refused requests; `None` does not filter. Times are milliseconds since the epoch, `until` exclusive."""

    owner: str | None = None
    key_id: str | None = None
    tool: str | None = None
    status: int | None = None
    reason: str | None = None
    since: int | None = None
    until: int | None = None


class Denial(msgspec.Struct, frozen=True, kw_only=True):
    """The requests of one key that were refused for one reason, when they called one tool."""

    key_id: str
    """Empty for requests without a valid key."""
    key_name: str
    """The present name."""
    owner: str
    tool_name: str
    """Empty if no tool was called; `(other)` for further tools that the upstream does not list."""
    status: int
    reason: str
    count: int
    last_at: str


class Position(NamedTuple):
    """The last row of a page, and the time up to which counts are summed."""

    until: int
    refused: int
    key_id: str
    owner: str
    tool_name: str
    status: int
    reason: str


class DenialsPage(NamedTuple):
    """The largest counts first, and the position after which the next page begins; `None` on the last page."""

    denials: list[Denial]
    next_position: Position | None

    @property
    def key_ids(self) -> list[str]:
        """The keys of these requests."""
        return sorted({denial.key_id for denial in self.denials} - {""})

    def named(self, names: Mapping[str, str]) -> DenialsPage:
        """Return the page with the names of keys, by id."""
        denials = [msgspec.structs.replace(one, key_name=names.get(one.key_id, "")) for one in self.denials]
        return DenialsPage(denials, self.next_position)


async def read_page(
    table: UsageTable, filters: DenialFilters, limit: int, after: Position | None = None
) -> DenialsPage:
    """Return at most `limit` sums, without the names of keys. Raises `UsageTableUnavailable`."""
    if after is not None:
        until = after.until if filters.until is None else min(after.until, filters.until)
        filters = msgspec.structs.replace(filters, until=until)
    condition, parameters = where(filters, table.first_day, _CONDITIONS)
    if after is not None:
        names = ("after", "after_key", "after_owner", "after_tool", "after_status", "after_reason")
        parameters |= dict(zip(names, after[1:], strict=True))
    rows = await table.query_async(
        f"SELECT {_KIND}, sum(count) AS refused, toUnixTimestamp64Milli(max(created_at)) AS last_ms, "
        f"max(last_ms) OVER () FROM {DENIALS_LOG.name} FINAL {condition} GROUP BY {_KIND} "
        f"{'' if after is None else _AFTER} ORDER BY refused DESC, {_KIND} LIMIT {{limit:UInt32}}",
        {**parameters, "limit": limit + 1},
    )
    page = rows[:limit]
    next_position = None
    if len(rows) > limit:
        *kind, count, _, last_ms = page[-1]
        next_position = Position(last_ms + 1 if after is None else after.until, count, *kind)
    return DenialsPage([_denial(row) for row in page], next_position)


def export(table: UsageTable, filters: DenialFilters, fmt: Format) -> AsyncGenerator[bytes]:
    """Yield the counts as a file, sorted by owner and time, in chunks.

    Raises `ExportsBusy` and `UsageTableUnavailable`, the latter also after some chunks: then the file is incomplete.
    """
    condition, parameters = where(filters, table.first_day, _CONDITIONS)
    is_csv = fmt is Format.CSV
    columns = [without_formula(name, name) if is_csv and name in _FREE_TEXTS else name for name in DENIALS_LOG.types]
    sql = (
        f"SELECT {', '.join(columns)} FROM {DENIALS_LOG.name} FINAL {condition} "
        f"ORDER BY owner, created_at, id SETTINGS {SETTINGS}"
    )
    return stream_result(table, sql, parameters, ENGINE_FORMATS[fmt])


def _denial(row: tuple[Any, ...]) -> Denial:
    key_id, owner, tool_name, status, reason, count, last_ms, _ = row
    return Denial(
        key_id=key_id,
        key_name="",
        owner=owner,
        tool_name=tool_name,
        status=status,
        reason=reason,
        count=count,
        last_at=format_rfc3339(last_ms),
    )
