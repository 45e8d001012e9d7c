"""Collects the strings among the arguments of a call.

Bounded: `MAX_ARGUMENT_STRINGS` strings, `MAX_ARGUMENT_CHARACTERS` characters, `MAX_ARGUMENT_LEVELS` levels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.metering.arguments.joined_tables import is_source_name, is_watched
from gateway.metering.sql.cache import MAX_SQL_CHARACTERS
from gateway.metering.table_names import MAX_TABLE_NAME
from gateway.metering.vocabulary.arguments import KEYED_ARGUMENTS, MEMBER_ARGUMENTS, STAGE_ARGUMENTS
from gateway.metering.vocabulary.names import normalize_name

MAX_ARGUMENT_LEVELS = 6
"""Levels of nested objects and lists."""
MAX_ARGUMENT_STRINGS = 200
"""Strings among the arguments; later ones are ignored."""
MAX_OPTIONS = 8
"""Members of an object below these levels, if they are words that name no source."""
MAX_ARGUMENT_CHARACTERS = 64 * 1024
"""Characters of all strings, each up to the length of a statement; later strings are ignored."""
SCALARS = frozenset({int, float, bool, type(None)})
_CONTAINER_STARTS = ("{", "[")


class StringCollector:
    """Collects the strings among arguments, each with the normalized name of the argument that it is in or under.

    `watched` are the values, also others than strings, of names that may bring in another table, with the name of the
    argument around them. `containers` are the texts that are JSON objects or arrays.
    """

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.found: list[tuple[str, str]] = []
        self.watched: list[tuple[str, str, Any]] = []
        self.containers: set[str] = set()
        self.is_complete = True
        self._characters = 0
        self._add(arguments, "", "", 0)

    def _add(self, value: Any, name: str, parent: str, depth: int) -> None:
        if isinstance(value, str):
            self._characters += min(len(value), MAX_SQL_CHARACTERS)
            if self._characters > MAX_ARGUMENT_CHARACTERS:
                self.is_complete = False
                return
            self.found.append((MEMBER_ARGUMENTS.get((parent, name)) or STAGE_ARGUMENTS.get(name, name), value))
            if (inner := parse_container(value)) is not None:
                self.containers.add(value)
                self._add_bounded(inner, name, parent, depth)
        elif type(value) in SCALARS or not isinstance(value, (dict, list, tuple, Mapping)):
            return
        elif depth == MAX_ARGUMENT_LEVELS or len(value) > MAX_ARGUMENT_STRINGS:
            self.is_complete = self.is_complete and _is_of_options(name, value)
        elif isinstance(value, (list, tuple)):
            for inner in value:
                self._add_bounded(inner, name, parent, depth)
        else:
            kind = KEYED_ARGUMENTS.get(name)
            for key, inner in value.items():
                member = normalize_name(str(key))
                if kind is not None and isinstance(inner, (Mapping, list)):
                    self._add_bounded(str(key), kind, "", depth)
                if is_watched(member):
                    is_read = isinstance(inner, str) and self._characters <= MAX_ARGUMENT_CHARACTERS
                    read = parse_container(inner) if is_read else None
                    self.watched.append((name, member, inner if read is None else read))
                self._add_bounded(inner, member, name, depth)

    def _add_bounded(self, value: Any, name: str, parent: str, depth: int) -> None:
        if len(self.found) < MAX_ARGUMENT_STRINGS:
            self._add(value, name, parent, depth + 1)
        else:
            self.is_complete = False


def _is_of_options(parent: str, value: Any) -> bool:
    """Return True for an object of a few words and numbers, none of which names a source: `{"field": "price"}`."""
    if _may_name_source(parent) or not isinstance(value, dict) or len(value) > MAX_OPTIONS:
        return False
    members = [(normalize_name(str(key)), one) for key, one in value.items()]
    return all(
        (type(one) in SCALARS or _is_word(one))
        and not _may_name_source(name)
        and (parent, name) not in MEMBER_ARGUMENTS
        for name, one in members
    )


def _may_name_source(name: str) -> bool:
    return name[:1] == "$" or name in KEYED_ARGUMENTS or is_watched(name) or is_source_name(name)


def _is_word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= MAX_TABLE_NAME and value.replace(".", "_").isidentifier()


def parse_container(text: str) -> Any:
    """Return the JSON object or array in a text, or a list of those in its lines; `None` if there is none."""
    if len(text) > MAX_SQL_CHARACTERS or text.lstrip()[:1] not in _CONTAINER_STARTS:
        return None
    try:
        return json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        pass
    try:
        lines = text.split("\n") if "}\n" in text or "}\r\n" in text else []
        lines = lines if len(lines) <= MAX_ARGUMENT_STRINGS else []
        return [json.loads(line, object_pairs_hook=_object) for line in lines if line.strip()] or None
    except (ValueError, RecursionError):
        return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; of a member that is repeated, servers may read either value."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError
    return members
