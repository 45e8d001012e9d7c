"""Filters on calls, as conditions on the log table and on the roll-ups."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


class CallFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Selects calls; `None` does not filter. Times are milliseconds since the epoch, `until` exclusive."""

    owner: str | None = None
    since: int | None = None
    until: int | None = None
    key_id: str | None = None
    tool: str | None = None
    table: str | None = None
    client: str | None = None
    status: str | None = None

    @property
    def dimensions(self) -> dict[str, str]:
        """The filters on key, tool, table and client."""
        names = ("key_id", "tool", "table", "client")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


TIMES = {
    "since": "created_at >= fromUnixTimestamp64Milli({since:Int64}, 'UTC')",
    "until": "created_at < fromUnixTimestamp64Milli({until:Int64}, 'UTC')",
}
"""The conditions on the time of a row, for filters of any log."""
_COLUMNS = {
    "owner": "owner = {owner:String}",
    "key_id": "key_id = {key_id:String}",
    "tool": "tool_name = {tool:String}",
    "table": "has(table_names, {table:String})",
    "client": "client_name = {client:String}",
}
_CALLS = _COLUMNS | TIMES | {"status": "status = {status:String}"}
_VALUES_PER_PARAMETER = 500


def where(
    filters: msgspec.Struct, first_day: datetime.date | None, known: Mapping[str, str] = _CALLS
) -> tuple[str, dict[str, Any]]:
    """Return the `WHERE` clause for a log, empty if there is none, and its parameters; `known` as in `selected`."""
    conditions, parameters = selected(filters, known)
    if first_day is not None:
        conditions.append("created_at >= toDateTime64({first_day:Date}, 3, 'UTC')")
        parameters["first_day"] = first_day
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), parameters


def column_conditions(filters: CallFilters) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions but those on times and status, on columns of the log table and roll-ups, and parameters."""
    return selected(filters, _COLUMNS)


def and_owner(owner: str | None) -> str:
    """Return the condition on the owner, to be appended to others; empty for all owners."""
    return "" if owner is None else " AND owner = {owner:String}"


def array_parameter(name: str, values: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Return an expression for an array of strings, and its parameters, whose size ClickHouse bounds."""
    starts = range(0, max(len(values), 1), _VALUES_PER_PARAMETER)
    parameters = {f"{name}_{start}": list(values[start : start + _VALUES_PER_PARAMETER]) for start in starts}
    return f"arrayConcat({', '.join(f'{{{one}:Array(String)}}' for one in parameters)})", parameters


def selected(filters: msgspec.Struct, known: Mapping[str, str]) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions on the filters that are set, and their parameters; `known` are the conditions by filter."""
    parameters = {name: value for name in known if (value := getattr(filters, name)) is not None}
    return [known[name] for name in parameters], parameters
