"""The result of analyzing a statement or query, in SQL or in another language, and the collector of its tables."""

from __future__ import annotations

import msgspec

from gateway.metering.queries.lexer import reads_alike
from gateway.metering.table_names import MAX_TABLE_NAME

MAX_QUERY_TABLES = 200
"""Tables; a query with more has no analysis."""

_EVERYTHING = frozenset(("", "*", "_all", "%"))
_NOT_PLAIN = frozenset("*%?\\\"'`[]{}<>$,")
"""Characters of wildcards, escapes, quotes and variables: such a name may stand for another table."""


class QueryAnalysis(msgspec.Struct, frozen=True):
    """The tables and the result of a text of one or more statements."""

    read: tuple[str, ...]
    written: tuple[str, ...]
    named: tuple[str, ...]
    """All tables: read, written, described or explained."""
    returns_rows: bool | None
    """True if it returns rows on success; `None` if unknown."""
    is_exhaustive: bool
    """True if it cannot reach a table outside `named`: it calls no unknown function and all engines read it alike."""
    is_plan: bool = False
    """True if it asks for the plan of a statement (`EXPLAIN`)."""
    columns: tuple[str, ...] | None = None
    """Column names of the result, if the text names them."""
    has_one_column: bool = False
    """True if the result has one column, whatever its name."""
    lists_names: bool = False
    """True if it lists names of tables or databases (`SHOW TABLES`)."""


class Sources:
    """The tables that a query reads, writes or may reach."""

    def __init__(self, text: str) -> None:
        self.read: set[str] = set()
        self.written: set[str] = set()
        self.possible: set[str] = set()
        self.is_exhaustive = reads_alike(text) and text.count("/*") == text.count("*/")
        self.lists_names = False

    def reach_more(self) -> None:
        """Note that the query may reach tables that it does not name."""
        self.is_exhaustive = False

    def add(self, name: str, to: set[str] | None = None) -> None:
        """Add a table that is read, or to the set `to`. A name with a wildcard is a table of its own.

        An empty name is not added; the query may then reach any table.
        """
        table = name.strip().lower()
        is_name = table not in _EVERYTHING and len(table) <= MAX_TABLE_NAME
        if not is_name or not _NOT_PLAIN.isdisjoint(table):
            self.is_exhaustive = False
        if is_name:
            (self.read if to is None else to).add(table)

    def write(self, name: str) -> None:
        """Add a table that is written. What else a write may change is unknown."""
        self.add(name, self.written)
        self.is_exhaustive = False

    def analysis(self, *, returns_rows: bool | None = True, is_plan: bool = False) -> QueryAnalysis | None:
        """Return the analysis; `None` if there are too many tables."""
        named = self.read | self.written | self.possible
        if len(named) > MAX_QUERY_TABLES:
            return None
        return QueryAnalysis(
            () if is_plan else tuple(sorted(self.read)),
            () if is_plan else tuple(sorted(self.written)),
            tuple(sorted(named)),
            returns_rows=returns_rows,
            is_exhaustive=self.is_exhaustive,
            is_plan=is_plan,
            lists_names=self.lists_names,
        )
