"""Collects the tables of one query."""

from __future__ import annotations

from gateway.metering.queries.analysis import QueryAnalysis
from gateway.metering.queries.lexer import reads_alike
from gateway.metering.table_names import MAX_TABLE_NAME

MAX_QUERY_TABLES = 200
"""Tables; a query with more has no analysis."""

_EVERYTHING = frozenset(("", "*", "_all", "%"))
_NOT_PLAIN = frozenset("*%?\\\"'`[]{}<>$,")
"""Characters of wildcards, escapes, quotes and variables: such a name may stand for another table."""


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
        """Add a table that is read, or to the set `to`. A name with a wildcard is a table of its own."""
        table = name.strip().lower()
        if not _NOT_PLAIN.isdisjoint(table) or len(table) > MAX_TABLE_NAME:
            self.is_exhaustive = False
        if table in _EVERYTHING or len(table) > MAX_TABLE_NAME:
            self.is_exhaustive = False
        else:
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
