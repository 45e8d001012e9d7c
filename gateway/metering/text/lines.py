"""What the forms of text share: lines, headings and footers.

Rules: a text is looked at line by line only where it has few; of a longer one each form counts its signs at once.
"""

from __future__ import annotations

import re

MAX_LINES = 1_000
"""Lines that are looked at one by one (up to 1 µs each and form)."""
MAX_TEXT = 64 * 1024
"""Characters of such a text."""
MAX_LINE = 1_000
"""Characters of a line that are looked at."""
MAX_BESIDE = 12
"""Headings and footers that are looked at."""
HEAD = 4_000
"""Characters at the beginning and the end of a long text that are looked at."""

_FOOTER = re.compile(
    r"[\W_]{0,8}(?:[\w.!]{1,20}[:\s]\s?){0,5}?\(?(\d[\d,]{0,12})\s(?:\w{1,20}\s){0,2}"
    r"(?:rows?|records?|results?|documents?|items?|entries|lines|files?|tables?|matches|columns?|tasks?|notes?|events?|"
    r"issues?|messages?|users?|connections?|sessions?|collections?|databases?|indexes|nodes?|tags?|keys?)(?:\(e?s\))?(?!\w)|"
    r"[\W_]{0,8}(?:total |row |record |result )?(?:rows?|records?|results?|count|total)(?: count| returned)?"
    r"\s?[:=]\s?(\d[\d,]{0,12})",
    re.IGNORECASE,
)


def split(text: str) -> list[str] | None:
    """The lines of `text` without their ends, or `None` where it is long."""
    if len(text) > MAX_TEXT or text.count("\n") >= MAX_LINES:
        return None
    return text.replace("\r\n", "\n").split("\n")


def trim_blank_lines(text: str) -> str:
    """`text` without the blank lines at its ends. (Stripping line ends alone takes twenty times as long.)"""
    start = len(text) - len(text.lstrip())
    end = text.find("\n", len(text.rstrip()))
    return text[text.rfind("\n", 0, start) + 1 : end if end >= 0 else len(text)]


def stated_count(line: str) -> int | None:
    """The number of records that a heading or footer tells of."""
    match = _FOOTER.match(line[:200])
    return int((match.group(1) or match.group(2)).replace(",", "")) if match else None


def count_lines(text: str) -> int:
    """The lines of `text`, which has no blank ones at its ends; single blank lines in it are left out."""
    return text.count("\n") + 1 - text.count("\n\n")


def says(lines: list[str], records: int) -> bool:
    """Whether one of the few headings and footers tells of so many records."""
    return any(stated_count(line) == records for line in lines[:MAX_BESIDE])
