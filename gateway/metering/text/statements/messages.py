"""Recognizes messages without records: errors, nothing found, rows affected, in eight languages.

Only a short text is a message, and only its beginning is matched. A text that merely contains such words is prose, and
a line of data is not a message.
"""

from __future__ import annotations

import re

from gateway.metering.metering_result import FAILURE, Count, CountKind
from gateway.metering.text.line_marks import BULLET_OR_NUMBER
from gateway.metering.text.lists.log_lines import is_log_line
from gateway.metering.text.statements import errors, phrases
from gateway.metering.text.statements.empty_results import MAX_CLAUSE, states_none
from gateway.metering.text.statements.patterns import fold, spaced, unspaced
from gateway.metering.text.statements.writes import reports_write

MAX_MESSAGE_CHARACTERS = 4_000
"""Characters of a message."""
MAX_MATCHED = 400
"""Characters at the beginning that are matched."""
MAX_SHORT_LINES = 6
"""Lines of a message other than an error."""
MAX_SHORT_CHARACTERS = 600

_DECORATION = re.compile(r"[\W_]*")
"""Marks before the first word."""
_HINT = re.compile(rf"(?<!\w)(?:{spaced(phrases.HINT)})(?!\w)|{unspaced(phrases.HINT)}")
_PENDING = re.compile(
    r"(?:\S+ ){0,3}?(?:query|job|task|export|request|operation|run|scan|report|import|build)\b[^.!\n]{0,40}?"
    r"\b(?:started|submitted|queued|accepted|scheduled)\b"
)
"""An answer that the work goes on."""
NO_RECORDS = Count(0, "no_records_text", CountKind.COUNTED)
AFFECTED_ROWS = Count(0, "affected_rows_text", CountKind.COUNTED)


def count(text: str) -> Count | None:
    """Return 0 records if `text`, stripped of white space, is a message; `None` if it is not."""
    if len(text) > MAX_MESSAGE_CHARACTERS:
        return None
    start, plain, lines = _beginning(text)
    if _is_list(lines):
        return None
    if errors.begins_as_error(plain):
        return FAILURE
    if _is_delimited(lines):
        return None
    first = plain.partition("\n")[0][:MAX_CLAUSE]
    if len(text) <= MAX_SHORT_CHARACTERS and text.count("\n") < MAX_SHORT_LINES:
        if reports_write(plain, lines):
            return AFFECTED_ROWS
        if _PENDING.match(first):
            return NO_RECORDS
        if states_none(start, first, lines) and are_hints(lines[1:]):
            return NO_RECORDS
        if len(lines) <= 3 and errors.is_error_clause(first):
            return FAILURE
    is_whole = len(lines) <= 3 and len(start) < MAX_MATCHED
    is_error = errors.is_marked(start, lines) or (is_whole and errors.has_error(lines[:2]))
    return FAILURE if is_error else None


def is_no_records(text: str) -> bool:
    """Return True if `text` is a message that there are no records, as `count` returns; quicker for others."""
    if len(text) > MAX_SHORT_CHARACTERS:
        return False
    start, plain, lines = _beginning(text)
    is_stated = bool(lines) and states_none(start, plain.partition("\n")[0][:MAX_CLAUSE], lines)
    return is_stated and count(text) is NO_RECORDS


def _beginning(text: str) -> tuple[str, str, list[str]]:
    """Return the beginning of `text` in lower case, the same from its first word on, and its lines."""
    start = fold(text[:MAX_MATCHED])
    return start, _DECORATION.sub("", start, 1), [line for line in start.split("\n") if line.strip()]


def are_hints(paragraphs: list[str]) -> bool:
    """Return True if paragraphs are advice: no table, and no list other than below a line that introduces advice."""
    is_advice = False
    for line in "\n".join(paragraphs).split("\n"):
        is_item = BULLET_OR_NUMBER.match(line) is not None
        if (is_item and not is_advice) or (not is_item and "|" in line):
            return False
        if line.strip() and not is_item:
            is_advice = introduces_advice(line[:MAX_CLAUSE])
    return True


def introduces_advice(text: str) -> bool:
    """Return True if a short text has the words that introduce advice."""
    return _HINT.search(fold(text)) is not None


def _is_list(lines: list[str]) -> bool:
    """Return True if the lines are records, whatever their words: lines of a log, bullets, states."""
    if len(lines) < 2:
        return not lines
    if all(map(is_log_line, lines)) or all(map(BULLET_OR_NUMBER.match, lines)):
        return True
    marked = [line for line in lines if not line.isascii()]
    return len(marked) > 1 and sum(errors.STATUS_MARK.match(line) is not None for line in marked) > 1


def _is_delimited(lines: list[str]) -> bool:
    """Return True if the first lines have as many delimiters, so that their words are those of data."""
    if len(lines) < 2:
        return False
    return any(0 < lines[0].count(mark) == lines[1].count(mark) and mark in lines[-1] for mark in ",|\t;")
