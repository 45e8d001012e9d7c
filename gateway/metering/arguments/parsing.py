"""Finds the tables that the arguments of a call name.

- Tables come from SQL in any argument, from queries in other languages, from arguments whose name or description says
  that they name a table, and from stages of an aggregation pipeline that name another collection.
- The tables are exhaustive only if the arguments cannot reach any other. They are not with a query that is not
  understood, functions that may read anything, wildcards, names with further syntax, other texts that look like SQL,
  and more arguments than are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from typing import Any

import msgspec

from gateway.metering.arguments import limits, rest_requests
from gateway.metering.arguments.declared_tables import DeclaredTables
from gateway.metering.arguments.joined_tables import JoinedTables, is_column, is_handle
from gateway.metering.arguments.source_texts import continues_query, is_formula, leaves_sheet, names_source
from gateway.metering.arguments.statements import Statements, may_hold_sql
from gateway.metering.arguments.strings import (
    StringCollector,
)
from gateway.metering.queries.analysis import QueryAnalysis
from gateway.metering.table_names import MAX_TABLE_NAME
from gateway.metering.tool_declarations import ToolHints
from gateway.metering.vocabulary.arguments import (
    ENTITY_PATH_ARGUMENTS,
    FILE_ARGUMENTS,
    OPERATION_ARGUMENTS,
    PROSE_ARGUMENTS,
    SHEET_ARGUMENTS,
    SOURCE_PARENTS,
)
from gateway.metering.vocabulary.tools import is_writing_tool, performed_tool

MAX_OPERATION = 40
"""Characters of the operation that a call asks a tool for."""

_SELECTED_MEMBERS = ("fields", "columns", "properties", "attributes", "select")
"""Endings of arguments with the names of the members that the result is to have."""
_ENTITY_PATH = re.compile(r"\b[A-Za-z_]\w{0,62}/[A-Za-z_$]")


class ParsedArguments(msgspec.Struct, frozen=True):
    """The tables in the arguments of a call, and what its query says of the result."""

    tool: str
    tables_read: tuple[str, ...]
    tables_written: tuple[str, ...]
    tables_named: tuple[str, ...]
    """All tables: read, written or described."""
    returns_rows: bool | None
    """True if the query returns rows on success, False for a write; `None` if there is none or it is unknown."""
    is_plan: bool
    """True if the query asks for the plan of a statement (`EXPLAIN`)."""
    columns: tuple[str, ...] | None
    """Column names of the result of a single statement, if it names them."""
    has_one_column: bool
    """True if the result of a single statement has one column."""
    lists_names: bool
    """True if the query lists names of tables or databases (`SHOW TABLES`)."""
    files: tuple[str, ...]
    """Names of data files, without their folders."""
    languages: tuple[str, ...]
    """The languages of queries other than SQL."""
    strings: frozenset[str]
    """Short strings among the arguments, without names of fields; a member of the result that repeats one is not data,
    and a member with such a name is the entry of a map."""
    gives_objects: bool
    """True if an argument is a list of objects, which the tool may write."""
    ids: frozenset[str]
    """The values of the arguments that identify one entity each."""
    path_ids: frozenset[str]
    """The last parts of paths and URIs among the arguments, if they look like the id of an entity."""


class _TableNames:
    """The tables in the arguments of one call, by the two ways in which arguments name them."""

    def __init__(self, tool: str, arguments: Mapping[str, Any], hints: ToolHints | None) -> None:
        self.strings = StringCollector(arguments)
        statements = Statements(tool, self.strings.found, hints.query_languages if hints is not None else ())
        self.analyses, self.others = statements.analyses, statements.others
        self.languages = tuple(sorted(statements.languages))
        self.known = [one for one in self.analyses if one is not None]
        table_arguments = hints.table_arguments if hints is not None else frozenset[str]()
        self.declared = DeclaredTables(tool, self.others, table_arguments)
        if any(one.named for one in self.known):
            self.declared.take_datasets_for_schemas()
        self._may_extend = statements.may_extend
        self._tool = tool
        self._has_table = bool(self.named)
        names = {name for name, _ in self.others}
        self._has_collection = "collection" in names
        self._has_sheet = not SHEET_ARGUMENTS.isdisjoint(names)
        if self._has_table:
            self.declared.add_joined(JoinedTables(tool, self.strings.watched, names))
        elif not self.analyses and (sources := self._sources_of_queries(names)):
            self.declared.add_joined(JoinedTables(tool, sources, names))

    @property
    def named(self) -> tuple[str, ...]:
        declared = self.declared
        if not self.known and not declared.tables and not declared.possible:
            return ()
        in_sql = (tables for one in self.known for tables in (one.read, one.written, one.named))
        return tuple(sorted(declared.tables.union(declared.written, declared.possible, *in_sql)))

    def _sources_of_queries(self, names: Set[str]) -> list[tuple[str, str, Any]]:
        """Return the arguments `from` of queries that are written as objects, such as `{select: […], from: …}`."""
        return [
            (parent, name, value)
            for parent, name, value in self.strings.watched
            if name == "from" and (parent in SOURCE_PARENTS or "select" in names)
        ]

    @property
    def is_exhaustive(self) -> bool:
        return (
            self.strings.is_complete
            and self.declared.is_complete
            and all(one is not None and one.is_exhaustive for one in self.analyses)
            and not any(self._may_reach_more(name, value) for name, value in self.others)
            and not self._has_handle
        )

    @property
    def _has_handle(self) -> bool:
        has_query = bool(self.analyses)
        return any(
            is_handle(self._tool, name, has_query=has_query)
            and not is_column(self._tool, parent)
            and not (parent == "query" and self._has_collection)  # a filter
            for parent, name, value in self.strings.watched
            if value not in (None, "", False)
        )

    def _may_reach_more(self, name: str, value: str) -> bool:
        """Return True if a string that is no query may reach a table that nothing names."""
        if may_hold_sql(name, value):
            return True
        if value in self.strings.containers:
            return False
        is_prose = name in PROSE_ARGUMENTS and is_writing_tool(self._tool)
        if names_source(value, is_prose=is_prose) or self._may_extend(value):
            return True
        if not is_prose and rest_requests.is_request_text(value):
            return True
        if self._has_sheet and ("formula" in name or is_formula(value)) and leaves_sheet(value):
            return True
        return self._has_table and (
            continues_query(value)
            or rest_requests.holds_options(value)
            or (name in ENTITY_PATH_ARGUMENTS and _ENTITY_PATH.search(value) is not None)
        )

    @property
    def certain(self) -> tuple[str, ...] | None:
        """`named` if it is all that the call can reach, else `None`."""
        if not self.is_exhaustive or any(one.lists_names for one in self.known):
            return None
        named = self.named
        return named if named or not is_writing_tool(self._tool) else None


def tables_in_arguments(
    tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None
) -> tuple[str, ...] | None:
    """Return the tables that a call's arguments name, to read, write or describe; for access control before the call.

    `None` if the arguments may reach a table that is not visible in them, such as SQL that cannot be parsed or that
    lists names, and if a tool writes to none that is. An empty tuple if they name none; the tables are then known from
    the result, if at all. Cheaper than `parse_arguments`.
    """
    return _TableNames(tool, arguments, hints).certain


def names_all_tables(tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None) -> bool:
    """Return True if the arguments cannot reach a table outside `tables_named` of the parsed arguments."""
    return _TableNames(tool, arguments, hints).is_exhaustive


def reachable_tables(tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None) -> tuple[str, ...] | None:
    """Return all tables that a call with SQL, or of a writing tool, can reach: its result need not name them.

    `None` for other calls, and if the arguments may reach a table that is not visible in them.
    """
    names = _TableNames(tool, arguments, hints)
    return names.certain if names.analyses or names.declared.written else None


def parse_arguments(tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None) -> ParsedArguments:
    """Parse the arguments of one call of `tool`; `hints` are from its declaration."""
    names = _TableNames(tool, arguments, hints)
    others, analyses, known, declared = names.others, names.analyses, names.known, names.declared
    read, written = declared.tables - declared.written, declared.written.copy()
    for one in known:
        read.update(one.read)
        written.update(one.written)
    return ParsedArguments(
        tool=_performed_tool(tool, declared.values),
        tables_read=tuple(sorted(read)),
        tables_written=tuple(sorted(written)),
        tables_named=names.named,
        returns_rows=False if not analyses and rest_requests.is_write(declared.values) else _returns_rows(analyses),
        is_plan=bool(known) and all(one.is_plan for one in known),
        columns=known[0].columns if len(analyses) == 1 and known else None,
        has_one_column=len(analyses) == 1 and bool(known) and known[0].has_one_column,
        lists_names=bool(known) and all(one.lists_names for one in known),
        files=() if rest_requests.is_request(tool) else tuple(_files(others)),
        languages=names.languages,
        strings=frozenset(
            [
                part
                for name, value in names.strings.found
                if len(value) <= MAX_TABLE_NAME and not name.endswith(_SELECTED_MEMBERS)
                for part in ((value,) if "," not in value else (value, *map(str.strip, value.split(","))))
            ]
        ),
        gives_objects=limits.gives_objects(arguments),
        ids=limits.ids(arguments),
        path_ids=limits.path_ids(arguments),
    )


def _performed_tool(tool: str, values: Mapping[str, str]) -> str:
    """Return the tool's name with the operation that the arguments ask for."""
    if OPERATION_ARGUMENTS.isdisjoint(values):
        return tool
    return performed_tool(tool, values[min(OPERATION_ARGUMENTS & values.keys())][:MAX_OPERATION])


def _returns_rows(analyses: list[QueryAnalysis | None]) -> bool | None:
    if not analyses:
        return None
    values = {one.returns_rows if one is not None else None for one in analyses}
    return values.pop() if len(values) == 1 else None


_WEB = ("http://", "https://")
"""Beginnings of the addresses of pages, which are no files of the server."""
_DATA_FILES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".tab", ".psv")


def _files(strings: list[tuple[str, str]]) -> Iterator[str]:
    for name, value in strings:
        is_data = name in FILE_ARGUMENTS and not value.startswith(_WEB)
        if is_data and value[-10:].lower().endswith(_DATA_FILES):
            yield value[-MAX_TABLE_NAME:].replace("\\", "/").rpartition("/")[2].lower()
