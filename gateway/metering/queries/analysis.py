"""The result of analyzing a statement or query, in SQL or in another language."""

from __future__ import annotations

import msgspec


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
