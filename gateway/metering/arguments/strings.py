"""Collects the strings among the arguments of a call.

Bounded: `MAX_ARGUMENT_STRINGS` strings, `MAX_ARGUMENT_LEVELS` levels.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from gateway.metering.sql.cache import MAX_SQL_CHARACTERS
from gateway.metering.vocabulary.arguments import MEMBER_ARGUMENTS, STAGE_ARGUMENTS
from gateway.metering.vocabulary.names import normalize_name

MAX_ARGUMENT_LEVELS = 6
"""Levels of nested objects and lists."""
MAX_ARGUMENT_STRINGS = 200
"""Strings among the arguments; later ones are ignored."""
SCALARS = frozenset({int, float, bool, type(None)})
_CONTAINER_STARTS = ("{", "[")


class StringCollector:
    """Collects the strings among arguments, each with the normalized name of the argument that it is in or under."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.found: list[tuple[str, str]] = []
        self.is_complete = True
        self._add(arguments, "", "", 0)

    def _add(self, value: Any, name: str, parent: str, depth: int) -> None:
        if isinstance(value, str):
            self.found.append((MEMBER_ARGUMENTS.get((parent, name)) or STAGE_ARGUMENTS.get(name, name), value))
            if value.lstrip()[:1] in _CONTAINER_STARTS and (inner := _parse_container(value)) is not None:
                self._add_bounded(inner, name, parent, depth)
        elif not isinstance(value, Mapping | list | tuple):
            return
        elif depth == MAX_ARGUMENT_LEVELS or len(value) > MAX_ARGUMENT_STRINGS:
            self.is_complete = False
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                self._add_bounded(inner, normalize_name(str(key)), name, depth)
        else:
            for inner in value:
                self._add_bounded(inner, name, parent, depth)

    def _add_bounded(self, value: Any, name: str, parent: str, depth: int) -> None:
        if len(self.found) < MAX_ARGUMENT_STRINGS:
            self._add(value, name, parent, depth + 1)
        else:
            self.is_complete = False


def _parse_container(text: str) -> Any:
    """Return the JSON object or array in a text, or a list of those in its lines; `None` if there is none."""
    if len(text) > MAX_SQL_CHARACTERS:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        lines = text.split("\n") if "}\n" in text or "}\r\n" in text else []
        return [json.loads(line) for line in lines if line.strip()] or None
    except (ValueError, RecursionError):
        return None
