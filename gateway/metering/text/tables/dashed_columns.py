"""Columns under a line of dashes each, as `sqlite3` and `tabulate` write them, and one column or fields with commas.

Below a single line of dashes is one column, or fields with commas; a heading or footer has to state the count. Several
tables in one text add up.
"""

from __future__ import annotations

import re

from gateway.metering.metering_result import Count, counted
from gateway.metering.text.lines import MAX_LINE
from gateway.metering.text.statements.witnesses import stated, states_only

MAX_OUTSIDE_LINES = 10
"""Lines outside of a table."""
MAX_LINES_BEFORE = 12
"""First lines, in which the line of dashes has to be."""
MAX_TABLES = 50
"""Tables in one text."""

TOTAL = re.compile(r"\W{0,40}\d[\d,]* rows?\b", re.IGNORECASE)
"""The beginning of a line below the rows that states their number."""
_DASHES = re.compile(r"\s*(?:-{2,}(\s+-{2,})*|={2,}(\s+={2,})+)\s*\Z")


def count(lines: list[str]) -> Count | None:
    """Count the rows of the tables; `None` for another text."""
    total = 0
    for _ in range(MAX_TABLES):
        found = _count_first(lines)
        if found is None:
            return None
        rows, lines = found
        total += rows
        if not any(_is_header(lines, at) for at in range(1, min(len(lines), MAX_LINES_BEFORE))):
            return counted(total, "columns_text")
    return None


def _is_header(lines: list[str], at: int) -> bool:
    """Return True if the line at `at` is one of dashes, below the names of columns."""
    line = lines[at]
    is_dashed = ("--" in line or "==" in line) and len(line) <= MAX_LINE and _DASHES.match(line) is not None
    return is_dashed and bool(lines[at - 1].strip())


def _count_first(lines: list[str]) -> tuple[int, list[str]] | None:
    """Return the number of rows of the first table, and the lines below it."""
    at = next((at for at in range(1, min(len(lines), MAX_LINES_BEFORE)) if _is_header(lines, at)), None)
    if at is None:
        return None
    end = next((row for row in range(at + 1, len(lines)) if _ends_rows(lines[row])), len(lines))
    rows = lines[at + 1 : end]
    below = lines[end:]
    following = next((row for row in range(1, len(below)) if _is_header(below, row)), len(below) + 1) - 1
    outside = [line for line in [*lines[: at - 1], *below[:following]] if line.strip()]
    if rows and _DASHES.match(rows[-1][:MAX_LINE]):
        rows.pop()
    if len(outside) > MAX_OUTSIDE_LINES:
        return None
    if len(lines[at].split()) > 1:
        return len(rows), below
    commas = lines[at - 1].count(",")
    whole = [row for row in rows if row.count(",") >= commas]  # the others continue the row before
    is_plain = commas > 0 and len(whole) == len(rows)
    if not is_plain and all(stated(line).number != len(whole) or not states_only(line) for line in outside):
        return None
    return len(whole), below


def _ends_rows(line: str) -> bool:
    return not line.strip() or TOTAL.match(line[:200]) is not None
