"""Parts of a text that has as many parts of one type as its heading or footer states.

A server that writes "Found 2 issues:" above its own markup is understood without knowing the markup: the text has to
have exactly two parts of one type. The types are blocks between blank lines or rules, headings of one level, bullets,
numbers, lines at the same depth, and lines with the same label or the same two first words.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from gateway.metering.text.line_marks import ITEM, MARKDOWN_HEADING, MAX_MATCHED, RULE, RULE_STARTS
from gateway.metering.text.line_types import label, states_alone
from gateway.metering.text.lines import indentation, is_blank, split_blocks
from gateway.metering.text.outline import Outline
from gateway.metering.text.statements.witnesses import stated

MAX_STATING_LINES = 200
"""Lines that are read for the numbers of several tables."""
MAX_FOOTER = 60
"""Characters of a footer between two tables."""


_BEGINNING = re.compile(
    r"^[ \t]{0,12}(?![{}\]\"])(?:[^\w\s{}\"]{1,4}[ \t]?|9[ \t]?){0,12}(?:[^\W\d_][\w ]{0,30}?(?= ?[:#]| 9))?",
    re.MULTILINE,
)
"""The margin, marks and label with which a line begins, if all numbers are 9: `- (ID: 9`, `Post #9`, `[9-9-9] Chat`."""
_NUMBER = re.compile(r"\d+")
_BOLD_HEADING = re.compile(r"\*\*[^*\n]{1,160}\*\*")


def sum_of_statements(lines: list[str]) -> int | None:
    """Return the sum of the numbers of records that single lines state, one for each of several tables."""
    stating = [line for line in lines[:MAX_STATING_LINES] if 3 < len(line) <= MAX_FOOTER and states_alone(line)]
    return sum(stated(line).returned or 0 for line in stating) if len(stating) > 1 else None


def count(text_outline: Outline) -> int | None:
    """Count the parts of the body, if it has as many of one type as a heading or footer states."""
    numbers = [number for one in text_outline.statements for number in (one.returned, one.total) if number is not None]
    if 0 in numbers and len([line for line in text_outline.body if line.strip()]) <= 1:
        return 0
    if not any(numbers) or not text_outline.body:
        return None
    parts = set(_parts(text_outline.body))
    if 1 in numbers and 1 in parts and not _is_one_entry(text_outline.body):
        parts.remove(1)
    found = next((number for number in numbers if number in parts), None)
    return _count_alike(text_outline.body, numbers) if found is None else found


def _count_alike(body: list[str], numbers: list[int]) -> int | None:
    """Count the lines that begin alike, at any depth, if they are as many as stated, and more than one."""
    beginnings = Counter(_BEGINNING.findall(_NUMBER.sub("9", "\n".join(body))))
    alike = {number for beginning, number in beginnings.items() if number > 1 and beginning.strip(" \t9")}
    return next((number for number in numbers if number in alike), None)


def _is_one_entry(body: list[str]) -> bool:
    """Return True if a body can be one record: one line at its margin, or fields with different labels."""
    filled = [line for line in body if line.strip()]
    depth = min(map(indentation, filled))
    top = [line for line in filled if indentation(line) == depth]
    labels = [label(line) for line in top]
    items = [line for line in top if ITEM.match(line[:MAX_MATCHED])]
    if len(top) == 1 or items == top[:1]:
        return True
    if labels[0] is None and not items:
        labels = labels[1:]  # below its heading
    is_value = len(top) == 2 and top[0].strip().isidentifier() and top[1].strip().isdigit()
    return is_value or (None not in labels and len(set(labels)) == len(labels))


def _parts(body: list[str]) -> Iterator[int]:
    """Return the numbers of parts of the body, by each type of part."""
    lines = [line for line in body if line.strip()]
    filled = [line for line in lines if line[:1] not in RULE_STARTS or not RULE.match(line[:MAX_MATCHED])]
    if not filled:
        return
    depths = [0 if line[:1] not in (" ", "\t") else indentation(line) for line in filled]
    depth = min(depths)
    top = [line for line, own in zip(filled, depths, strict=True) if own == depth]
    items = len([line for line in top if ITEM.match(line[:MAX_MATCHED])])
    yield len(split_blocks(body, is_blank))
    if len(filled) < len(lines):
        yield len(split_blocks(body, lambda line: RULE.match(line[:MAX_MATCHED])))
    if items:
        yield items
    elif len(top) > 1 or len(filled) == 1:
        yield len(top)
    headings = (MARKDOWN_HEADING.match(line) for line in top if line[:1] == "#")
    levels = Counter(match.group(1) for match in headings if match is not None)
    yield from levels.values()
    yield len([line for line in top if line[:2] == "**" and _BOLD_HEADING.match(line[:MAX_MATCHED])])
    names = [label(line) for line in top]
    labels = Counter([name for name in names if name is not None])
    yield from (number for number in labels.values() if number > 1)
    beginnings = Counter([tuple(line[:MAX_MATCHED].split(maxsplit=2)[:2]) for line in top])
    yield from (number for number in beginnings.values() if number > 1 and 2 * number > len(top))
    if names[0] is not None:
        yield labels[names[0]]
