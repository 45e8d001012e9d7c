"""Signs for and against a count that the members beside the records give."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from gateway.metering.confidence import Sign
from gateway.metering.json import maps
from gateway.metering.json.objects import (
    Members,
    is_bookkeeping,
    is_flat,
    is_list_of_objects,
    is_multiline,
    normalize_members,
)
from gateway.metering.json.structure.partial_values import UNREAD, length
from gateway.metering.vocabulary.members import (
    COLUMN_MEMBERS,
    ENVELOPE_MEMBERS,
    ERROR_MEMBERS,
    METADATA_MEMBERS,
    SUMMARY_MEMBERS,
    TOTAL_MEMBERS,
    describes_records,
    is_record_noun,
)
from gateway.metering.vocabulary.names import normalize_name, word_set

MAX_BESIDE_LEVELS = 4
"""Levels of an object beside an empty list in which records are sought."""
MAX_BESIDE_VALUES = 64
"""Members or elements of each level."""
MIN_ANSWER = 40
"""Characters of a text that may be an answer instead of a value."""
_REQUEST_ENDINGS = ("query", "sql", "statement", "request", "params", "parameters", "filters", "filter", "applied")
"""Endings of the names of members that repeat the request."""
_SURROUNDING = (
    ENVELOPE_MEMBERS | METADATA_MEMBERS | SUMMARY_MEMBERS | ERROR_MEMBERS | TOTAL_MEMBERS | word_set("head tip help")
)
_ENUMERATION = re.compile(r"[^,;.!?]{1,40}(?:[,;] ?[^,;.!?]{1,40}){5}")
_WORD = re.compile(r"[\w./:@-]*")
_NONE_STATED = re.compile(r"\b(?:returned|found|matched) 0\b|\b0 (?:record|row|result|item|match|hit)", re.IGNORECASE)

_LINES = ("log", "output", "stdout")
"""Parts of the names of texts whose lines may be records."""


def of_map(value: dict[str, Any], known: frozenset[str], *, is_listing: bool) -> tuple[Sign, ...]:
    """Return the signs for the members of an object as records; their names, or those one level below, may be data."""
    if is_listing and maps.are_alike(value) and not any(map(holds_records, value.values())):
        return (Sign.MAP, Sign.ALIKE)
    is_data = maps.is_map(value, known) or any(
        isinstance(one, dict) and maps.is_map(one, known) for one in value.values()
    )
    return (Sign.MAP, Sign.DATA_NAMES) if is_data else (Sign.MAP,)


def of_other_list(name: str, members: Members, *, is_listing: bool) -> Iterator[Sign]:
    """Yield the signs for a list under a name that only this server uses, which alone is in doubt."""
    yield Sign.OTHER_LIST
    if is_record_noun(name):
        yield Sign.RECORD_NOUN
    elif is_listing and is_list_of_objects(members[name]):
        yield Sign.LISTING_TOOL
    if len(members) == 1:
        yield Sign.ONLY_MEMBER


def may_hold_lines(members: Members) -> bool:
    """Return True if a text of several lines is a log or the output of a program, so that its lines may be records."""
    texts = (name for name, value in members.items() if is_multiline(value))
    return any(part in name for name in texts for part in _LINES)


def reports_error(members: Members) -> bool:
    """Return True if a member for errors reports one, and is no number of them."""
    return any(_is_report(members[name]) for name in ERROR_MEMBERS & members.keys())


def _is_report(error: Any) -> bool:
    return isinstance(error, str | dict | list) and bool(error) and not (isinstance(error, str) and error.isdecimal())


def are_selected_rows(value: Any, columns: tuple[str, ...] | None) -> bool:
    """Return True if a value is a list of objects with the columns of the call's statement."""
    if not columns or not is_list_of_objects(value):
        return False
    return set(map(normalize_name, columns)) == set(map(normalize_name, value[0]))


class BesideNone:
    """Searches the members beside a count of 0 for what may hold the records.

    A member holds none if it describes the page, repeats an argument, names columns, or is a message. `known` are the
    strings among the arguments, `columns` those of the statement; `is_message` tells if a text says that there is
    nothing.
    """

    def __init__(
        self, known: frozenset[str], columns: tuple[str, ...] | None, is_message: Callable[[str], bool]
    ) -> None:
        self._known = known
        self._columns = columns
        self._is_message = is_message

    def may_hold_records(self, others: Members, *, is_stated: bool) -> bool:
        """Return True if one of the members beside the count may hold records; if 0 is stated, only rows may."""
        return any(
            are_selected_rows(one, self._columns) or (not is_stated and self._is_data(name, one))
            for name, one in others.items()
        )

    def _is_data(self, name: str, value: Any) -> bool:
        if name.endswith(_REQUEST_ENDINGS):
            return False
        if isinstance(value, str):
            return self._is_document(value, is_told=name in _SURROUNDING or describes_records(name))
        if isinstance(value, list):
            is_long = length(value) > MAX_BESIDE_VALUES
            return not describes_records(name) and (is_long or any(map(self._is_entry, value)))
        return value is UNREAD or (isinstance(value, dict) and self._is_object_of_data(name, value))

    def _is_entry(self, value: Any) -> bool:
        """Return True if an element of a list is more than a word."""
        is_word = isinstance(value, str) and (value in self._known or _WORD.fullmatch(value[:80]) is not None)
        return value is not None and not is_word

    def _is_document(self, text: str, *, is_told: bool) -> bool:
        """Return True if a text is an answer, or one of several lines or parts; `is_told` under a name for messages."""
        if text in self._known or len(text) < MIN_ANSWER or _NONE_STATED.search(text[:400]):
            return False
        is_long = "\n" in text.strip() or text[:1] in ("[", "{") or _ENUMERATION.search(text[:400]) is not None
        return (is_long or (not is_told and " " in text)) and not self._is_message(text)

    def _is_object_of_data(self, name: str, value: dict[str, Any]) -> bool:
        if name in COLUMN_MEMBERS:
            return False
        if name in _SURROUNDING or is_bookkeeping(name):
            return (len(value) > 1 and maps.is_map(value, frozenset())) or holds_records(value)
        is_tally = all(one is None or isinstance(one, int | float) for one in value.values())
        is_page = _SURROUNDING.issuperset(map(normalize_name, value)) and not holds_records(value)
        return not is_tally and not is_page and not self._is_repeated(value)

    def _is_repeated(self, value: dict[str, Any]) -> bool:
        """Return True if the texts in a flat object are those of arguments, so that it describes the request."""
        texts = [one for one in value.values() if isinstance(one, str)]
        return is_flat(normalize_members(value)) and all(one in self._known for one in texts)


def holds_records(value: dict[str, Any], depth: int = 0) -> bool:
    """Return True if an object holds a list of objects or lists, on any level, that may be records."""
    for name, one in list(value.items())[:MAX_BESIDE_VALUES]:
        if describes_records(normalize_name(name)):
            continue
        if isinstance(one, list) and one and isinstance(one[0], dict | list):
            return True
        if isinstance(one, dict) and (depth == MAX_BESIDE_LEVELS or holds_records(one, depth + 1)):
            return True
    return False
