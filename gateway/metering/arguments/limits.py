"""The arguments of a call that tell its result in advance: the largest number of records, ids, objects to write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any

from gateway.metering.table_names import MAX_TABLE_NAME
from gateway.metering.vocabulary.arguments import ID_ENDINGS, LIMIT_ARGUMENTS, REQUEST_PATH_ARGUMENTS
from gateway.metering.vocabulary.names import normalize_name

_PATH_END = 400
"""Characters at the end of a path in which an id is sought."""
MAX_LIMIT_ARGUMENTS = 64
"""Arguments that are read."""

_PATH_ARGUMENTS = (*REQUEST_PATH_ARGUMENTS, "resource")
_PATH_ID = re.compile(r"/([\w-]{0,60}\d[\w-]{0,60})(?:\.json)?/?(?:\?.{0,2000})?\Z")
_SQL_LIMIT = re.compile(r"\blimit\s+(\d{1,9})\s*;?\s*\Z")
_SQL_END = 64
"""Characters at the end of a statement in which its limit is sought."""


def largest_result(arguments: Mapping[str, Any]) -> int | None:
    """Return the number of records that a call asks for at most; `None` if it sets no limit, or several."""
    found = set()
    for name, value in islice(arguments.items(), MAX_LIMIT_ARGUMENTS):
        if type(value) is int:
            if value > 0 and normalize_name(name) in LIMIT_ARGUMENTS:
                found.add(value)
        elif type(value) is str and (number := _sql_limit(value)) is not None:
            found.add(number)
    return found.pop() if len(found) == 1 else None


def _sql_limit(text: str) -> int | None:
    """Return the limit at the end of a single statement."""
    end = text[-_SQL_END:].lower()
    match = _SQL_LIMIT.search(end) if "limit" in end and ";" not in text[:-1] else None
    return int(match.group(1)) if match is not None else None


def ids(arguments: Mapping[str, Any]) -> frozenset[str]:
    """Return the values of the arguments that identify one entity each."""
    found = [
        value
        for name, value in islice(arguments.items(), MAX_LIMIT_ARGUMENTS)
        if type(value) in (int, str) and normalize_name(name).endswith(ID_ENDINGS)
    ]
    return frozenset([str(value)[:MAX_TABLE_NAME] for value in found])


def path_ids(arguments: Mapping[str, Any]) -> frozenset[str]:
    """Return the ids at the ends of the paths and URIs among the arguments: `17` of `/v1/boats/17`."""
    paths = [arguments[name] for name in _PATH_ARGUMENTS if name in arguments]
    matches = [_PATH_ID.search(path[-_PATH_END:]) for path in paths if isinstance(path, str)]
    return frozenset([match.group(1) for match in matches if match is not None])


def gives_objects(arguments: Mapping[str, Any]) -> bool:
    """Return True if an argument is a list of objects, or the JSON text of one."""
    return any(map(_is_list_of_objects, islice(arguments.values(), MAX_LIMIT_ARGUMENTS)))


def _is_list_of_objects(value: Any) -> bool:
    if isinstance(value, str):
        return value[:2] == "[{" or (value[:1] == "[" and value[1:20].lstrip()[:1] == "{")
    return isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
