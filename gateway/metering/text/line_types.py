"""Types of lines in texts: statements of a number, fields about the result, sentences."""

from __future__ import annotations

import re

from gateway.metering.text.line_marks import FIELD, ITEM, MAX_MATCHED
from gateway.metering.text.statements import messages, phrases
from gateway.metering.text.statements.patterns import fold, spaced
from gateway.metering.text.statements.witnesses import states_only
from gateway.metering.vocabulary.members import (
    COLUMN_MEMBERS,
    COUNT_MEMBERS,
    ENVELOPE_MEMBERS,
    PAGE_MEMBERS,
    RETURNED_COUNT_MEMBERS,
    ROW_MEMBERS,
    SUMMARY_MEMBERS,
    TOTAL_MEMBERS,
)
from gateway.metering.vocabulary.names import normalize_name, word_set

MAX_SENTENCE = 500
"""Characters of a sentence, or a line in italics, beside the records."""

IDENTIFYING = word_set("id key title subject number url uri uuid")
"""Labels of the fields that identify an entity."""
_VALUE = re.compile(r"[\s*_`\"']*([^\n]*?)[\s*_`\"']*\Z")
_PAGE = re.compile(rf"\W{{0,8}}(?:{spaced(phrases.PAGE)})\s*[:#]?\s*\d{{1,9}}(?:\W|\Z)")
MORE = re.compile(rf"\W{{0,8}}(?:and\s|\+)?\d[\d,.]{{0,12}}\s(?:\w{{1,20}}\s)?(?:{spaced(phrases.MORE)})(?!\w)")
"""A line about records that were left out, in lower case: `... and 5 more`."""
_TALLY = re.compile(r"\W{0,4}[^\W\d][\w ]{0,40}:\W{0,4}(?:[^\W\d][\w ]{0,40}: \d{1,9}(?:, |\Z)){2,20}\Z")
"""Numbers of records by a property: `By status: open: 3, done: 8`."""
_SENTENCE = re.compile(
    r"[\s>*_(\"'\u2014-]{0,8}[^\W\d_][^|\t]{10,}?[.!?\u2026\u3002\uff01\uff1f][)*_\"'`]{0,4}\Z|"
    r"([*_])(?![*_\s])[^*_|\t]{8,}\1\Z"
)
_FIELDS_OF_ENTITIES = word_set("type code kind message status version currency unit units timezone format time")
"""Labels that are as common among the fields of a record."""
_BOOKKEEPING = (
    (ENVELOPE_MEMBERS - _FIELDS_OF_ENTITIES)
    | PAGE_MEMBERS
    | TOTAL_MEMBERS
    | COUNT_MEMBERS
    | RETURNED_COUNT_MEMBERS
    | SUMMARY_MEMBERS
)


def label(line: str) -> str | None:
    """Return the label of a line such as `Name: x`."""
    match = FIELD.match(line[:MAX_MATCHED])
    return match.group(1) if match is not None else None


def states_alone(line: str) -> bool:
    """Return True if a line at the left margin only states a number of records."""
    return line[:1] not in (" ", "\t") and not ITEM.match(line[:MAX_MATCHED]) and states_only(line)


def is_bookkeeping(line: str, arguments: frozenset[str]) -> bool:
    """Return True if a line is a field about the result, or repeats an argument of the call."""
    if line[:1] in (" ", "\t"):
        return False
    text = fold(line[:MAX_MATCHED])
    if _PAGE.match(text) or MORE.match(text) or _TALLY.match(text):
        return True
    match = FIELD.match(line[:MAX_MATCHED])
    if match is None:
        return False
    name = normalize_name(match.group(1))
    value = _VALUE.match(line[match.end() : MAX_MATCHED])
    return (
        name in _BOOKKEEPING
        or (name in COLUMN_MEMBERS and value is not None and ", " in value.group(1))
        or (name in ROW_MEMBERS and states_alone(line))
        or any(name.endswith(word) for word in ("time", "cursor", "token", "pages", "total", "offset"))
        or (value is not None and value.group(1) in arguments)
    )


def is_sentence(line: str) -> bool:
    """Return True if a line is a sentence in prose, or advice."""
    text = line.strip()
    if not text or len(text) > MAX_SENTENCE or "|" in text or "\t" in text:
        return False
    if ITEM.match(text[:MAX_MATCHED]) and not (text[0] in "*_>" or messages.introduces_advice(text)):
        return False
    return text.count(" ") > 1 and _SENTENCE.match(text) is not None
