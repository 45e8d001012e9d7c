"""Tables of aligned columns without rules, as `ps`, `docker ps` and `kubectl get` print them.

The cells of the header are separated by two spaces or more, and each begins or ends at a position at which the cells of
all rows begin or end.
"""

from __future__ import annotations

import re

from gateway.metering.text.lines import MAX_LINE

MAX_COLUMNS = 40
"""Columns of a table."""

_CELL = re.compile(r"\S+(?: \S+)*")
_NAME = re.compile(r"[^\W\d][^\W\d .#%()/-]*(?:[ .#%()/-]{1,2}[^\W\d]*){0,4}\Z")
_DIGIT = re.compile(r"\d")


def count(lines: list[str]) -> int | None:
    """Count the rows below a header of aligned columns; `None` for another text."""
    if not lines or len(lines[0]) > MAX_LINE or "  " not in lines[0].strip() or "\t" in lines[0]:
        return None
    filled = [line.expandtabs() for line in lines if line.strip()]
    header, rows = filled[0], filled[1:]
    cells = list(_CELL.finditer(header))
    if not rows or not 2 <= len(cells) <= MAX_COLUMNS or not all(_NAME.match(cell.group()) for cell in cells):
        return None
    names = [cell.group() for cell in cells]
    if not (header.isupper() or (all(name[0].isupper() for name in names) and any(map(_DIGIT.search, rows)))):
        return None
    is_table = all(len(row) <= MAX_LINE and _is_row(row, cells) for row in rows)
    return len(rows) if is_table else None


def _is_row(row: str, header: list[re.Match[str]]) -> bool:
    """Return True if each column of `row` begins, ends or is empty where its header begins or ends."""
    aligned = 0
    for cell in header:
        start, end = cell.start(), cell.end()
        begins = start < len(row) and row[start] != " " and (start == 0 or row[start - 1] == " ")
        ends = row[end - 1 : end].strip() != "" and row[end : end + 1] in ("", " ")
        aligned += begins or ends
        if not (begins or ends or not row[start : end + 1].strip()):
            return False
    return aligned >= 2
