"""The outline of a text: the lines of its records, without the headings, remarks and footers around them.

Servers surround records with the same few things, whatever the format of the records: a title, a number, the query,
fields about the page or the time, a sentence, advice for the next step. They are removed from both ends, block by
block, as long as they are of another type than the rest.
"""

from __future__ import annotations

import re

import msgspec

from gateway.metering.text.line_marks import ITEM, MARKDOWN_HEADING, MAX_MATCHED, RULE
from gateway.metering.text.line_types import MORE, is_bookkeeping, is_sentence, label, states_alone
from gateway.metering.text.lines import indentation
from gateway.metering.text.statements import messages
from gateway.metering.text.statements.patterns import fold
from gateway.metering.text.statements.witnesses import Stated, stated, states_only

MAX_REMARK_BLOCKS = 5
"""Headings and blocks of remarks before the records, or after them."""
MAX_FOOTER_LINES = 5
"""Lines of a last block that states a number."""
MAX_REMARK_LINES = 8
"""Lines of a block of remarks."""

_STATUS_TITLE = re.compile(r"[\u2705\u2714\u2713\U0001f4cb\U0001f4ca\U0001f50d\U0001f4dd\U0001f4c1\U0001f4c2]")
_PLACE = re.compile(r"[^\s:]{1,200}:\d{1,7}:")
"""The place of a line in a file: `boats.py:7:`."""
_CAPITALS = re.compile(r"[A-Z][A-Z \d]{2,60} [A-Z \d]{2,60}\Z")
_MARKS = re.compile(r"[=*_~-]{1,2}\s*\Z")
"""A line with nothing but a mark or two, which is too short for a rule."""
_NUMBERED_PART = re.compile(r"[\W_]{0,8}[^\W\d_]{2,20}[ #]{1,2}(\d{1,4})(?:\W|\Z)")
"""The heading of one of numbered records: `Result 1:`."""
_COLONS = (":", "\uff1a")


class Outline(msgspec.Struct, frozen=True):
    """A text without its headings and footers, and the numbers of records that these state."""

    body: list[str]
    """The lines between the headings and the footers."""
    statements: list[Stated]
    headings: int
    """The number of statements from headings; the others are from footers."""
    sections: list[str]
    """The body with the heading directly above it, which may be that of the first of several lists."""
    states_none: bool = False
    """True if the text is only about the result, and states that it has no records."""


def outline(lines: list[str], arguments: frozenset[str] = frozenset()) -> Outline:
    """Separate headings, remarks and footers from the lines of records; `arguments` are the strings of the call."""
    statements: list[Stated] = []
    start, headings, title = 0, 0, 0
    while start < len(lines) and headings < MAX_REMARK_BLOCKS:
        line = lines[start]
        if line.strip():
            block = [] if start and lines[start - 1].strip() else _block_at(lines, start)
            if block and _are_remarks(block, lines[start + len(block) :], arguments):
                length = len(block)
                title = start + length
            elif _is_heading(line, lines[start + 1] if start + 1 < len(lines) else "") and not _begins(lines, start):
                length = 1
                title = start
            else:
                break
            for one in lines[start : start + length]:
                _add(statements, one)
            start += length - 1
            headings += 1
        start += 1
    stated_above = len(statements)
    body = _without_footers(lines[start:], statements, arguments)
    sections = lines[title : start + len(body)]
    is_advice = len(sections) > len(body) and messages.introduces_advice(sections[0][:MAX_MATCHED])
    is_repeated = len(body) == 1 and messages.is_no_records(body[0].lstrip("# "))
    is_zero = (is_advice or is_repeated) and {one.number for one in statements} == {0}
    return Outline(body, statements, stated_above, sections, is_zero or _states_none(body, arguments))


def hide_code(lines: list[str]) -> list[str]:
    """Return `lines` with those of code between fences indented, as details of the line above."""
    hidden, is_open = [], False
    for line in lines:
        hidden.append(f"    {line or '.'}" if is_open or line.lstrip().startswith("```") else line)
        is_open ^= line.count("```") % 2 == 1
    return hidden


def _block_at(lines: list[str], start: int) -> list[str]:
    """Return the lines from `start` up to a blank line or a rule; some more than those of remarks at most."""
    block = []
    for line in lines[start : start + MAX_REMARK_LINES + 1]:
        if not line.strip() or RULE.match(line[:MAX_MATCHED]):
            break
        block.append(line)
    return block


def _are_remarks(block: list[str], beside: list[str], arguments: frozenset[str]) -> bool:
    """Return True if a block at the edge of a text is about the records `beside`: fields, a sentence, or advice."""
    if not 0 < len(block) <= MAX_REMARK_LINES or not any(line.strip() for line in beside):
        return False
    is_titled = len(block) > 1 and (MARKDOWN_HEADING.match(block[0]) or _CAPITALS.match(block[0]))
    fields = [line for line in (block[1:] if is_titled else block) if not _MARKS.match(line)]
    others = [line for line in fields if not is_bookkeeping(line, arguments)]
    if len(others) < min(2, len(fields)) and all(map(states_alone, others)):
        labels = {label(line) for line in fields}
        if len(labels) < len(fields):
            return False
        names = labels - {None}
        return all(label(line) not in names or states_alone(line) for line in beside if ":" in line)
    is_prose = len(block) <= 2 and all(map(is_sentence, block))
    nearest = next(line for line in beside if line.strip())
    return is_prose and not is_sentence(nearest) and messages.count("\n".join(block)) is None


def _states_none(body: list[str], arguments: frozenset[str]) -> bool:
    """Return True if a body is only fields about the result, of which one states 0 and none another number."""
    if len(body) > MAX_REMARK_LINES:
        return False
    filled = [line for line in body if line.strip()]
    numbers = {stated(line).number for line in filled} - {None}
    return len(filled) > 1 and numbers == {0} and all(is_bookkeeping(line, arguments) for line in filled)


def _begins(lines: list[str], at: int) -> bool:
    """Return True if a line is the heading of one of several parts: `a.py:` above indented lines, or of its level."""
    line = lines[at].rstrip()
    if stated(line).number is not None or indentation(line):
        return False
    part = _NUMBERED_PART.match(line)
    if (part is not None and part.group(1) in ("0", "1")) or line.endswith("}:"):
        return True
    if (heading := MARKDOWN_HEADING.match(line)) is not None:
        return any(other.startswith(heading.group()) for other in lines[at + 1 :])
    if not line.endswith(_COLONS):
        return False
    rest = [other for other in lines[at + 1 :] if other.strip()]
    is_nested = bool(rest) and indentation(rest[0]) > 0
    return is_nested and any(not indentation(other) and other.rstrip().endswith(_COLONS) for other in rest)


def _without_footers(lines: list[str], statements: list[Stated], arguments: frozenset[str]) -> list[str]:
    """Remove the last blocks and lines that state a number, are remarks or give advice."""
    body = _trimmed(lines)
    for _ in range(MAX_REMARK_BLOCKS):
        last = _last_block(body)
        above = body[: -len(last)]
        if length := _advice(body):
            footer = body[-length:]
        elif above and (_states_number(last, above) or _are_remarks(last, above[::-1], arguments)):
            footer = last
        elif len(body) > 1 and _is_footer(body[-1], body[-2], arguments):
            footer = body[-1:]
        else:
            break
        for line in footer:
            _add(statements, line)
        body = _trimmed(body[: -len(footer)])
    return body


def _is_footer(line: str, above: str, arguments: frozenset[str]) -> bool:
    """Return True if the last line states a number, or is a field about the result below a list."""
    if MORE.match(fold(line)) or (states_alone(line) and not _is_field(above, line)):
        return True
    return ITEM.match(above) is not None and not ITEM.match(line) and is_bookkeeping(line, arguments)


def _states_number(block: list[str], beside: list[str]) -> bool:
    """Return True if a block at the end states a number, and does not begin as another block."""
    if len(block) > MAX_FOOTER_LINES or not any(map(states_alone, block)):
        return False
    first = label(block[0])
    return label(beside[0]) != first and (
        first is None or all(first not in line or label(line) != first for line in beside)
    )


def _advice(body: list[str]) -> int:
    """Return the number of the last lines, if they are advice in items below a heading for advice."""
    at = len(body) - 1
    while at > 0 and len(body) - at <= 2 * MAX_REMARK_LINES and (not body[at].strip() or ITEM.match(body[at])):
        at -= 1
    line = body[at] if 0 < at < len(body) - 1 else ""
    is_heading = MARKDOWN_HEADING.match(line) or line.rstrip("*_ ").endswith(_COLONS)
    is_part = _NUMBERED_PART.match(line) is not None  # `## Note 2: Boats`
    return len(body) - at if is_heading and not is_part and messages.introduces_advice(line[:MAX_MATCHED]) else 0


def _trimmed(lines: list[str]) -> list[str]:
    """Return `lines` without blank lines and rules at the end."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or RULE.match(lines[end - 1][:MAX_MATCHED])):
        end -= 1
    return lines[:end]


def _last_block(lines: list[str]) -> list[str]:
    """Return the last lines, up to a blank line or a rule."""
    start = len(lines)
    while start and lines[start - 1].strip() and len(lines) - start <= MAX_REMARK_LINES:
        if RULE.match(lines[start - 1][:MAX_MATCHED]):
            break
        start -= 1
    return lines[start:]


def _add(statements: list[Stated], line: str) -> None:
    one = stated(line)
    if one.number is not None:
        statements.append(one)


def _is_heading(line: str, following: str) -> bool:
    """Return True if `line` introduces what follows: it ends in a colon, is a title, or states a number."""
    text = line.strip()
    if RULE.match(text[:MAX_MATCHED]) or (following.strip() and RULE.match(following[:MAX_MATCHED])):
        return True
    if ITEM.match(line[:MAX_MATCHED]) and not text.endswith(_COLONS) and _STATUS_TITLE.match(text) is None:
        return False
    if _PLACE.match(text) and _PLACE.match(following):
        return False
    if MARKDOWN_HEADING.match(text) or text.endswith((*_COLONS, ":**", ":*")):
        return stated(text).number is not None or not MARKDOWN_HEADING.match(following)
    if stated(text).number is None or _is_field(following, text) or (text.count(" | ") > 1 and not states_only(text)):
        return False
    return not following.strip() or stated(following).number is None


def _is_field(beside: str, line: str) -> bool:
    """Return True if a line that states a number is one of several fields: `Name: x` is beside `Issues: 2`."""
    return states_alone(beside) or (label(line) is not None and label(beside) is not None and line.strip()[-1] != ":")
