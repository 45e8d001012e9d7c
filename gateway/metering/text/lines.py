"""Shared by the text formats: lines and bounds.

A text is read line by line only if it has few lines; in a longer one each format counts characters instead.
"""

from __future__ import annotations

from collections.abc import Callable

MAX_LINES = 1_000
"""Lines that are read one by one (up to 1 µs each, for each format)."""
MAX_CHARACTERS_BY_LINE = 64 * 1024
"""Characters of a text that is read line by line."""
MAX_LINE = 1_000
"""Characters of a line that are read."""
EDGE = 4_000
"""Characters at the beginning and the end of a long text that are read."""


def split_lines(text: str) -> list[str] | None:
    """Return the lines of `text` without line ends; `None` if it is too long to be read line by line."""
    if len(text) > MAX_CHARACTERS_BY_LINE or text.count("\n") >= MAX_LINES:
        return None
    return text.replace("\r\n", "\n").split("\n")


def trim_blank_lines(text: str) -> str:
    """Return `text` without blank lines at its ends. (Stripping line ends alone takes twenty times as long.)"""
    head = text[:EDGE]
    filled = len(head.lstrip())
    start = len(head) - filled if filled else len(text) - len(text.lstrip())
    end = text.find("\n", filled_length(text, len(text)))
    return text[text.rfind("\n", 0, start) + 1 : end if end >= 0 else len(text)]


def filled_length(text: str, stop: int) -> int:
    """Return the length of `text` up to `stop` without white space at the end; a copy of a large text takes long."""
    start = max(0, stop - EDGE)
    filled = len(text[start:stop].rstrip())
    return start + filled if filled else len(text[:stop].rstrip())


def is_blank(line: str) -> bool:
    """Return True if `line` is empty or white space."""
    return not line.strip()


def indentation(line: str) -> int:
    """Return the number of white-space characters at the beginning of `line`."""
    return len(line) - len(line.lstrip())


def split_blocks(lines: list[str], is_end: Callable[[str], object]) -> list[list[str]]:
    """Return the blocks of lines with text, between the lines for which `is_end` is true."""
    blocks: list[list[str]] = [[]]
    for line in lines:
        if is_end(line):
            blocks.append([])
        elif line.strip():
            blocks[-1].append(line)
    return [block for block in blocks if block]


def count_lines(text: str) -> int:
    """Count the lines of `text`, which has no blank lines at its ends; single blank lines in between do not count."""
    return text.count("\n") + 1 - text.count("\n\n")
