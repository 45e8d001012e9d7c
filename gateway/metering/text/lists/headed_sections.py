"""Sections under Markdown headings of one level, one record each.

Sections that share labels (`**Created**: …`) with each other are the records; sections without them, before or after,
are notes, such as "Next steps".
"""

from __future__ import annotations

from bisect import bisect
from itertools import pairwise

from gateway.metering.text.line_marks import BULLET, ITEM, LABELLED_ENTRY, MARKDOWN_HEADING, MAX_MATCHED
from gateway.metering.text.line_types import IDENTIFYING
from gateway.metering.text.statements.witnesses import stated

MAX_HEADINGS = 200
"""Headings of a text."""
MAX_LINES_OF_SECTION = 4
"""Lines of a section without labels, on average; longer ones are the chapters of a document."""
MAX_LINES_BEFORE = 3
"""Lines before the first heading."""

_MARKS = frozenset("-*+\u2022")


def count(lines: list[str]) -> int | None:
    """Count the sections of one level that are records; `None` for another text."""
    if not [line for line in lines if line[:1] == "#"]:
        return None
    alike = count_alike(lines)
    return _count_all(lines, _headings(lines)) if alike is None else alike


def count_alike(lines: list[str]) -> int | None:
    """Count the sections of one level that share labels; `None` for another text."""
    headings = _headings(lines)
    levels = sorted({level for _, level in headings}, key=len)
    labels = list(map(_label, lines)) if len(headings) > 1 else []
    for level in levels if labels else ():
        starts = [at for at, own in headings if own == level]
        ends = [at for at, own in headings if len(own) <= len(level)] + [len(lines)]
        sections = [frozenset(labels[start + 1 : ends[bisect(ends, start)]]) - {None} for start in starts]
        if len(sections) > 1 and (records := _alike(sections)) is not None:
            return records
    return None


def hold_only_items(lines: list[str]) -> bool:
    """Return True if all lines are headings and the items below them, of which there are more."""
    filled = [line for line in lines if line.strip()]
    items = [line for line in filled if line[:1] != "#"]
    are_items = all(BULLET.match(line[:MAX_MATCHED]) or line[:1] == "(" for line in items)
    return filled[0][:1] == "#" and are_items and 2 * len(items) > len(filled)


def _headings(lines: list[str]) -> list[tuple[int, str]]:
    found = ((at, MARKDOWN_HEADING.match(line)) for at, line in enumerate(lines) if line[:1] == "#")
    return [(at, match.group(1)) for at, match in found if match is not None][:MAX_HEADINGS]


def _label(line: str) -> str | None:
    """Return the label of a line other than a heading."""
    match = LABELLED_ENTRY.match(line[:MAX_MATCHED])
    return match.group(1).lower() if match is not None and not MARKDOWN_HEADING.match(line) else None


def _alike(sections: list[frozenset[str | None]]) -> int | None:
    """Count the sections that share labels with the next or the one before, if those follow each other."""
    pairs = [bool(one & other) for one, other in pairwise(sections)]
    first = pairs.index(True) if True in pairs else -1
    if first < 0:
        names = {word for label in sections[0] if label is not None for word in label.split()}
        is_entity = len(sections) == 2 and len(sections[0]) > 1 and not names.isdisjoint(IDENTIFYING)
        return 1 if is_entity and not sections[1] else None
    last = len(pairs) - 1 - pairs[::-1].index(True)
    return last - first + 2 if all(pairs[first : last + 1]) else None


def _count_all(lines: list[str], headings: list[tuple[int, str]]) -> int | None:
    """Count all headings of the deepest level, with little text before the first."""
    filled = [line for line in lines if line.strip()]
    levels = [level for _, level in headings]
    deepest = max(levels, default="")
    first = next((at for at, line in enumerate(filled) if line.startswith(deepest + " ")), 0)
    if len(deepest) < 2 or first > MAX_LINES_BEFORE or any(level != deepest for level in levels[first > 0 :]):
        return None
    fields = [line for line in filled[:first] if line[:1] != "#" and not line.rstrip().endswith((":", "\uff1a"))]
    if any(LABELLED_ENTRY.match(line) and stated(line).number is None for line in fields):
        return None  # the fields of one entity
    marks = {line.lstrip()[0] for line in filled[first:] if ITEM.match(line[:MAX_MATCHED])}
    if len({mark if mark in _MARKS else "" for mark in marks}) > 1:
        return None  # the chapters of a document
    entries = levels.count(deepest)
    if any(stated(line).number == entries for line in filled[:first]):
        return entries
    if hold_only_items(filled[first:]):
        return None  # groups of entries, or entries with lists of their own
    is_short = len(filled) <= first + entries * (MAX_LINES_OF_SECTION + 1)
    return entries if entries > 1 and is_short else None
