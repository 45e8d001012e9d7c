"""The tables that the arguments of a call name.

Rules:
- Tables come from SQL, wherever in the arguments it is, from arguments whose name says that they name a table, and
  from the stages of an aggregation pipeline that name another collection.
- A request is `certain` only where its arguments cannot reach a table that is not seen in them. What makes it
  uncertain: SQL that does not parse, functions that may read anything, wildcards, names that are more than a name,
  other texts that look like SQL, more arguments than are looked at.
- Bounded: `MAX_LEAVES` strings, `MAX_DEPTH` levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.metering import names
from gateway.metering.metered import plain_table
from gateway.metering.sql import facts
from gateway.metering.sql.facts import SqlFacts
from gateway.metering.tools import ToolHints

MAX_DEPTH = 6
MAX_LEAVES = 200
"""Strings among the arguments; those after them are not looked at."""
MAX_NAME = 256
"""Characters of a table's name; what is longer is no name."""
_PLAIN = frozenset({int, float, bool, type(None)})
_MIN_SQL = 6
"""Characters; what is shorter is no statement."""

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


class Request(msgspec.Struct, frozen=True):
    """What the arguments of a call tell."""

    tool: str
    read: tuple[str, ...]
    named: tuple[str, ...]
    certain: bool
    """Whether `named` is all that the call can reach, as far as its arguments tell."""
    returns_rows: bool | None
    """From SQL: whether a success returns rows; `None` where there is no SQL or it is not known."""
    is_plan: bool
    """Whether the call asks for the plan of a statement."""
    columns: tuple[str, ...] | None
    one_column: bool
    """Whether the result of the one statement has one column."""
    lists_names: bool
    """Whether SQL asks for the names of tables or the like."""
    files: tuple[str, ...]
    """Names of data files, without their folders."""
    values: frozenset[str]
    """Strings among the arguments: a result that repeats them says nothing new."""


class _Leaves:
    """The strings among arguments, each with the plain name of the argument that it is in or under."""

    def __init__(self, arguments: Mapping[str, Any]) -> None:
        self.found: list[tuple[str, str]] = []
        self.is_whole = True
        self._add(arguments, "", "", 0)

    def _add(self, value: Any, name: str, parent: str, depth: int) -> None:
        if isinstance(value, str):
            self.found.append((names.STAGES.get((parent, name), name), value))
        elif not isinstance(value, Mapping | list | tuple):
            return
        elif depth == MAX_DEPTH or len(value) > MAX_LEAVES:
            self.is_whole = False
        elif isinstance(value, Mapping):
            for key, inner in value.items():
                self._add_bounded(inner, names.plain(str(key)), name, depth)
        else:
            for inner in value:
                self._add_bounded(inner, name, parent, depth)

    def _add_bounded(self, value: Any, name: str, parent: str, depth: int) -> None:
        if len(self.found) < MAX_LEAVES:
            self._add(value, name, parent, depth + 1)
        else:
            self.is_whole = False


def read_request(tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None) -> Request:
    """Reads the arguments of one call of `tool`, with what its declaration tells."""
    leaves = _Leaves(arguments)
    statements, others = _split(leaves.found)
    found = [facts.facts(text) for text in statements]
    known = [facts for facts in found if facts is not None]
    declared = _Declared(tool, others, hints.table_arguments if hints is not None else frozenset())
    written = declared.written.union(*(facts.written for facts in known))
    read = declared.tables.difference(declared.written).union(*(facts.read for facts in known))
    return Request(
        tool=tool,
        read=tuple(sorted(read)),
        named=tuple(sorted(read.union(written, declared.possible, *(facts.named for facts in known)))),
        certain=leaves.is_whole
        and declared.is_whole
        and all(facts is not None and facts.certain for facts in found)
        and not any(_may_hold_sql(value) for _, value in others),
        returns_rows=_returns_rows(found),
        is_plan=bool(known) and all(facts.is_plan for facts in known),
        columns=known[0].columns if len(found) == 1 and known else None,
        one_column=len(found) == 1 and bool(known) and known[0].one_column,
        lists_names=bool(known) and all(facts.lists_names for facts in known),
        files=tuple(_files(others)),
        values=frozenset(value for _, value in leaves.found if len(value) <= MAX_NAME),
    )


def statements_in(arguments: Mapping[str, Any]) -> list[str]:
    """The texts in `arguments` that are SQL."""
    # Every call comes by here, and most arguments are a few plain values.
    found = []
    for name, value in arguments.items():
        if type(value) is str:
            if len(value) >= _MIN_SQL and is_sql(names.plain(name), value):
                found.append(value)
        elif type(value) not in _PLAIN:
            return _split(_Leaves(arguments).found)[0]
    return found if len(arguments) <= MAX_LEAVES else _split(_Leaves(arguments).found)[0]


def _split(leaves: list[tuple[str, str]]) -> tuple[list[str], list[tuple[str, str]]]:
    statements: list[str] = []
    others: list[tuple[str, str]] = []
    for name, value in leaves:
        if is_sql(name, value):
            statements.append(value)
        else:
            others.append((name, value))
    return statements, others


def is_sql(name: str, value: str) -> bool:
    """Whether the argument `name` (plain) with `value` is SQL, by how it begins or what it is called."""
    if len(value) < _MIN_SQL:
        return False
    # No statement of these is one word, and most arguments are.
    if not value.isalnum() and _SQL_START.match(value, 0, facts.MAX_SQL):
        return True
    if "sql" in name:
        return True
    return name in names.SQL_ARGUMENTS and _STATEMENT_START.match(value, 0, facts.MAX_SQL) is not None


_STAGES = ("$lookup", "$graphlookup", "$unionwith", "$out", "$merge")


def _may_hold_sql(value: str) -> bool:
    """Whether a text may be part of SQL, or an aggregation pipeline that is written as text."""
    if len(value) > facts.MAX_SQL:
        return True
    text = value.lower()
    return ("select" in text and "from" in text) or ("$" in text and any(stage in text for stage in _STAGES))


def _returns_rows(found: list[SqlFacts | None]) -> bool | None:
    answers = {facts.returns_rows if facts is not None else None for facts in found}
    return answers.pop() if len(answers) == 1 else None


_NO_NAME = frozenset(("", "*", "%", "all", "none", "null"))
_CELLS = re.compile(r"[A-Z]{1,3}\d{0,7}(?::[A-Z]{1,3}\d{0,7})?\Z", re.IGNORECASE)
_NAME = re.compile(r"[\w$.\-\"`\[\]]+\Z")


class _Declared:
    """The tables that arguments name outright, and whether that is all they can name."""

    def __init__(self, tool: str, leaves: list[tuple[str, str]], table_arguments: frozenset[str]) -> None:
        self.tables: set[str] = set()
        self.written: set[str] = set()
        self.possible: set[str] = set()
        self.is_whole = True
        self._values = dict(leaves)
        self._schema = next((self._values[name] for name in names.SCHEMA_ARGUMENTS if self._values.get(name)), "")
        self._writes = names.is_writing(tool)
        has_table = any(name in names.TABLE_ARGUMENTS for name, _ in leaves)
        has_other = any(
            name in names.TABLE_ARGUMENTS - names.INDEX_ARGUMENTS | names.SHEET_ARGUMENTS for name, _ in leaves
        )
        for name, value in leaves:
            if name in names.INDEX_ARGUMENTS and has_other:
                self.possible.add(plain_table(value[:MAX_NAME]))  # most likely one of the table
            elif name in names.SHEET_ARGUMENTS:
                self._add(name, value)
            elif (
                name in names.TABLE_ARGUMENTS
                or name in table_arguments
                or (name in names.OBJECT_ARGUMENTS and self._is_table())
            ):
                for part in value[: 64 * MAX_NAME].split(","):
                    self._add(name, part)
            elif name in names.DATASET_ARGUMENTS and not has_table and "tables" not in names.words(tool):
                self._add(name, value)
            elif name in names.RANGE_ARGUMENTS and (sheet := self._sheet(value)):
                self._add("sheet", sheet)

    def _add(self, name: str, value: str) -> None:
        text = value.strip()
        is_sheet = name in names.SHEET_ARGUMENTS
        if text.lower() in _NO_NAME or len(text) > MAX_NAME or text.isdecimal():
            self.is_whole = False
            return
        if not is_sheet and not _NAME.match(text):
            self.is_whole = False
            if "*" in text or "%" in text:
                return
        table = plain_table(text)
        if self._schema and "." not in table and name not in names.UNQUALIFIED_ARGUMENTS:
            table = f"{plain_table(self._schema)}.{table}"
        self.tables.add(table)
        if (self._writes and name not in names.SOURCE_ARGUMENTS) or name in names.WRITTEN_ARGUMENTS:
            self.written.add(table)

    def _sheet(self, reference: str) -> str:
        """The sheet in a reference such as `Orders!A1:B5`; in a call for a spreadsheet it may also be without cells."""
        if len(reference) > MAX_NAME or "!" in reference:
            return reference[:MAX_NAME].rpartition("!")[0]
        is_name = _CELLS.match(reference) is None and any(name.startswith("spreadsheet") for name in self._values)
        return reference if is_name else ""

    def _is_table(self) -> bool:
        kind = self._values.get("objecttype", self._values.get("type", "")).lower()
        return any(word in kind for word in ("table", "view")) or (not kind and bool(self._schema))


_DATA_FILES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".tab", ".psv")


def _files(leaves: list[tuple[str, str]]) -> Iterator[str]:
    for name, value in leaves:
        if name in names.FILE_ARGUMENTS and value[-10:].lower().endswith(_DATA_FILES):
            yield value[-MAX_NAME:].replace("\\", "/").rpartition("/")[2].lower()
