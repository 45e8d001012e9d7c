"""Signs for and against a count that the names of members give."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gateway.metering.confidence import Sign
from gateway.metering.json import maps
from gateway.metering.json.objects import Members, is_multiline
from gateway.metering.vocabulary.members import ERROR_MEMBERS, is_record_noun

_LINES = ("log", "output", "stdout")
"""Parts of the names of texts whose lines may be records."""


def of_map(value: dict[str, Any], known: frozenset[str]) -> tuple[Sign, ...]:
    """Return the signs for the members of an object as records; their names, or those one level below, may be data."""
    is_data = maps.is_map(value, known) or any(
        isinstance(one, dict) and maps.is_map(one, known) for one in value.values()
    )
    return (Sign.MAP, Sign.DATA_NAMES) if is_data else (Sign.MAP,)


def of_other_list(name: str, members: Members) -> Iterator[Sign]:
    """Yield the signs for a list under a name that only this server uses, which alone is in doubt."""
    yield Sign.OTHER_LIST
    if is_record_noun(name):
        yield Sign.RECORD_NOUN
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
