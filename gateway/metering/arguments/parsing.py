"""Finds the tables that the arguments of a call name.

- Tables come from SQL in any argument, from arguments whose name or description says that they name a table, and from
  stages of an aggregation pipeline that name another collection.
- The tables are exhaustive only if the arguments cannot reach any other. They are not with SQL that cannot be parsed,
  functions that may read anything, wildcards, names with further syntax, other texts that look like SQL, and more
  arguments than are read.
- Bounded: `MAX_ARGUMENT_STRINGS` strings, `MAX_ARGUMENT_LEVELS` levels.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.metering.arguments.declared_tables import DeclaredTables
from gateway.metering.sql import cache as sql_cache
from gateway.metering.queries.analysis import QueryAnalysis
from gateway.metering.table_names import MAX_TABLE_NAME
from gateway.metering.tool_declarations import ToolHints
from gateway.metering.vocabulary.arguments import (
    CONDITION_ARGUMENTS,
    FILE_ARGUMENTS,
    PIPELINE_STAGES,
    SQL_ARGUMENTS,
    WRITTEN_ARGUMENTS,
)
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import is_writing_tool

MAX_ARGUMENT_LEVELS = 6
"""Levels of nested objects and lists."""
MAX_ARGUMENT_STRINGS = 200
"""Strings among the arguments; later ones are ignored."""
_SCALARS = frozenset({int, float, bool, type(None)})
_CONTAINER_STARTS = ("{", "[")
_TEXTS = _SCALARS | {str}
_MIN_SQL = 6
"""Characters; a shorter text is not SQL."""

_SQL_START = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*[^*]{0,500}\*/)*(?:select\s|"
    r"with\s+(?:recursive\s+)?[\w\"`\[\]]+\s*(?:\([^)]{0,500}\)\s*)?as\b|insert\s+(?:or\s+\w+\s+)?into\s|"
    r"update\s+\S+\s+(?:as\s+\w+\s+)?set\s|delete\s+from\s|merge\s+into\s|replace\s+into\s|truncate\s+table\s|"
    r"(?:create|drop|alter)\s+(?:or\s+replace\s+|temp\s+|temporary\s+|unique\s+)*"
    r"(?:table|view|index|schema|database|materialized|function)\s)",
    re.IGNORECASE,
)
_STATEMENT_START = re.compile(
    r"(?:\s|--[^\n]*\n|/\*[^*]{0,500}\*/)*(?:explain|describe|desc|show|pragma|from|table|values|summarize|call|exec|"
    r"execute|copy|attach|pivot|use|set|begin|vacuum|grant|revoke|truncate)\b",
    re.IGNORECASE,
)
_TABLE_IN_EXPRESSION = re.compile(
    r"\(\s*(?:from|table)\s+[\w\"`]|\b(?:union|intersect|except)\s+(?:all\s+|distinct\s+)?\(?\s*(?:from|table|select|with)\s"
)
"""Queries without `SELECT … FROM` (`TABLE t`, `FROM t`) within an expression, in lower case."""
_WRITE_WORD = re.compile(
    r"\b(?:insert|update|delete|merge|replace|create|drop|alter|truncate|into|copy)\b", re.IGNORECASE
)


class ParsedArguments(msgspec.Struct, frozen=True):
    """The tables in the arguments of a call, and what its SQL says of the result."""

    tool: str
    tables_read: tuple[str, ...]
    tables_written: tuple[str, ...]
    tables_named: tuple[str, ...]
    """All tables: read, written or described."""
    is_exhaustive: bool
    """True if the arguments cannot reach a table outside `tables_named`."""
    returns_rows: bool | None
    """True if the SQL returns rows on success; `None` if there is no SQL or it is unknown."""
    is_plan: bool
    """True if the SQL asks for the plan of a statement (`EXPLAIN`)."""
    columns: tuple[str, ...] | None
    """Column names of the result of a single statement, if it names them."""
    has_one_column: bool
    """True if the result of a single statement has one column."""
    lists_names: bool
    """True if the SQL lists names of tables or databases (`SHOW TABLES`)."""
    files: tuple[str, ...]
    """Names of data files, without their folders."""
    strings: frozenset[str]
    """Short strings among the arguments; a member of the result that repeats one is not data."""


class _StringCollector:
    """Collects the strings among arguments, each with the normalized name of the argument that it is in or under."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.found: list[tuple[str, str]] = []
        self.is_complete = True
        self._add(arguments, "", "", 0)

    def _add(self, value: Any, name: str, parent: str, depth: int) -> None:
        if isinstance(value, str):
            self.found.append((PIPELINE_STAGES.get((parent, name), name), value))
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
    """Return the JSON object or array in a text, as some servers read it; `None` if there is none."""
    try:
        return json.loads(text) if len(text) <= sql_cache.MAX_SQL_CHARACTERS else None
    except (ValueError, RecursionError):
        return None


class _TableNames:
    """The tables in the arguments of one call, by the two ways in which arguments name them."""

    def __init__(self, tool: str, arguments: Mapping[str, Any], hints: ToolHints | None) -> None:
        self.strings = _StringCollector(arguments)
        statements, self.others = _split(self.strings.found)
        self.analyses = [sql_cache.analyze(text) for text in statements]
        self.known = [one for one in self.analyses if one is not None]
        table_arguments = hints.table_arguments if hints is not None else frozenset[str]()
        self.declared = DeclaredTables(tool, self.others, table_arguments)

    @property
    def named(self) -> tuple[str, ...]:
        declared = self.declared
        if not self.known and not declared.tables and not declared.possible:
            return ()
        in_sql = (tables for one in self.known for tables in (one.read, one.written, one.named))
        return tuple(sorted(declared.tables.union(declared.written, declared.possible, *in_sql)))

    @property
    def is_exhaustive(self) -> bool:
        return (
            self.strings.is_complete
            and self.declared.is_complete
            and all(one is not None and one.is_exhaustive for one in self.analyses)
            and not any(_may_hold_sql(name, value) for name, value in self.others)
        )

    def certain(self, tool: str) -> tuple[str, ...] | None:
        """Return `named` if it is all that the call can reach, else `None`."""
        if not self.is_exhaustive or (not self.named and is_writing_tool(tool)):
            return None
        return None if any(one.lists_names for one in self.known) else self.named


def named_tables(tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None) -> tuple[str, ...] | None:
    """Return `tables_named` of the parsed arguments if they are exhaustive, else `None`; cheaper than to parse them.

    `None` also for what lists names, and for a writing tool without a table: what it writes cannot be known.
    """
    return _TableNames(tool, arguments, hints).certain(tool)


def judged_tables(tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None) -> tuple[str, ...] | None:
    """Return `named_tables` of a call of SQL, or of a writing tool, whose result need not name them; else `None`."""
    names = _TableNames(tool, arguments, hints)
    return names.certain(tool) if names.analyses or names.declared.written else None


def may_write(tool: str, arguments: Mapping[str, Any]) -> bool:
    """Return False if the parsed arguments would have no `tables_written`; quick to tell for the usual call."""
    if is_writing_tool(tool):
        return True
    for name, value in arguments.items():
        if type(value) in _SCALARS:
            continue
        if type(value) is list and _TEXTS.issuperset(map(type, value)):
            value = " ".join(item for item in value if type(item) is str)
        if type(value) is not str or normalize_name(name) in WRITTEN_ARGUMENTS:
            return True
        if len(value) >= _MIN_SQL and _WRITE_WORD.search(value, 0, sql_cache.MAX_SQL_CHARACTERS):
            return True
    return False


def parse_arguments(tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None) -> ParsedArguments:
    """Parse the arguments of one call of `tool`; `hints` are from its declaration."""
    names = _TableNames(tool, arguments, hints)
    others, analyses, known, declared = names.others, names.analyses, names.known, names.declared
    read = declared.tables.difference(declared.written).union(*(one.read for one in known))
    return ParsedArguments(
        tool=tool,
        tables_read=tuple(sorted(read)),
        tables_written=tuple(sorted(declared.written.union(*(one.written for one in known)))),
        tables_named=names.named,
        is_exhaustive=names.is_exhaustive,
        returns_rows=_returns_rows(analyses),
        is_plan=bool(known) and all(one.is_plan for one in known),
        columns=known[0].columns if len(analyses) == 1 and known else None,
        has_one_column=len(analyses) == 1 and bool(known) and known[0].has_one_column,
        lists_names=bool(known) and all(one.lists_names for one in known),
        files=tuple(_files(others)),
        strings=frozenset(value for _, value in names.strings.found if len(value) <= MAX_TABLE_NAME),
    )


def sql_statements(arguments: Mapping[str, Any]) -> list[str]:
    """Return the strings in `arguments` that are SQL."""
    # Called for every call, and most arguments are a few scalars: collect them only if they are nested.
    found = []
    for name, value in arguments.items():
        if type(value) is str:
            if len(value) >= _MIN_SQL and looks_like_sql(normalize_name(name), value):
                found.append(value)
        elif type(value) not in _SCALARS:
            return _split(_StringCollector(arguments).found)[0]
    return found if len(arguments) <= MAX_ARGUMENT_STRINGS else _split(_StringCollector(arguments).found)[0]


def _split(strings: list[tuple[str, str]]) -> tuple[list[str], list[tuple[str, str]]]:
    statements: list[str] = []
    others: list[tuple[str, str]] = []
    for name, value in strings:
        if looks_like_sql(name, value):
            statements.append(value)
        else:
            others.append((name, value))
    return statements, others


def looks_like_sql(name: str, value: str) -> bool:
    """Return True if the argument `name` (normalized) holds SQL, judged by its first words or its name."""
    if len(value) < _MIN_SQL:
        return False
    # Most arguments are one word and no statement is: skip the regular expression.
    if not value.isalnum() and _SQL_START.match(value, 0, sql_cache.MAX_SQL_CHARACTERS):
        return True
    if "sql" in name:
        return True
    if name not in SQL_ARGUMENTS:
        return False
    return _STATEMENT_START.match(value, 0, sql_cache.MAX_SQL_CHARACTERS) is not None


_STAGE_NAMES = ("$lookup", "$graphlookup", "$unionwith", "$out", "$merge")


def _may_hold_sql(name: str, value: str) -> bool:
    """Return True if a text may be a statement or reach tables as part of one, or is a pipeline as text."""
    if len(value) > sql_cache.MAX_SQL_CHARACTERS:
        return True
    if len(value) < _MIN_SQL:
        # Too short to name a table, but a statement like `BEGIN` is executed all the same.
        is_sql = "sql" in name or (name in SQL_ARGUMENTS and _STATEMENT_START.match(value) is not None)
        return is_sql and not value.isspace() and value != ""
    text = value.lower()
    if ("select" in text and "from" in text) or ("$" in text and any(stage in text for stage in _STAGE_NAMES)):
        return True
    if name in CONDITION_ARGUMENTS and "(" in value:
        condition = sql_cache.analyze(f"SELECT 1 WHERE {value}")
        return condition is None or not condition.is_exhaustive or bool(condition.named)
    return _TABLE_IN_EXPRESSION.search(text) is not None


def _returns_rows(analyses: list[QueryAnalysis | None]) -> bool | None:
    values = {one.returns_rows if one is not None else None for one in analyses}
    return values.pop() if len(values) == 1 else None


_DATA_FILES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".tab", ".psv")


def _files(strings: list[tuple[str, str]]) -> Iterator[str]:
    for name, value in strings:
        if name in FILE_ARGUMENTS and value[-10:].lower().endswith(_DATA_FILES):
            yield value[-MAX_TABLE_NAME:].replace("\\", "/").rpartition("/")[2].lower()
