"""One value, or one value a line, for a statement that selects one column: `12154`, `Result: 12154`."""

from __future__ import annotations

import re

from gateway.metering.text.line_marks import RULE

MAX_VALUE = 64
"""Characters of a value."""
MAX_VALUES = 1_000
"""Values of a column."""
MAX_HEADINGS = 3
"""Lines above the value."""

_VALUE = re.compile(
    r"[\"'`]?(?:[-+$\u20ac\u00a3]?\d[\d.,:/T Z%+()eE-]{0,60}|true|false|[0-9a-f]{8}-[0-9a-f-]{27})[\"'`]?\Z",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"[\W_]{0,6}([^\W\d][^\n:\uff1a=]{0,60}?)[*`\"']{0,3}\s?[:\uff1a=][*\s]{0,4}(\S[^\n]{0,80})\Z")
_HEADING = re.compile(r"[#*\s]{0,8}[^\W\d][^\n]{0,80}\Z")


def count(text: str) -> int | None:
    """Count the values of one column; `None` for another text."""
    if text.count("\n") > MAX_VALUES:
        return None
    lines = [line.strip().strip("*_") for line in text.split("\n") if line.strip() and not RULE.match(line[:MAX_VALUE])]
    if not lines:
        return None
    if len(lines) == 1 and (labelled := _LABELLED.match(lines[0])) is not None:
        return 1 if _is_value(labelled.group(2)) else None
    values = [_is_value(line) for line in lines]
    if all(values):
        return len(values)
    first = values.index(True) if True in values else 0
    if 0 < first <= MAX_HEADINGS and all(values[first:]) and all(map(_HEADING.match, lines[:first])):
        return len(values) - first if first == 1 or len(values) - first == 1 else None
    if len(lines) <= MAX_HEADINGS and _HEADING.match(lines[0]) and (last := _LABELLED.match(lines[-1])) is not None:
        return 1 if _is_value(last.group(2)) else None
    return None


def _is_value(text: str) -> bool:
    return len(text) <= MAX_VALUE and _VALUE.match(text.strip().strip("*_`")) is not None
