"""Data beside a message: a statement that nothing was found, or an error, is the result only if it is alone.

Beside rows, lists, JSON or fields the statement is a remark ("No more rows.") or contradicts them. Titles, fields about
the result, sentences and advice are no data.
"""

from __future__ import annotations

import re
from itertools import pairwise

from gateway.metering.text.line_marks import ITEM, MARKDOWN_HEADING, MAX_MATCHED, RULE
from gateway.metering.text.line_types import is_bookkeeping, is_sentence, label
from gateway.metering.text.lines import EDGE
from gateway.metering.text.statements import messages
from gateway.metering.text.statements.patterns import fold
from gateway.metering.text.statements.witnesses import stated
from gateway.metering.vocabulary.names import word_set

MAX_TITLES = 2
"""Titles above a statement; more of them are headings of records."""
MIN_LINES = 2
"""Lines beside a statement that may be records."""
MIN_MARKS = 2
"""Commas or semicolons on the line of a statement that separate records."""

_REMARK = re.compile(
    r"\W{0,8}(?:no|0|zero)\s(?:more|further|other|additional|next|remaining|errors?|warnings?|filters?|cached?)\b|"
    r"\W{0,8}keine weiteren\b|\W{0,8}aucune? autre\b|\W{0,8}(?:没有|沒有)更多|\W{0,8}これ以上"
)
"""A statement about what is beyond the records, or about the work on them."""
_DATA_START = re.compile(r"\s*(?:\[\s*[\[{\"'(]|```|<(?:rows?|tables?|items?|records?|results?)\b)", re.IGNORECASE)
_LIST_IN_OBJECT = re.compile(r"\{[^\n]{0,2000}\[\s*\{", re.DOTALL)
STATISTIC = re.compile(
    r"[-*\u2022]\s[*_`]{0,3}[^\n:]{0,40}\b(?:scanned|processed|bytes|rows|records|time|duration|elapsed|cost|size|cached?)\b"
    r"[^\n:]{0,20}:[\s*_`]{0,4}\d[^\n|]{0,120}\Z",
    re.IGNORECASE,
)
"""A line about the work of a query, such as `- Scanned bytes: 4,021`."""
_LETTER = re.compile(r"[^\W_]|```")
_MARKS = ",;|\t"
_QUERY_LABELS = word_set("query sql search filter filters database schema table index collection project path name")
"""Labels of what a call asked for."""


def has_data(lines: list[str]) -> bool:
    """Return True if lines hold a JSON list, code, markup, or two rows with as many delimiters without spaces."""
    if any(map(_DATA_START.match, lines)):
        return True
    return any(_are_rows(first, second) for first, second in pairwise(lines))


def _are_rows(first: str, second: str) -> bool:
    for mark in _MARKS:
        if 0 < first.count(mark) == second.count(mark):
            is_list = mark in ",;" and (f"{mark} " in first or f"{mark} " in second)
            if not is_list and not first.lstrip().startswith(("at ", "File ")):
                return True
    return False


def remaining(text: str) -> str | None:
    """Return the data in a text with a remark that there are no more, without it; `None` for another text."""
    lines = text[:EDGE].split("\n") if len(text) <= EDGE else []
    filled = [at for at, line in enumerate(lines) if line.strip()]
    if len(filled) < MIN_LINES:
        return None
    for at in (filled[-1], filled[0]):
        line = lines[at]
        if _REMARK.match(fold(line[:MAX_MATCHED])) and stated(line).number is None:
            return "\n".join(lines[:at] + lines[at + 1 :]).strip()
    return None


def is_beside(text: str, arguments: frozenset[str], *, is_error: bool) -> bool:
    """Return True if a text that was read as a message has data, too, or lines that may be data."""
    lines = [line for line in text[:EDGE].split("\n") if _LETTER.search(line)]
    if is_error:
        below = lines[1:]
        return has_data(below) or _LIST_IN_OBJECT.search("\n".join(below)) is not None or _has_items(below)
    if any(_lists_on_line(line) for line in lines):
        return True
    others = [line for line in lines if not _is_statement(line)]
    return has_data(others) or _has_entries(others, arguments)


def _has_items(lines: list[str]) -> bool:
    """Return True if lines are numbered entries."""
    return len(lines) >= MIN_LINES and all(ITEM.match(line) and line.lstrip()[:1].isdigit() for line in lines)


def _lists_on_line(line: str) -> bool:
    """Return True if a line states 0 and lists values: `Found 0 results: a, b, c`."""
    head, colon, values = line.partition(":")
    return bool(colon) and stated(head).number == 0 and max(values.count(","), values.count(";")) >= MIN_MARKS


def _is_statement(line: str) -> bool:
    return stated(line).number == 0 or messages.count(line.strip()) is not None


def _has_entries(lines: list[str], arguments: frozenset[str]) -> bool:
    """Return True if two lines or more are neither titles nor about the result, nor advice."""
    entries, titles, is_advice = 0, 0, False
    for line in lines:
        if RULE.match(line[:MAX_MATCHED]):
            continue
        is_item = ITEM.match(line[:MAX_MATCHED]) is not None
        if not is_item and messages.introduces_advice(line[:MAX_MATCHED]):
            is_advice = True
        elif is_advice and (is_item or line[:1] in " \t"):
            continue
        elif MARKDOWN_HEADING.match(line) or line.rstrip("* ").endswith((":", "\uff1a")):
            is_advice = False
            titles += 1
        elif not _is_about_result(line, arguments):
            is_advice = False
            entries += 1
    return entries >= MIN_LINES or titles > MAX_TITLES


def _is_about_result(line: str, arguments: frozenset[str]) -> bool:
    """Return True if a line is a sentence, a field about the result, or one about the call."""
    name = label(line)
    is_field = is_bookkeeping(line.lstrip("-* "), arguments)
    is_of_call = name is not None and not _QUERY_LABELS.isdisjoint(name.lower().split())
    return is_of_call or is_sentence(line) or STATISTIC.match(line) is not None or is_field
