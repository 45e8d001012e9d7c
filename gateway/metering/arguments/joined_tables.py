"""Arguments that, beside a table, bring in another: by their name, or as a handle of a query.

- Arguments such as `join`, `union`, `from` and `second_table` name tables.
- Arguments such as `expand`, `include` and `populate` name relations, whose tables are not known.
- A handle, such as `scroll_id`, stands for a query that the server knows, of any table.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Set
from functools import lru_cache
from typing import Any

from gateway.metering.vocabulary.arguments import (
    DATASET_ARGUMENTS,
    FILTER_ARGUMENTS,
    HANDLE_ARGUMENTS,
    JOIN_MEMBERS,
    JOINED_MEMBERS,
    QUERY_HANDLE_ARGUMENTS,
    QUERY_PAGE_ARGUMENTS,
    QUERY_TOOL_WORDS,
    RELATION_ARGUMENTS,
    RELATION_PARTS,
    RESULT_PARTS,
    ROW_ARGUMENTS,
    SHEET_ARGUMENTS,
    SOURCE_STAGES,
    TABLE_ARGUMENTS,
    TABLE_ENDINGS,
)
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import is_writing_tool, tool_words

MAX_JOIN_LEVELS = 4
"""Levels of lists and objects in an argument with joined tables."""
MAX_JOINED = 20
"""Elements of each of them."""

_JOINING = re.compile(
    r"(?:inner|left|right|outer|full|cross|semi|anti|natural|sql|graph)?(?:join|union|lookup|intersect|mergewith|subquery)"
    r"(?:all|with|to|from)?(?:table|collection|sheet|source|dataset|view|clause|query|spec|config)?(?:name|id)?s?\Z"
)
_ANOTHER_TABLE = re.compile(
    r"\w{0,40}(?:table|collection)s?(?:[abc]|\d{1,2})?\Z|materializedview(?:name)?\Z"
    r"|(?:source|dest|destination|other|second|another|lookup|foreign|left|right)index(?:name)?\Z"
)
_KNOWN = TABLE_ARGUMENTS | SHEET_ARGUMENTS | DATASET_ARGUMENTS
_HANDLES = HANDLE_ARGUMENTS | QUERY_HANDLE_ARGUMENTS | QUERY_PAGE_ARGUMENTS
NOT_SOURCE = re.compile(
    r"[-+]?\d{1,20}(?:[.:]\d{1,9})?(?:ms|[smhdwMyQ])?\Z"
    r"|\d{4}[-/.]\d\d?(?:[-/.]\d\d?)?(?:[T ][\d:.]{1,20}(?:Z|[+-][\d:]{1,6})?)?\Z"
    r"|now(?:[-+/]\w{1,9}){0,4}\Z|\d{1,4} [a-z]{3,8} ago\Z|[^\s@]{1,64}@[^\s@]{1,200}\Z"
)
"""A number, a time, or an address of mail."""
_CELL = re.compile(r"[A-Z]{1,3}\d{1,7}(?::[A-Z]{1,3}\d{0,7})?\Z", re.IGNORECASE)
_COLUMNS = re.compile(r"[\w\s.,=<>!\"`*$-]*\Z")


@lru_cache(maxsize=2_048)
def is_watched(name: str) -> bool:
    """Return True if an argument (normalized name) may bring in a table that is named nowhere else."""
    return name in RELATION_ARGUMENTS or name in _HANDLES or name == "from" or _names_another(name)


def is_source_name(name: str) -> bool:
    """Return True if an argument (normalized name) names a table, a sheet or a data set."""
    return name in _KNOWN or name.endswith(TABLE_ENDINGS)


def _names_another(name: str) -> bool:
    if is_source_name(name):
        return False
    return _JOINING.match(name) is not None or _ANOTHER_TABLE.match(name) is not None


def is_column(tool: str, parent: str) -> bool:
    """Return True if the members of an argument are columns: of a filter, or of a row to write."""
    is_operator = parent[:1] == "$" and parent not in SOURCE_STAGES
    return is_operator or parent in FILTER_ARGUMENTS or (parent in ROW_ARGUMENTS and is_writing_tool(tool))


def is_handle(tool: str, name: str, *, has_query: bool) -> bool:
    """Return True if an argument stands for a query that the server knows; `has_query` if there is another one."""
    if name in QUERY_PAGE_ARGUMENTS:
        return has_query
    is_of_tool = name in QUERY_HANDLE_ARGUMENTS and not QUERY_TOOL_WORDS.isdisjoint(tool_words(tool))
    return name in HANDLE_ARGUMENTS or is_of_tool


class JoinedTables:
    """The tables that watched arguments bring in; `is_complete` is False if they may bring in others."""

    def __init__(self, tool: str, watched: Iterable[tuple[str, str, Any]], names: Set[str]) -> None:
        self.tables: set[str] = set()
        self.is_complete = True
        self._has_sheet = not SHEET_ARGUMENTS.isdisjoint(names)
        for parent, name, value in watched:
            if name in _HANDLES or not value or (is_column(tool, parent) and not _JOINING.match(name)):
                continue
            if name in RELATION_ARGUMENTS:
                self.is_complete = self.is_complete and _are_parts(value)
            elif name != "from" or not self._is_other(value):
                self._read(value, 0)

    def _is_other(self, value: Any) -> bool:
        """Return True if a value of `from` is the beginning of a range, or a sender."""
        if isinstance(value, int | float):
            return True
        if not isinstance(value, str):
            return False
        return NOT_SOURCE.match(value) is not None or (self._has_sheet and _CELL.match(value) is not None)

    def _read(self, value: Any, depth: int) -> None:
        if isinstance(value, str):
            self.tables.update(part.strip() for part in value.split(","))
        elif depth == MAX_JOIN_LEVELS or not isinstance(value, dict | list | tuple) or len(value) > MAX_JOINED:
            self.is_complete = False
        elif isinstance(value, dict):
            for name, inner in value.items():
                member = normalize_name(str(name))
                if member in JOIN_MEMBERS:
                    self.is_complete = self.is_complete and all(map(_COLUMNS.match, _texts(inner, depth)))
                elif member in JOINED_MEMBERS:
                    self._read(inner, depth + 1)
                else:
                    self.is_complete = False
        else:
            for inner in value:
                self._read(inner, depth + 1)


def _are_parts(value: Any) -> bool:
    """Return True for the parts of a vector store's results that `include` selects."""
    listed = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else [""]
    words = {one.strip().lower() if isinstance(one, str) else "" for one in listed}
    return words <= RESULT_PARTS and not words.isdisjoint(RELATION_PARTS)


def _texts(value: Any, depth: int) -> Iterable[str]:
    """Yield the strings in a value, or one that is no column if it is nested too deeply."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list | tuple):
        if depth == MAX_JOIN_LEVELS or len(value) > MAX_JOINED:
            yield "("
            return
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner, depth + 1)
