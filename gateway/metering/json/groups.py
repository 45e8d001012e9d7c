"""Counts the records in a list of groups: objects that only surround the lists of records in them.

- Result sets, and pages that state a number of their records: `[{"hits": [{…}, {…}], "nbHits": 57}]`.
- Results of several requests, each with the values of its request: `[{"url": "…", "data": [1, 2]}]`.
- Groups of what the tool lists: `[{"schema": "sales", "tables": [{…}, {…}]}]` of `list_tables`.

An object with an id is a record, whatever lists it has.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

from gateway.metering.arguments import ParsedArguments
from gateway.metering.confidence import Sign
from gateway.metering.json import witnesses
from gateway.metering.json.objects import (
    IDS,
    ONLY_RESULTS,
    ROW_LISTS,
    WRAPPER_MEMBERS,
    Members,
    are_messages,
    normalize_members,
)
from gateway.metering.json.structure.partial_values import length
from gateway.metering.json.witnesses import Meaning
from gateway.metering.metering_result import UNKNOWN_COUNT, Count, counted
from gateway.metering.table_names import MAX_TABLE_NAME
from gateway.metering.vocabulary.members import ROW_MEMBERS, describes_records
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import is_returned_by, tool_words

_LABELS = frozenset(("stream", "labels", "group"))
_ONLY_GROUPS = ("buckets", "lines")
"""Lists that only groups have, whatever labels the groups have."""
_LISTS = (*ROW_LISTS, *_ONLY_GROUPS, "matches", "entries", "logs", "events")
MAX_GROUPS = 200
"""Groups whose records are added up."""
_EXAMINED = 4
"""Objects of a list that are examined for a list of records in each."""
_MAX_MEMBERS = 12
"""Members of an object that may be only a group."""
_RESULTS = ONLY_RESULTS | {"data", "result"}
_MAX_LABELS = 2
"""Members, except truth values and the usual ones of results, with which an object only labels a group."""
_IDENTITY = IDS | {"name", "title"}


def is_result_set(members: Members) -> bool:
    """Return True if an object is a set of rows, as opposed to a row with a list in it."""
    lists = [name for name in _LISTS if isinstance(members.get(name), list)]
    if not lists:
        return isinstance(members.get("hits"), dict) and members.keys() <= WRAPPER_MEMBERS | {"hits", "shards"}
    others = members.keys() - WRAPPER_MEMBERS - _LABELS - set(lists)
    if "columns" in members or not others:
        return True
    if len(lists) > 1:
        return False
    is_group = lists[0] in _ONLY_GROUPS and not any(isinstance(members[one], list) for one in others)
    return is_group or (lists[0] in ONLY_RESULTS and _is_page(members, lists[0]))


def _is_page(members: Members, name: str) -> bool:
    """Return True if an object states how many records it has, and describes itself by numbers and nothing else."""
    others = _values_beside(members, name)
    is_plain = _IDENTITY.isdisjoint(members) and all(type(value) in (int, float, bool) for value in others)
    return is_plain and any(one.meaning >= Meaning.TOTAL for one in witnesses.find(members, name))


def _values_beside(members: Members, name: str) -> list[Any]:
    """Return the values beside the list under `name`, without those of members that surround any list."""
    return [value for other, value in members.items() if other != name and other not in WRAPPER_MEMBERS]


def lists_in_groups(values: list[Any]) -> tuple[str, int] | None:
    """Return the name and the length of all lists in a list of groups; `None` if they do not have one list each."""
    total, names = 0, set()
    for one in values:
        lists = [name for name, inner in one.items() if isinstance(inner, list)] if isinstance(one, dict) else []
        if len(lists) != 1:
            return None
        total += length(one[lists[0]])
        names.add(lists[0])
    return (names.pop(), total) if len(names) == 1 else None


def stated_groups(members: Members, list_name: str) -> tuple[str, int, str] | None:
    """Return the name and the length of all lists in the groups under `list_name` if a member states that length.

    The third is the name of that member.
    """
    values = members.get(list_name)
    if not isinstance(values, list) or length(values) != len(values) or describes_records(list_name):
        return None
    if (groups := lists_in_groups(values)) is None:
        return None
    name, total = groups
    stated = witnesses.find(members, normalize_name(name))
    witness = next((one for one in stated if one.number == total and one.meaning >= Meaning.TOTAL), None)
    return None if witness is None else (name, total, witness.name)


def may_be_groups(values: list[Any], tool: str) -> bool:
    """Return True if objects without an id have little beside a list of objects, which may be the records.

    False if it makes no difference, because each has one; if an object states another number; and if the tool lists
    what the objects name: `{"port": "Brno", "boats": […]}` of `list_ports`.
    """
    if len(values[0]) > _MAX_MEMBERS or not [one for one in values[0].values() if isinstance(one, list)]:
        return False
    groups = [normalize_members(one) for one in values[:_EXAMINED] if isinstance(one, dict)]
    names = {name for group in groups for name, inner in group.items() if _may_be_records(name, inner)}
    if len(names) != 1 or any(not IDS.isdisjoint(group) for group in groups):
        return False
    name = names.pop()
    most = _MAX_LABELS if name in _RESULTS else 1
    if any(sum(type(one) is not bool for one in _values_beside(group, name)) > most for group in groups):
        return False
    lists = [(group, length(group[name])) for group in groups if isinstance(group.get(name), list)]
    if not any(total != 1 for _, total in lists) or any(f"{one}s" in tool_words(tool) for one in groups[0]):
        return False
    return not any(one.number != total for group, total in lists for one in witnesses.find(group, name))


def _may_be_records(name: str, value: Any) -> bool:
    """Return True if a member is a list of objects or rows, as opposed to columns or the points of a series."""
    if not isinstance(value, list) or not value or (describes_records(name) and not are_messages(name, value)):
        return False
    first = value[0]
    is_point = isinstance(first, list) and len(first) == 2 and isinstance(first[0], int | float)
    return isinstance(first, dict | list) and not is_point


def count(values: list[Any], arguments: ParsedArguments, method: str) -> Count | None:
    """Count the records in the results of several requests, or in groups of what the tool lists.

    `None` if the objects in the list are records themselves.
    """
    lists = [name for name, inner in values[0].items() if isinstance(inner, list)]
    if len(lists) != 1 or arguments.returns_rows is not None:
        return None
    name = normalize_name(lists[0])
    is_named = is_returned_by(name, arguments.tool)
    if not (is_named or arguments.gives_objects) or not IDS.isdisjoint(normalize_members(values[0])):
        return None
    groups = [normalize_members(one) for one in values[:MAX_GROUPS] if isinstance(one, dict)]
    kinds = {type(one) for one in _firsts(groups, name)}
    if float in kinds:
        return None  # vectors
    if not (is_named or _are_requested(groups, name, arguments)):
        return None
    if is_named and (kind := _levels(groups, name)) is not _Levels.GROUPS:
        return None if kind is _Levels.TREE else UNKNOWN_COUNT
    if not is_named and kinds == {int}:
        return UNKNOWN_COUNT  # values, or vectors
    found = lists_in_groups(values) if length(values) == len(values) == len(groups) else None
    if found is None:
        return UNKNOWN_COUNT
    signs = (Sign.NAMED_LIST if is_named else Sign.COMMON_LIST, Sign.GROUPS)
    return counted(found[1], method, (), signs).under(lists[0]).under("*")


def _firsts(groups: list[Members], name: str) -> list[Any]:
    """Return the first elements of the lists under `name`."""
    return [one for group in groups if isinstance(inner := group.get(name), list) for one in inner[:1]]


def _are_requested(groups: list[Members], name: str, arguments: ParsedArguments) -> bool:
    """Return True if each object is the result of a request of its own, and is about nothing else."""
    is_result = name.endswith(tuple(ONLY_RESULTS))
    repeated = set()
    for group in groups:
        others = _values_beside(group, name)
        is_of_objects = all(isinstance(one, dict) for one in _firsts([group], name))
        texts = [one for one in others if not (is_of_objects and isinstance(one, int | float | None))]
        echoes = [one for one in texts if isinstance(one, str) and one in arguments.strings]
        if not _IDENTITY.isdisjoint(group) or any(map(_is_content, texts)):
            return False
        if not (echoes and name in ROW_MEMBERS) and (texts or not is_result):
            return False
        repeated.add(tuple(sorted(echoes)))
    return len(repeated) == len(groups) or repeated == {()}


def _is_content(value: Any) -> bool:
    """Return True if a value is more than a word about the way in which a request was made, or an address."""
    return not isinstance(value, str) or " " in value or len(value) > MAX_TABLE_NAME


class _Levels(Enum):
    """The relation of the objects of a list to those in their lists."""

    GROUPS = auto()
    TREE = auto()
    UNDECIDED = auto()


def _levels(groups: list[Members], name: str) -> _Levels:
    """Return the relation of objects to those in their lists under `name`."""
    outer = groups[0].keys() - WRAPPER_MEMBERS - {name}
    inner = _firsts(groups, name)
    kinds = [set(map(normalize_name, one)) for one in inner if isinstance(one, dict)]
    labels = [one for one in outer if type(groups[0][one]) is not bool]
    if len(labels) > _MAX_LABELS or any(name in kind for kind in kinds):
        return _Levels.TREE
    is_named_place = len(labels) > 1 and not _IDENTITY.isdisjoint(labels)
    may_be_alike = any(outer <= kind for kind in kinds) if kinds else is_named_place or not inner
    return _Levels.UNDECIDED if outer and may_be_alike else _Levels.GROUPS
