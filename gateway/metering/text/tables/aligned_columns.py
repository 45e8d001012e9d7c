"""Tables of aligned columns without rules, as `ps`, `docker ps` and `kubectl get` print them.

The cells of the header are separated by two spaces or more, or else by one, and each begins or ends at a position at
which the cells of all rows begin or end.
"""

from __future__ import annotations

import re

from gateway.metering.text.lines import MAX_LINE

MAX_COLUMNS = 40
"""Columns of a table."""

_WORD = re.compile(r"\S+")
_CELL = re.compile(r"\S+(?: \S+)*")
_NAME = re.compile(r"%?[^\W\d][^\W\d .#%()/-]*(?:[ .#%()/-]{1,2}[^\W\d]*){0,4}\Z")
_DIGIT = re.compile(r"\d")


def count(lines: list[str]) -> int | None:
    """Count the rows below a header of aligned columns; `None` for another text."""
    if not lines or len(lines[0]) > MAX_LINE or "  " not in lines[0].strip() or "\t" in lines[0]:
        return None
    filled = [line.expandtabs() for line in lines if line.strip()]
    header, rows = filled[0], filled[1:]
    if not rows or any(len(row) > MAX_LINE for row in rows):
        return None
    is_capital = header.isupper() or (header[0].isupper() and any(map(_DIGIT.search, rows)))
    for cells in (list(_CELL.finditer(header)), list(_WORD.finditer(header))):
        is_header = is_capital and 2 <= len(cells) <= MAX_COLUMNS and all(_NAME.match(cell.group()) for cell in cells)
        if is_header and all(_is_row(row, cells) for row in rows):
            return len(rows)
    return None


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
