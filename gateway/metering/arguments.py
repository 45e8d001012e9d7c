"""The tables that the arguments of a call name.

Rules:
- Tables come from SQL, wherever in the arguments it is, and from arguments whose name says that they name a table.
- For access control, `named_tables` answers `None` where the arguments may reach a table that it cannot see: SQL that
  does not parse, functions that may read anything, wildcards, more arguments than are looked at.
- Bounded: `MAX_LEAVES` strings, `MAX_DEPTH` levels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.metering import names, sql
from gateway.metering.metered import plain_table
from gateway.metering.sql import SqlFacts

MAX_DEPTH = 4
MAX_LEAVES = 200
MAX_NAME = 256
"""Characters of a table's name; what is longer is no name."""

_SQL_START = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*[^*]{0,500}\*/)*(?:select\s|with\s+(?:recursive\s+)?[\w\"`\[\]]+\s*(?:\([^)]{0,500}\)\s*)?as\b|insert\s+(?:or\s+\w+\s+)?into\s|"
    r"update\s+\S+\s+(?:as\s+\w+\s+)?set\s|delete\s+from\s|merge\s+into\s|replace\s+into\s|truncate\s+table\s|"
    r"(?:create|drop|alter)\s+(?:or\s+replace\s+|temp\s+|temporary\s+|unique\s+)*"
    r"(?:table|view|index|schema|database|materialized|function)\s)",
    re.IGNORECASE,
)
_STATEMENT_START = re.compile(
    r"(?:\s|--[^\n]*\n|/\*[^*]{0,500}\*/)*(?:explain|describe|desc|show|pragma|from|table|values|summarize|call|exec|execute|copy|"
    r"attach|pivot|use|set|begin|vacuum|grant|revoke|truncate)\b",
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
    columns: tuple[str, ...] | None
    files: tuple[str, ...]
    """Names of data files, without their folders."""
    values: frozenset[str]
    """Strings among the arguments: a result that repeats them says nothing new."""


def read_request(tool: str, arguments: Mapping[str, Any]) -> Request:
    """Reads the arguments of one call of `tool`."""
    leaves = list(_leaves(arguments))
    certain = len(leaves) <= MAX_LEAVES
    statements, others = _split(leaves[:MAX_LEAVES])
    found = [sql.facts(text) for text in statements]
    known = [facts for facts in found if facts is not None]
    certain = certain and len(known) == len(found) and all(facts.certain for facts in known)
    tables, is_whole = _declared(others)
    certain = certain and is_whole and not any(_may_hold_sql(value) for _, value in others)
    written = set(tables) if names.is_writing(tool) else set()
    written.update(name for facts in known for name in facts.written)
    read = {name for facts in known for name in facts.read} | (set(tables) - written)
    return Request(
        tool=tool,
        read=tuple(sorted(read)),
        named=tuple(sorted(read.union(tables, *(facts.named for facts in known)))),
        certain=certain,
        returns_rows=_returns_rows(found),
        columns=known[0].columns if len(found) == 1 and known else None,
        files=tuple(_files(others)),
        values=frozenset(value for _, value in leaves if len(value) <= MAX_NAME),
    )


def statements_in(arguments: Mapping[str, Any]) -> list[str]:
    """The texts in `arguments` that are SQL."""
    return _split(list(_leaves(arguments))[:MAX_LEAVES])[0]


def _leaves(value: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The strings in `value`, each with the plain name of the argument that it is in or under."""
    if isinstance(value, str):
        yield name, value
    elif depth < MAX_DEPTH and isinstance(value, Mapping):
        for count, (key, inner) in enumerate(value.items()):
            if count > MAX_LEAVES:
                return
            yield from _leaves(inner, names.plain(str(key)), depth + 1)
    elif depth < MAX_DEPTH and isinstance(value, list | tuple):
        for inner in value[: MAX_LEAVES + 1]:
            yield from _leaves(inner, name, depth + 1)


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
    if len(value) < 6:
        return False
    if _SQL_START.match(value, 0, sql.MAX_SQL):
        return True
    if "sql" in name:
        return True
    return name in names.SQL_ARGUMENTS and _STATEMENT_START.match(value, 0, sql.MAX_SQL) is not None


def _may_hold_sql(value: str) -> bool:
    if len(value) > sql.MAX_SQL:
        return True
    text = value.lower()
    return "select" in text and "from" in text


def _returns_rows(found: list[SqlFacts | None]) -> bool | None:
    answers = {facts.returns_rows if facts is not None else None for facts in found}
    return answers.pop() if len(answers) == 1 else None


_NO_NAME = frozenset(("", "*", "%", "all", "none", "null"))


def _declared(leaves: list[tuple[str, str]]) -> tuple[tuple[str, ...], bool]:
    """Tables that arguments name outright, and whether there is no wildcard among them."""
    values = dict(leaves)
    schema = next((values[name] for name in names.SCHEMA_ARGUMENTS if values.get(name)), "")
    tables: list[str] = []
    is_whole = True
    for name, value in leaves:
        if name in names.TABLE_ARGUMENTS or (name in names.OBJECT_ARGUMENTS and _is_table(values, schema)):
            text = value.strip()
            if text.lower() in _NO_NAME or len(text) > MAX_NAME or "*" in text or "%" in text:
                is_whole = False
                continue
            tables.append(_qualified(text, schema if "sheet" not in name and name != "index" else ""))
        elif name in ("range", "ranges") and "!" in value[:MAX_NAME]:
            tables.append(plain_table(value.rpartition("!")[0]))
    return tuple(tables), is_whole


def _is_table(values: dict[str, str], schema: str) -> bool:
    kind = values.get("objecttype", values.get("type", "")).lower()
    return any(word in kind for word in ("table", "view")) or (not kind and bool(schema))


def _qualified(name: str, schema: str) -> str:
    text = plain_table(name)
    return text if not schema or "." in text else f"{plain_table(schema)}.{text}"


_DATA_FILES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx", ".xls", ".tab", ".psv")


def _files(leaves: list[tuple[str, str]]) -> Iterator[str]:
    for name, value in leaves:
        if name in names.FILE_ARGUMENTS and value[-10:].lower().endswith(_DATA_FILES):
            yield value[-MAX_NAME:].replace("\\", "/").rpartition("/")[2].lower()
