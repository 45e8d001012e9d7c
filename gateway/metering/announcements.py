"""Headings that announce a number of records: `Found 2 invoices:`.

A heading may name anything, unlike the statements that `text.statements` reads, so its number counts only if it is that
of the strings or texts below it.
"""

from __future__ import annotations

import re

MAX_ANNOUNCEMENT = 100
"""Characters of a heading."""

_ANNOUNCEMENT = re.compile(r"[^\d\n]{0,40}?\b(\d{1,6}) [A-Za-z][\w ()]{1,40}[:.]?\s*\Z")


def announced_number(heading: str) -> int | None:
    """Return the number of records that a heading announces; `None` if it announces none."""
    match = _ANNOUNCEMENT.match(heading) if len(heading) < MAX_ANNOUNCEMENT else None
    return int(match.group(1)) if match is not None else None
