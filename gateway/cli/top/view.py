"""The rows of `mcp-gateway top`: text in columns, made from the recent calls."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from gateway.cli.support.output import printable


class By(StrEnum):
    """Groupings."""

    KEY_TOOL = "key_tool"
    KEY = "key"
    TOOL = "tool"
    OWNER = "owner"
    CLIENT = "client"


class Sort(StrEnum):
    """Orders of the rows, the largest first."""

    CALLS = "calls"
    ERRORS = "errors"
    DENIED = "denied"
    REFUSED = "refused"
    RECORDS = "records"
    P95 = "p95"


_NAMES: dict[By, tuple[str, ...]] = {
    By.KEY_TOOL: ("owner", "key_name", "tool_name"),
    By.KEY: ("owner", "key_name"),
    By.TOOL: ("tool_name",),
    By.OWNER: ("owner",),
    By.CLIENT: ("client_name",),
}
_HEADERS = {"key_name": "KEY", "tool_name": "TOOL", "client_name": "CLIENT", "owner": "OWNER"}
_NUMBERS = ("CALLS/S", "CALLS", "ERRORS", "DENIED", "REFUSED", "RECORDS", "P50 MS", "P95 MS")

OPTIONAL = ("DENIED", "CALLS", "P50 MS", "RECORDS")
"""Columns that a narrow terminal leaves out, in this order."""


def header(by: By) -> tuple[str, ...]:
    """Return the titles of the columns; those of numbers come last."""
    return (*(_HEADERS[name] for name in _NAMES[by]), *_NUMBERS)


def name_columns(by: By) -> int:
    """Return the number of columns with names."""
    return len(_NAMES[by])


def rows(found: Mapping[str, Any], by: By, sort: Sort) -> list[tuple[str, ...]]:
    """Return the rows, the total first."""
    seconds = found["seconds"]
    field = "p95_ms" if sort is Sort.P95 else sort.value
    groups = sorted(found["rows"], key=lambda row: row.get(field) or 0, reverse=True)
    blank = ("",) * (len(_NAMES[by]) - 1)
    return [
        ("total", *blank, *_numbers(found["totals"], seconds)),
        *((*(_name(row, name) for name in _NAMES[by]), *_numbers(row, seconds)) for row in groups),
    ]


def _name(row: Mapping[str, Any], field: str) -> str:
    # A key whose requests were all refused has no name in the calls.
    text = row[field] or (row["key_id"] if field == "key_name" else "")
    return printable(str(text)) or "-"


def _numbers(row: Mapping[str, Any], seconds: int) -> tuple[str, ...]:
    sums = (f"{row[name]:,}" if name in row else "-" for name in ("calls", "errors", "denied", "refused", "records"))
    percentiles = ("-" if row[name] is None else f"{row[name]:,.4g}" for name in ("p50_ms", "p95_ms"))
    return (f"{row['calls'] / seconds:,.1f}", *sums, *percentiles)
