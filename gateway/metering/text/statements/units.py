"""Parts of a text that has as many parts of one type as its heading or footer states.

A server that writes "Found 2 issues:" above its own markup is understood without knowing the markup: the text has to
have exactly two parts of one type. The types are blocks between blank lines or rules, headings of one level, bullets,
numbers, lines at the same depth and lines with the same label.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import msgspec

from gateway.metering.text.lines import indentation, is_blank, split_blocks
from gateway.metering.text.statements.witnesses import Stated, stated, states_found, states_only

MAX_HEADING_LINES = 5
"""Lines before the records, or after them."""
MAX_STATING_LINES = 200
"""Lines that are read for the numbers of several tables."""
MAX_FOOTER = 60
"""Characters of a footer between two tables."""
MAX_PREAMBLE = 20
"""Lines of text before the line that states the number."""
MAX_PREFIX = 200
"""Characters of a line that are matched."""

ITEM = re.compile(
    r"\s{0,8}(?:[-*+\u2022\u25e6\u25aa\u25cf\u2023\u25b8\u25ba\u00b7\u2192\u2605]\s|#?\d{1,6}(?:[.):\u3001\uff0e]|\ufe0f?\u20e3)\s?|\[[^\[\]\n]{1,40}\]\s?(?=\S)|[^\w\s\x00-\x7f]\ufe0f?\s)\S?"
)
"""A mark at the beginning of an item of a list: a bullet, a number, brackets, a symbol."""
RULE = re.compile(r"\s*(?:[-=*_~\u2500\u2501\u2550]{3,}|[-*]\s[-*]\s[-*])\s*\Z")
_RULE_STARTS = frozenset(" -=*_~\u2500\u2501\u2550")
_MARKDOWN_HEADING = re.compile(r"(#{1,6})\s")
_BOLD_HEADING = re.compile(r"\*\*[^*\n]{1,160}\*\*")
_STATUS_TITLE = re.compile(r"[\u2705\u2714\u2713\U0001f4cb\U0001f4ca\U0001f50d\U0001f4dd\U0001f4c1\U0001f4c2]")
_LABEL = re.compile(r"[\s>*_#-]{0,8}([^\W\d][\w ()/.'-]{0,40}?)\**\s?[:\uff1a=]")


class Outline(msgspec.Struct, frozen=True):
    """A text without its headings and footers, and the numbers of records that these state."""

    bodies: tuple[list[str], ...]
    """The body, and the body without its last block, if that may be a hint for the reader."""
    statements: list[Stated]
    headings: int
    """The number of statements from headings; the others are from footers."""

    @property
    def body(self) -> list[str]:
        """The lines between the headings and the footers."""
        return self.bodies[0]


def outline(lines: list[str]) -> Outline:
    """Separate headings and footers, which state a number or introduce a list, from the lines of records."""
    statements: list[Stated] = []
    start, headings = 0, 0
    while start < len(lines) and headings < MAX_HEADING_LINES:
        line = lines[start]
        if line.strip():
            following = lines[start + 1] if start + 1 < len(lines) else ""
            if not _is_heading(line, following) or _begins_group(lines, start):
                break
            _add(statements, line)
            headings += 1
        start += 1
    stated_above = len(statements)
    body = _without_footers(lines[start:], statements)
    last = _last_block(body)
    is_hint = 0 < len(last) <= 2 and len(last) < len(body) and not any(ITEM.match(line[:MAX_PREFIX]) for line in last)
    bodies = (body, _trimmed(body[: -len(last)])) if is_hint else (body,)
    return Outline(bodies, statements, stated_above)


def _begins_group(lines: list[str], at: int) -> bool:
    """Return True if a line is the heading of one of several groups: `a.py:`, with indented lines below."""
    line = lines[at].rstrip()
    if not line.endswith((":", "\uff1a")) or stated(line).number is not None or indentation(line):
        return False
    rest = [other for other in lines[at + 1 :] if other.strip()]
    return (
        bool(rest)
        and indentation(rest[0]) > 0
        and any(not indentation(other) and other.rstrip().endswith((":", "\uff1a")) for other in rest)
    )


def _without_footers(lines: list[str], statements: list[Stated]) -> list[str]:
    """Remove the last blocks and lines that state a number."""
    body = _trimmed(lines)
    for _ in range(MAX_HEADING_LINES):
        last = _last_block(body)
        is_block = 0 < len(last) <= MAX_HEADING_LINES and len(last) < len(body) and any(map(_states_alone, last))
        if is_block and _label(last[0]) != _label(body[0]):
            footer = last
        elif len(body) > 1 and _states_alone(body[-1]) and not _is_field(body[-2], body[-1]):
            footer = body[-1:]
        else:
            break
        for line in footer:
            _add(statements, line)
        body = _trimmed(body[: -len(footer)])
    return body


def _trimmed(lines: list[str]) -> list[str]:
    """Return `lines` without blank lines and rules at the end."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or RULE.match(lines[end - 1][:MAX_PREFIX])):
        end -= 1
    return lines[:end]


def _last_block(lines: list[str]) -> list[str]:
    """Return the last lines, up to a blank line."""
    start = len(lines)
    while start and lines[start - 1].strip() and len(lines) - start <= MAX_HEADING_LINES:
        start -= 1
    return lines[start:]


def sum_of_statements(lines: list[str]) -> int | None:
    """Return the sum of the numbers of records that single lines state, one for each of several tables."""
    stating = [line for line in lines[:MAX_STATING_LINES] if 3 < len(line) <= MAX_FOOTER and _states_alone(line)]
    return sum(stated(line).returned or 0 for line in stating) if len(stating) > 1 else None


def _add(statements: list[Stated], line: str) -> None:
    one = stated(line)
    if one.number is not None:
        statements.append(one)


def _is_heading(line: str, following: str) -> bool:
    """Return True if `line` introduces what follows: it ends in a colon, is a title, or states a number."""
    text = line.strip()
    if RULE.match(text[:MAX_PREFIX]) or (following.strip() and RULE.match(following[:MAX_PREFIX])):
        return True
    if ITEM.match(line[:MAX_PREFIX]) and not text.endswith((":", "\uff1a")) and _STATUS_TITLE.match(text) is None:
        return False
    if _MARKDOWN_HEADING.match(text) or text.endswith((":", "\uff1a", ":**", ":*")):
        return stated(text).number is not None or not _MARKDOWN_HEADING.match(following)
    if stated(text).number is None or _is_field(following, text):
        return False
    return not following.strip() or stated(following).number is None


def _states_alone(line: str) -> bool:
    return line[:1] not in (" ", "\t") and not ITEM.match(line[:MAX_PREFIX]) and states_only(line)


def _is_field(beside: str, line: str) -> bool:
    """Return True if a line that states a number is one of several fields: `Name: x` is beside `Issues: 2`."""
    return _states_alone(beside) or (
        _label(line) is not None and _label(beside) is not None and line.strip()[-1] != ":"
    )


def _label(line: str) -> str | None:
    match = _LABEL.match(line[:MAX_PREFIX])
    return match.group(1) if match is not None else None


def count(text_outline: Outline) -> int | None:
    """Count the parts of the body, if it has as many of one type as a heading or footer states."""
    if not text_outline.statements:
        text_outline = _below_statement(text_outline.body)
    numbers = [number for one in text_outline.statements for number in (one.returned, one.total) if number is not None]
    if 0 in numbers and len([line for line in text_outline.body if line.strip()]) <= 1:
        return 0
    if not any(numbers) or not text_outline.body:
        return None
    parts = {number for body in text_outline.bodies for number in _parts(body)}
    return next((number for number in numbers if number in parts), None)


def _below_statement(lines: list[str]) -> Outline:
    """Return the outline of what follows a line in the first ones that states a number and ends in a colon."""
    for at, line in enumerate(lines[:MAX_PREAMBLE]):
        if line.rstrip().endswith((":", "\uff1a")) and _states_alone(line) and states_found(line):
            return outline(lines[at:])
    return Outline((lines,), [], 0)


def _parts(body: list[str]) -> Iterator[int]:
    """Return the numbers of parts of the body, by each type of part."""
    filled = [
        line for line in body if line.strip() and not (line[:1] in _RULE_STARTS and RULE.match(line[:MAX_PREFIX]))
    ]
    if not filled:
        return
    depths = [0 if line[:1] not in (" ", "\t") else indentation(line) for line in filled]
    depth = min(depths)
    top = [line for line, own in zip(filled, depths, strict=True) if own == depth]
    items = len([line for line in top if ITEM.match(line[:MAX_PREFIX])])
    yield len(split_blocks(body, is_blank))
    if [line for line in body if line[:1] in _RULE_STARTS and RULE.match(line[:MAX_PREFIX])]:
        yield len(split_blocks(body, lambda line: RULE.match(line[:MAX_PREFIX])))
    if items:
        yield items
    elif len(top) > 1 or len(filled) == 1:
        yield len(top)
    headings = (_MARKDOWN_HEADING.match(line) for line in top if line[:1] == "#")
    levels = Counter(match.group(1) for match in headings if match is not None)
    yield from levels.values()
    yield len([line for line in top if line[:2] == "**" and _BOLD_HEADING.match(line[:MAX_PREFIX])])
    labels = Counter(label for line in top if (label := _label(line)) is not None)
    yield from (number for number in labels.values() if number > 1)
    if _label(top[0]) is not None:
        yield labels[_label(top[0]) or ""]
