"""Counts records in maps: objects whose member names are data, such as dates, paths, cells or symbols.

`{"2024-01-02": {…}, "2024-01-03": {…}}` is two records; `{"Open": {"2024-01-02": 1}, "Close": {"2024-01-02": 2}}` is
one, by columns; `{"carrier": "AA", "name": "American"}` is not a map.
"""

from __future__ import annotations

import re
from typing import Any

from gateway.metering.json import columnar
from gateway.metering.json.objects import is_list_of_objects
from gateway.metering.json.structure.partial_values import UNREAD, length
from gateway.metering.vocabulary.members import COUNT_MEMBERS, PAGE_MEMBERS, RETURNED_COUNT_MEMBERS, TOTAL_MEMBERS
from gateway.metering.vocabulary.names import normalize_name, word_set

_DATA_NAME = re.compile(
    r"(?!\d+\.\s)[^\s]*[/\\@][^\s]*\Z|\d[\w:.+-]*\Z|[A-Z]{1,3}\d{1,7}\Z|[\w-]+\.(?:csv|json|xlsx?|parquet|txt|db)\Z"
)

_NUMBERS_OF_RESULTS = (
    COUNT_MEMBERS | RETURNED_COUNT_MEMBERS | TOTAL_MEMBERS | PAGE_MEMBERS | word_set("took time duration elapsed limit")
)
"""Members with numbers that are no terms."""


def count(value: dict[str, Any], known: frozenset[str]) -> int | None:
    """Count the records in a map; `None` if `value` is not one. `known` are names that are certainly data."""
    if is_map(value, known):
        return _count_entries(value)
    inner = [one for one in value.values() if isinstance(one, dict) and one]
    series = [one for one in inner if is_map(one, known)]
    if len(series) == 1 and len(inner) <= 2:
        name = next(name for name, one in value.items() if one is series[0])
        return None if is_data_name(name, known) else _count_entries(series[0])  # or an entry of a map itself
    if not series or len(series) != len(value):
        return len(value) if are_alike(value) else None
    if (rows := columnar.count_columns(value)) is not None:
        return rows
    return sum(_count_entries(one) or 0 for one in series)


def count_groups(value: dict[str, Any]) -> int | None:
    """Count the groups in numbers by term, or in several such maps by name; `None` if `value` is something else."""
    maps = list(value.values()) if holds_only_objects(value) else [value]
    if not value or not all(map(_is_tally, maps)):
        return None
    return sum(map(len, maps))


def _is_tally(value: dict[str, Any]) -> bool:
    """Return True if an object has numbers by term, and none that describe the result."""
    is_numbers = all(type(number) is int and number >= 0 for number in value.values())
    is_numbers = is_numbers and not any(name.lower() == "id" or name.endswith(("_id", "Id")) for name in value)
    return is_numbers and _NUMBERS_OF_RESULTS.isdisjoint(map(normalize_name, value))


def is_map(value: dict[str, Any], known: frozenset[str]) -> bool:
    """Return True if all member names are data."""
    if not value or UNREAD in value.values():
        return False
    if len(value) == 1 and _holds_list(next(iter(value.values()))):
        known = frozenset()  # the name of one result
    return all(is_data_name(name, known) for name in value)


def _holds_list(value: Any) -> bool:
    return isinstance(value, dict) and any(map(is_list_of_objects, value.values()))


def is_data_name(name: str, known: frozenset[str] = frozenset()) -> bool:
    """Return True if the name of a member is data."""
    return name in known or _DATA_NAME.match(name[:200]) is not None


def holds_only_objects(value: dict[str, Any]) -> bool:
    """Return True if all members are objects."""
    return all(isinstance(one, dict) for one in value.values())


def are_of_one_type(value: dict[str, Any]) -> bool:
    """Return True if all members are objects, texts or numbers."""
    types = set(map(type, value.values()))
    return (types <= {int, float} and bool(types)) or types in ({dict}, {str})


def _count_entries(value: dict[str, Any]) -> int | None:
    values = list(value.values())
    if all(isinstance(one, list) for one in values) and not all(map(_is_list_of_fields, values)):
        return sum(map(length, values))
    return len(value)


def _is_list_of_fields(values: list[Any]) -> bool:
    """Return True if a list holds the names and values of one entry: `[["port", "Brno"], ["berth", "7"]]`."""
    return bool(values) and all(isinstance(one, list) and len(one) == 2 and isinstance(one[0], str) for one in values)


def are_alike(value: dict[str, Any]) -> bool:
    """Return True if there are three or more members, all objects with the same members: records under their keys."""
    values = list(value.values())
    if len(values) < 3 or not all(isinstance(one, dict) and len(one) > 1 for one in values):
        return False
    return all(one.keys() == values[0].keys() for one in values)
