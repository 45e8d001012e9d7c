"""Checks a count against the numbers that an object states beside the records.

A number states how many records were returned, or how many there are, or it is a count that may mean either. The rule
for a count from the shape and a stated number that differ:

- The number of returned records has to be equal.
- Any other count is equal, or larger if the result is one page of several; a larger one is else a sign of doubt.
- A total may be larger, never smaller. Beside no records it is larger only behind the last page.
- A number that is the length of another list beside counts that list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from functools import lru_cache
from typing import Any, NamedTuple

from gateway.metering.confidence import Sign
from gateway.metering.json.objects import Members, normalize_members
from gateway.metering.json.structure.partial_values import length
from gateway.metering.vocabulary.members import (
    COMMON_MEMBERS,
    COUNT_MEMBERS,
    COUNTED_NOUNS,
    PAGE_MEMBERS,
    PART_NOUNS,
    RETURNED_COUNT_MEMBERS,
    ROW_COUNT_MEMBERS,
    SUMMARY_MEMBERS,
    TOTAL_MEMBERS,
)
from gateway.metering.vocabulary.names import word_list

_BARE_NOUNS = frozenset(("rows", "records", "results", "items", "documents", "hits", "matches", "entries", "objects"))
_RETURNED_WORDS = ("returned", "fetched", "retrieved", "shown", "displayed")
_TOTAL_WORDS = ("total", "matching", "matched", "found", "available", "all")
_COUNT_WORDS = ("numberof", "count", "number", "num", "nb")
_CAPS = frozenset((10, 20, 25, 30, 50, 100, 200, 250, 500, 1_000, 2_000, 5_000, 10_000, 50_000, 100_000))
"""Common sizes of a page."""
_POSITIONS = word_list("offset skip start startat startindex from page pagenumber currentpage")
"""Members with the position of a page."""
_NOTES = ("warning", "note", "message", "hint", "info")
_CUT = re.compile(r"truncat|limited|showing|first|only|more|cut|capped", re.IGNORECASE)
_NUMBERS = (int, str)
MEASURES = frozenset(("size", "length"))
MAX_STATED_DIGITS = 9
"""Digits of a stated number."""


class Meaning(IntEnum):
    """The meaning of a stated number."""

    MEASURE = 0
    """It may measure something else, so it can only agree."""
    TOTAL = 1
    COUNT = 2
    RETURNED = 3


class Witness(NamedTuple):
    """A number that an object states about the records in it."""

    name: str
    number: int
    meaning: Meaning


class Verdict(NamedTuple):
    """The sign of the witnesses for a count, and the name of the witness that decided."""

    sign: Sign | None
    name: str = ""


_COSTS = frozenset(("stats", "statistics"))
_UNDECIDED = Verdict(None)


def find(members: Members, list_name: str) -> list[Witness]:
    """Return the witnesses among `members` and in the objects beside that describe the page, for `list_name`."""
    found = list(_in(members, list_name))
    for name, inner in _summaries(members):
        if name != list_name:
            inner_found = [one._replace(name=f"{name}.{one.name}") for one in _in(inner, list_name)]
            is_cost = name in _COSTS  # of the query, which may read more than it returns
            found += [one._replace(meaning=Meaning.MEASURE) if is_cost else one for one in inner_found]
    return found


def _summaries(members: Members) -> Iterator[tuple[str, Members]]:
    """Yield the objects among `members` that describe the records, with their names."""
    for name, inner in members.items():
        if name in SUMMARY_MEMBERS and isinstance(inner, dict):
            yield name, normalize_members(inner)


def _with_summaries(members: Members) -> Iterator[Members]:
    """Yield `members` and the objects among them that describe the records."""
    yield members
    yield from (summary for _, summary in _summaries(members))


def judge(witnesses: list[Witness], records: int, members: Members, *, is_page: bool, is_sum: bool) -> Verdict:
    """Compare a count, which may be the sum of several lists, with the witnesses; the most certain meaning decides."""
    if _is_sum(witnesses, records):
        return Verdict(Sign.WITNESS_AGREES, "*")
    lists = () if is_sum else [value for value in members.values() if isinstance(value, list)]
    lengths = set(map(length, lists)) - {records}
    verdict = _UNDECIDED
    is_missing = not records and not is_sum and not _is_behind_last(members)
    for witness in sorted(witnesses, key=lambda one: (-one.meaning, one.name)):
        if witness.number == records:
            return Verdict(Sign.WITNESS_AGREES, witness.name)
        is_larger = witness.number > records
        may_be_larger = witness.meaning is Meaning.TOTAL or (witness.meaning is Meaning.COUNT and is_page)
        may_be_larger = may_be_larger and not is_missing
        if not witness.number and members.get("limit") == 0:
            continue  # numbers that the server does not fill in
        if witness.meaning is Meaning.MEASURE or (is_larger and may_be_larger) or witness.number in lengths:
            continue
        if witness.meaning is Meaning.RETURNED or (is_missing and is_larger):
            return Verdict(Sign.WITNESS_DISAGREES, witness.name)
        if verdict.sign is not Sign.WITNESS_DISAGREES:
            verdict = Verdict(Sign.WITNESS_LARGER if is_larger else Sign.WITNESS_DISAGREES, witness.name)
    return verdict


def counts_rows(name: str) -> bool:
    return name in ROW_COUNT_MEMBERS or name.startswith(("rows", "records")) or name.endswith(("rows", "records"))


def _is_sum(witnesses: list[Witness], records: int) -> bool:
    """Return True if several numbers count the parts of the records: `table_count` and `view_count`."""
    parts = [one.number for one in witnesses if "count" in one.name]
    return len(parts) > 1 and sum(parts) == records


def _is_behind_last(members: Members) -> bool:
    """Return True if an object says that it is not the first page."""
    return any(
        type(value := inner.get(name)) is int and value > name.endswith(("page", "number"))
        for inner in _with_summaries(members)
        for name in _POSITIONS
    )


def is_page(members: Members, records: int) -> bool:
    """Return True if an object says that there are more records than it holds."""
    if records in _CAPS or any(
        isinstance(text := members.get(name), str) and _CUT.search(text[:200]) for name in _NOTES
    ):
        return True
    for inner in _with_summaries(members):
        if any(inner[name] not in (None, False, "", 0) for name in PAGE_MEMBERS & inner.keys()):
            return True
        if any(inner.get(name) == records for name in ("limit", "pagesize", "perpage", "maxresults")):
            return True
    return False


def _in(members: Members, list_name: str) -> Iterator[Witness]:
    numbers = [(name, _number(value)) for name, value in members.items() if type(value) in _NUMBERS]
    for name, number in sorted(numbers):
        if number is not None and (meaning := _meaning(name, list_name)) is not None:
            yield Witness(name, number, meaning)


def _number(value: Any) -> int | None:
    if type(value) is int:
        return value if value >= 0 else None
    is_decimal = type(value) is str and len(value) <= MAX_STATED_DIGITS and value.isascii() and value.isdecimal()
    return int(value) if is_decimal else None


@lru_cache(maxsize=4_096)
def _meaning(name: str, list_name: str) -> Meaning | None:
    """Return the meaning of a number under the normalized `name`, in an object with records under `list_name`."""
    if "page" in name and not list_name.startswith("page"):
        return None
    if name in MEASURES:
        return Meaning.MEASURE
    if name in RETURNED_COUNT_MEMBERS:
        return Meaning.RETURNED
    if name in TOTAL_MEMBERS:
        return Meaning.TOTAL
    if name in COUNT_MEMBERS or name in _BARE_NOUNS:
        return Meaning.COUNT
    noun, is_returned = _without(name, _RETURNED_WORDS)
    noun, is_total = _without(noun, _TOTAL_WORDS)
    noun = "" if noun in _TOTAL_WORDS else noun
    noun, is_count = _without(noun, _COUNT_WORDS)
    if not (is_count or is_returned or is_total):
        return None
    if not noun and not is_total and not (is_returned and is_count):
        return None
    if noun and not _is_in(noun, COUNTED_NOUNS | {list_name}):
        is_part = _is_in(noun, PART_NOUNS) and (list_name in COMMON_MEMBERS or not list_name)
        return None if not is_part else Meaning.RETURNED if is_returned else Meaning.MEASURE
    return Meaning.RETURNED if is_returned else Meaning.TOTAL if is_total else Meaning.COUNT


def _is_in(noun: str, nouns: frozenset[str]) -> bool:
    return not nouns.isdisjoint((noun, noun + "s", noun.removesuffix("s"), noun.removesuffix("es")))


def _without(name: str, words: tuple[str, ...]) -> tuple[str, bool]:
    """Return a name without the first of the words that it begins or ends with, and True if there is one."""
    for word in words:
        if name.startswith(word):
            return name.removeprefix(word), True
        if name.endswith(word):
            return name.removesuffix(word), True
    return name, False
