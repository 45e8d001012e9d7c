"""What the forms of text share: lines, headings and footers."""

from __future__ import annotations

import re

MAX_LINES = 6_000
"""Lines that are looked at one by one (about 0.3 µs each and form); longer texts are counted by their signs alone."""
MAX_LINE = 2_000
"""Characters of a line that are looked at."""

_FOOTER = re.compile(
    r"[\W_]*(?:\w+[:\s]+){0,3}?(\d[\d,]*)\s+(?:\w+\s+){0,2}(?:rows?|records?|results?|documents?|items?|entries|lines)\b|"
    r"[\W_]*(?:total |row |record |result )?(?:rows?|records?|results?|count|total)(?: count| returned)?"
    r"\s*[:=]\s*(\d[\d,]*)",
    re.IGNORECASE,
)


def split(text: str) -> list[str] | None:
    """The lines of `text` without their ends, or `None` where there are too many."""
    if text.count("\n") >= MAX_LINES:
        return None
    return text.replace("\r\n", "\n").split("\n")


def witness(line: str) -> int | None:
    """The number of records that a heading or footer tells of."""
    match = _FOOTER.match(line[:200])
    return int((match.group(1) or match.group(2)).replace(",", "")[:12]) if match else None
