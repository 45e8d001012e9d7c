"""The meaning of names within a parsed statement: a table, a name that a `WITH` clause defines, or either."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp


def is_cte(table: exp.Table | exp.Column) -> bool:
    """Return True if a `WITH` clause in scope at `table` defines its name."""
    if len(table.parts) > 1:
        return False
    name = table.name.lower()
    node: exp.Expr | None = table
    inside: exp.Expr = table
    while node is not None:
        if isinstance(node, exp.CTE) and isinstance(node.parent, exp.With):
            inside = node
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With) and _defines(with_, name, inside):
            return True
        node = node.parent
    return False


def _defines(with_: exp.With, name: str, inside: exp.Expr) -> bool:
    """Return True if `with_` defines `name` for code in the CTE `inside`, or in the statement itself.

    In a plain `WITH`, a CTE sees the definitions before it; in a recursive one, all. Some engines have no keyword
    `RECURSIVE`, so a set operation counts as recursive too.
    """
    for definition in with_.expressions:
        if (
            definition is inside
            and not with_.args.get("recursive")
            and not isinstance(definition.this, exp.SetOperation)
        ):
            return False
        if definition.alias.lower() == name:
            return True
    return False


def possible_tables(statement: exp.Expr) -> Iterator[str]:
    """Yield names that are tables in `x IN name` (ClickHouse, SQLite) and `x IN (name)` (ClickHouse), else columns."""
    for node in statement.find_all(exp.In):
        listed = node.expressions
        name = node.args.get("field") or (listed[0] if len(listed) == 1 else None)
        if isinstance(name, exp.Column) and not is_cte(name):
            yield ".".join(part.name for part in name.parts).lower()
