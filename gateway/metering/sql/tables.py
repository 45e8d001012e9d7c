"""Finds the tables that SQL reads and writes, with `sqlglot`.

Only this module and those that it imports use `sqlglot`. They are imported with the first statement, and its logger is
disabled.

The dialect is unknown: several are tried. Statements that `sqlglot` does not parse (`EXPLAIN`, `SHOW`, `DESCRIBE`,
`PRAGMA`) are read by regular expressions.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from functools import partial

import msgspec
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from gateway.metering.queries.analysis import QueryAnalysis
from gateway.metering.sql import functions
from gateway.metering.sql.macros import expand, has_macros, without_placeholders
from gateway.metering.sql.name_scopes import is_cte, is_cte_everywhere, possible_tables
from gateway.metering.sql.nodes import Nodes
from gateway.metering.table_names import normalize_table

logging.getLogger("sqlglot").disabled = True  # it logs statements, which may contain secrets

MAX_SQL_TABLES = 200
"""Tables; a text with more has no analysis."""

_DIALECTS = ("postgres", "duckdb", "mysql", "tsql", "bigquery", "snowflake", "clickhouse")
_BACKTICK_DIALECTS = ("mysql", "bigquery", "clickhouse", "sqlite")
_COMMENT = re.compile(r"\s*(?:--[^\n]*(?:\n|\Z)|/\*(?!!)[^*]*\*+(?:[^/*][^*]*\*+)*/|;)?")
_NAME = r"(?:[`\"\[]?[\w$#-]+[`\"\]]?\.){0,3}[`\"\[]?[\w$#-]+[`\"\]]?"
_DESCRIBE = re.compile(
    rf"(?:describe|desc)\s+(?:table\s+|view\s+|extended\s+|formatted\s+)?({_NAME})\s*;?\s*\Z", re.IGNORECASE
)
_SHOW = re.compile(
    r"show\s+(?:full\s+|extended\s+)*(?:columns|fields|index|indexes|keys|create\s+(?:table|view))\s+"
    rf"(?:(?:from|in)\s+)?(?:table\s+)?({_NAME})(?:\s+(?:from|in)\s+({_NAME}))?",
    re.IGNORECASE,
)
_PRAGMA = re.compile(
    r"pragma\s+(?:(\w+)\.)?(?:table_info|table_xinfo|table_list|index_list|foreign_key_list|show)\s*"
    rf"[(=]\s*['\"]?({_NAME})['\"]?\s*\)?\s*;?\s*\Z",
    re.IGNORECASE,
)
_EXPLAIN = re.compile(
    r"explain\s*(?:\([^)]{0,200}\)|(?:query\s+plan|analyze|verbose|extended|format\s*=\s*\w+|\s)*)", re.IGNORECASE
)
_SELECT_FIRST = re.compile(r"\A(?:sel\s+(?=\S)|select\s+(?:(?:first|skip)\s+\d{1,9}\s+){1,2})", re.IGNORECASE)
"""The beginning of a query of Teradata, or of Firebird and Informix, that the dialects do not have."""
_ONE_STATEMENT = re.compile(r"(?:show|pragma)\s+[\w.]+[^;]*;?\s*\Z", re.IGNORECASE)
_LISTING = re.compile(
    r"(?:show\s+(?:full\s+)?(?:tables|databases|schemas|views)|pragma\s+(?:database_list|table_list))"
    r"(?:\s+(?:from|in|like)\s+[\w'`\"%]+)?\s*;?\s*\Z",
    re.IGNORECASE,
)
_AMBIGUOUS = re.compile(r"\\|/\*!|/\*[^*]*/\*|#|\[|\$\w*\$|--\S|\bq'", re.IGNORECASE)
"""Escapes, executable or nested comments, and brackets: syntax that engines read differently."""
_COMPARED_DIALECTS = ("postgres", "mysql", "tsql", "duckdb")

for _name in functions.DIALECTS:
    sqlglot.parse("SELECT 1", dialect=_name)  # builds its tokenizer now instead of during a call


def parse(sql: str, tries: int) -> QueryAnalysis | None:
    """Analyze `sql`; `None` if none of the first `tries` dialects parses it, or its effect is unknown."""
    if has_macros(sql):
        expanded = parse(expand(sql), tries)
        return None if expanded is None else without_placeholders(expanded)
    text = _without_leading_comments(sql)
    word = text[:8].lower()
    if word.startswith("explain"):
        return _parse_explain(text, tries)
    if word.startswith(("desc", "show", "pragma")):
        return _parse_metadata_statement(text, tries)
    if word.startswith("replace "):
        text = "insert " + text[8:]
    text = _SELECT_FIRST.sub("select ", text, 1)
    order = _BACKTICK_DIALECTS if "`" in text else _DIALECTS
    found = next((one for dialect in order[:tries] if (one := _parse_as(text, dialect)) is not None), None)
    if found is None or not found.is_exhaustive or not _AMBIGUOUS.search(text):
        return found
    can_compare = tries > len(_COMPARED_DIALECTS) and "/*!" not in text
    if can_compare and all(map(partial(_agrees, text, found), _COMPARED_DIALECTS)):
        return found
    return msgspec.structs.replace(found, is_exhaustive=False)


def _agrees(text: str, found: QueryAnalysis, dialect: str) -> bool:
    """Return True if the dialect finds the same tables in the text, or cannot parse it."""
    other = _parse_as(text, dialect)
    return other is None or (other.named == found.named and other.is_exhaustive)


def _without_leading_comments(sql: str) -> str:
    at = 0
    while (match := _COMMENT.match(sql, at)) and match.end() > at:
        at = match.end()
    return sql[at:]


def _parse_explain(text: str, tries: int) -> QueryAnalysis | None:
    match = _EXPLAIN.match(text)
    if match is None or match.end() == len(text) or (inner := parse(text[match.end() :], tries)) is None:
        return None
    plan = _plan_of(inner)
    # With ANALYZE, the statement is executed.
    return msgspec.structs.replace(plan, written=inner.written) if "analyze" in match[0].lower() else plan


def _parse_metadata_statement(text: str, tries: int) -> QueryAnalysis | None:
    if (match := _DESCRIBE.match(text)) or (match := _SHOW.match(text)):
        owner = match.group(2) if match.re is _SHOW else None
        name = normalize_table(f"{owner}.{match.group(1)}" if owner else match.group(1))
        return _description_of(name)
    if match := _PRAGMA.match(text):
        name = normalize_table(match.group(2))
        return _description_of(name)
    if match := re.match(r"(?:describe|desc)\s+(?=select|with)", text, re.IGNORECASE):
        inner = parse(text[match.end() :], tries)
        return None if inner is None else _plan_of(inner)
    if not _ONE_STATEMENT.match(text):
        return None
    is_listing = _LISTING.match(text) is not None
    return QueryAnalysis((), (), (), returns_rows=True, is_exhaustive=is_listing, lists_names=is_listing)


def _plan_of(inner: QueryAnalysis) -> QueryAnalysis:
    return QueryAnalysis((), (), inner.named, returns_rows=True, is_exhaustive=inner.is_exhaustive, is_plan=True)


def _description_of(table: str) -> QueryAnalysis:
    return QueryAnalysis((table,), (), (table,), returns_rows=True, is_exhaustive=True)


def _parse_as(sql: str, dialect: str) -> QueryAnalysis | None:
    try:
        parsed = sqlglot.parse(sql, dialect=dialect)
        statements = [one for one in parsed if one is not None and not isinstance(one, exp.Semicolon)]
        if not statements or not all(isinstance(one, _STATEMENTS) for one in statements):
            return None
        return _analyze(statements)
    except (SqlglotError, RecursionError, ValueError, TypeError, AttributeError, KeyError, IndexError):
        return None  # `sqlglot` raises errors of any type on malformed input


_ROWS = (exp.Query, exp.Values, exp.Summarize, exp.Pivot, exp.Describe, exp.Show, exp.Table)
_WRITES = (exp.Insert, exp.Update, exp.Delete, exp.Merge)
_CHANGES = (exp.Create, exp.Drop, exp.Alter, exp.TruncateTable, exp.Copy, exp.MultitableInserts)
_SESSION = (exp.Set, exp.Use, exp.Transaction, exp.Commit, exp.Rollback)
_STATEMENTS = (*_ROWS, *_WRITES, *_CHANGES, *_SESSION)


def _analyze(statements: list[exp.Expr]) -> QueryAnalysis | None:
    read: set[str] = set()
    written: set[str] = set()
    possible: set[str] = set()
    is_exhaustive = True
    rows: set[bool] = set()
    for statement in statements:
        nodes = Nodes(statement)
        rows.add(_returns_rows(statement, nodes))
        is_exhaustive = is_exhaustive and not _reaches_more(statement, nodes)
        if isinstance(statement, _SESSION):
            continue
        targets, returned = _targets(nodes)
        for table in nodes.of(exp.Table):
            if _is_misread(table):
                return None
            names = _names(table)
            is_exhaustive = is_exhaustive and names is not None
            if not names or is_cte(table):
                possible.update(names if names and not is_cte_everywhere(table) else ())
                continue
            is_target = id(table) in targets
            written.update(names if is_target else ())
            read.update(names if not is_target or id(table) in returned else ())
        possible.update(possible_tables(nodes))
        is_exhaustive = is_exhaustive and functions.are_known(nodes)
    if len(read) + len(written) > MAX_SQL_TABLES:
        return None
    columns = _columns(statements[0]) if len(statements) == 1 else None
    return QueryAnalysis(
        tuple(sorted(read)),
        tuple(sorted(written)),
        tuple(sorted(read | written | possible)),
        returns_rows=True in rows,
        is_exhaustive=is_exhaustive,
        columns=columns,
        has_one_column=len(statements) == 1 and _has_one_column(statements[0]),
    )


_CONNECTIONS = frozenset({"CONNECTION", "UNION", "DATA_DIRECTORY"})
"""Properties of a created table that make it another name of others."""
_TABLE_KINDS = frozenset({"TABLE", "VIEW", "INDEX"})


def _reaches_more(statement: exp.Expr, nodes: Nodes) -> bool:
    """Return True if a statement reaches more than the tables that it names.

    It changes the meaning of names in later statements, reads or writes files, or changes dependent tables, or objects
    other than tables.
    """
    if isinstance(statement, exp.Set | exp.Use | exp.Copy) or nodes.has(exp.LocationProperty):
        return True
    if any(str(one.this).upper() in _CONNECTIONS for one in nodes.of(exp.Property)):
        return True
    if isinstance(statement, exp.Create | exp.Drop | exp.Alter) and str(statement.args.get("kind")) not in _TABLE_KINDS:
        return True
    return "CASCADE" in (str(statement.args.get("option")).upper(), "CASCADE" if statement.args.get("cascade") else "")


def _returns_rows(statement: exp.Expr, nodes: Nodes) -> bool:
    if isinstance(statement, _WRITES):
        return bool(statement.args.get("returning"))
    return isinstance(statement, _ROWS) and not nodes.has(exp.Into)


def _targets(nodes: Nodes) -> tuple[set[int], set[int]]:
    """Return the ids of the nodes of tables that are written, and of those whose rows are returned (`RETURNING`)."""
    targets: set[int] = set()
    returned: set[int] = set()
    for node in nodes.of(*_WRITES, *_CHANGES, exp.Into):
        listed = [*node.args.get("tables", ()), *node.expressions] if isinstance(node, _DROPPING) else []
        if isinstance(node, exp.Delete):
            listed = list(node.args.get("tables") or ())
        tables = [table for one in [node.this, *listed] for table in _target_tables(one)]
        if isinstance(node, exp.Copy) and not node.args.get("kind"):
            continue  # `COPY … TO` reads the table
        targets.update(map(id, tables))
        if node.args.get("returning"):
            returned.update(map(id, tables))
    return targets, returned


_DROPPING = (exp.Drop, exp.TruncateTable)


def _target_tables(node: object) -> Iterator[exp.Table]:
    if isinstance(node, exp.Schema | exp.Index):
        inner = node.this if isinstance(node, exp.Schema) else node.args.get("table")
        yield from _target_tables(inner)
    elif isinstance(node, exp.Table):
        yield node


def _names(table: exp.Table) -> tuple[str, ...] | None:
    """Return a table's name or the files that a table function reads; `None` for a function that may read anything."""
    if isinstance(table.this, exp.Identifier):
        return (".".join(part.name for part in table.parts).lower(),)
    function = table.this
    name = functions.name_of(function)
    if name.lower() == "table" and len(function.expressions) == 1:  # `TABLE(f(x))`
        function = function.expressions[0]
        name = functions.name_of(function)
        return () if functions.generates_rows(name) else None
    if functions.reads_files(name):
        files = function.this if isinstance(function.this, exp.Expr) else next(iter(function.expressions), None)
        literals = () if files is None else files.find_all(exp.Literal)
        return tuple(one.name.lower() for one in literals if one.is_string)
    return () if functions.generates_rows(name) else None


def _is_misread(table: exp.Table) -> bool:
    """Return True if the dialect does not know the syntax, and parsed it as an alias.

    That may be a call of a function with column aliases, or `table@link` of another database.
    """
    alias = table.args.get("alias")
    if not isinstance(alias, exp.TableAlias):
        return False
    return bool(alias.columns) if alias.this is None else not isinstance(alias.this, exp.Identifier)


def _has_one_column(statement: exp.Expr) -> bool:
    selects = statement.selects if isinstance(statement, exp.Query) else []
    return len(selects) == 1 and not selects[0].is_star


def _columns(statement: exp.Expr) -> tuple[str, ...] | None:
    if not isinstance(statement, exp.Query):
        return None
    names = tuple(one.alias_or_name.lower() for one in statement.selects)
    return names if names and all(name and name != "*" for name in names) else None
