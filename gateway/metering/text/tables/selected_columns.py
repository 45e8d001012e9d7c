"""Data frames below the columns that the call's statement selects, possibly with a number before each row.

A last line of another form than the rows leaves the count unknown, or is a footer if the rows are numbered.
"""

from __future__ import annotations

import re
from itertools import takewhile

from gateway.metering.text.statements.witnesses import states_only

MAX_FOOTER_LINES = 2
"""Lines below numbered rows."""

_TYPES = re.compile(r"\s*(?:<\w{1,12}>\s*)+\Z")
"""A row with the types of the columns."""
_NUMBER = re.compile(r"(\d{1,9})\s")


def count(header: str, body: list[str], width: int, *, is_sized: bool) -> int | None:
    """Count the rows in `body` below the header of `width` columns; `is_sized` if a footer states their number."""
    if "\t" in header:
        return None
    rows = [line for line in body if line.split(None, 1)[0] not in ("...", "..") and not _TYPES.match(line)]
    if not rows:
        return None
    if header[:1] == " " and _NUMBER.match(rows[0]):
        return _count_numbered(rows, is_sized=is_sized)
    if states_only(rows[-1]) and len(rows[-1].split()) != width:
        rows.pop()
    return len(rows) if _are_alike(rows) else None


def _count_numbered(rows: list[str], *, is_sized: bool) -> int | None:
    """Count the rows with a number at the beginning."""
    numbered = list(takewhile(lambda match: match is not None, map(_NUMBER.match, rows)))
    numbers = [int(match.group(1)) for match in numbered if match is not None]
    is_run = numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    footers = len(rows) - len(numbers)
    is_whole = not footers and not (states_only(rows[-1]) and not is_run)
    return len(numbers) if is_whole or ((is_run or is_sized) and footers <= MAX_FOOTER_LINES) else None


def _are_alike(rows: list[str]) -> bool:
    """Return True unless the last row has another length or another number of words than all others have."""
    *others, last = rows
    if not others:
        return True
    lengths, words = {len(row) for row in others}, {len(row.split()) for row in others}
    is_aligned = len(lengths) == 1 and (len(last) in lengths or len(others) == 1)
    return len(last.split()) in words and (is_aligned or len(lengths) > 1 or len(last) in lengths)
