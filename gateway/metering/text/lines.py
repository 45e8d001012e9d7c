"""Shared by the text formats: lines, stated counts in headings and footers, bounds.

A text is read line by line only if it has few lines; in a longer one each format counts characters instead.
"""

from __future__ import annotations

import re

MAX_LINES = 1_000
"""Lines that are read one by one (up to 1 µs each, for each format)."""
MAX_CHARACTERS_BY_LINE = 64 * 1024
"""Characters of a text that is read line by line."""
MAX_LINE = 1_000
"""Characters of a line that are read."""
MAX_LINES_WITH_COUNT = 12
"""Heading and footer lines that are read."""
EDGE = 4_000
"""Characters at the beginning and the end of a long text that are read."""

_STATED_COUNT = re.compile(
    r"[\W_]{0,8}(?:[\w.!]{1,20}[:\s]\s?){0,5}?\(?(\d[\d,]{0,12})\s(?:\w{1,20}\s){0,2}"
    r"(?:rows?|records?|results?|documents?|items?|entries|lines|files?|tables?|matches|columns?|tasks?|notes?|events?|"
    r"issues?|messages?|users?|connections?|sessions?|collections?|databases?|indexes|nodes?|tags?|keys?)(?:\(e?s\))?(?!\w)|"
    r"[\W_]{0,8}(?:total |row |record |result )?(?:rows?|records?|results?|count|total)(?: count| returned)?"
    r"\s?[:=]\s?(\d[\d,]{0,12})",
    re.IGNORECASE,
)


def split_lines(text: str) -> list[str] | None:
    """Return the lines of `text` without line ends; `None` if it is too long to be read line by line."""
    if len(text) > MAX_CHARACTERS_BY_LINE or text.count("\n") >= MAX_LINES:
        return None
    return text.replace("\r\n", "\n").split("\n")


def trim_blank_lines(text: str) -> str:
    """Return `text` without blank lines at its ends. (Stripping line ends alone takes twenty times as long.)"""
    start = len(text) - len(text.lstrip())
    end = text.find("\n", len(text.rstrip()))
    return text[text.rfind("\n", 0, start) + 1 : end if end >= 0 else len(text)]


def stated_count(line: str) -> int | None:
    """Return the number of records that a heading or footer states, such as "5 rows"; `None` if it states none."""
    match = _STATED_COUNT.match(line[:200])
    return int((match.group(1) or match.group(2)).replace(",", "")) if match else None


def count_lines(text: str) -> int:
    """Count the lines of `text`, which has no blank lines at its ends; single blank lines in between do not count."""
    return text.count("\n") + 1 - text.count("\n\n")


def any_states(lines: list[str], records: int) -> bool:
    """Return True if one of the heading and footer lines states `records`."""
    return any(stated_count(line) == records for line in lines[:MAX_LINES_WITH_COUNT])
