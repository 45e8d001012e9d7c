"""The meaning of names within a parsed statement: a table, a name that a `WITH` clause defines, or either."""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from gateway.metering.sql.nodes import Nodes


def is_cte(table: exp.Table | exp.Column) -> bool:
    """Return True if a `WITH` clause in scope at `table` defines its name, in some engine."""
    return _definition(table) is not None


def is_cte_everywhere(table: exp.Table | exp.Column) -> bool:
    """Return True if all engines read the name as the CTE, and none as a table of the same name.

    A reference to the CTE that it is in is one only in the right operand of the `UNION` of a `WITH RECURSIVE`, and in
    some engines a CTE does not see later ones.
    """
    found = _definition(table)
    if found is None:
        return False
    definition, inside = found
    if inside is None:
        return True
    union = inside.this
    with_ = inside.parent
    is_recursive = isinstance(with_, exp.With) and with_.args.get("recursive") and isinstance(union, exp.Union)
    return bool(is_recursive) and definition is inside and any(one is union.expression for one in _ancestors(table))


def _ancestors(node: exp.Expr | None) -> Iterator[exp.Expr]:
    while node is not None:
        yield node
        node = node.parent


def _definition(table: exp.Table | exp.Column) -> tuple[exp.Expr, exp.Expr | None] | None:
    """Return the CTE that a name stands for, and the one that the name is in if that is the same or an earlier one."""
    if len(table.parts) > 1:
        return None
    name = table.name.lower()
    inside: exp.Expr = table
    for node in _ancestors(table):
        if isinstance(node, exp.CTE) and isinstance(node.parent, exp.With):
            inside = node
        with_ = node.args.get("with_")
        if isinstance(with_, exp.With) and (found := _definition_in(with_, name, inside)) is not None:
            return found
    return None


def _definition_in(with_: exp.With, name: str, inside: exp.Expr) -> tuple[exp.Expr, exp.Expr | None] | None:
    """Return what `with_` defines as `name` for code in the CTE `inside`, or in the statement itself.

    In a plain `WITH`, a CTE sees the definitions before it; in a recursive one, all. Some engines have no keyword
    `RECURSIVE`, so a set operation counts as recursive too.
    """
    sees_itself = with_.args.get("recursive")
    reached: exp.Expr | None = None
    for definition in with_.expressions:
        if definition is inside:
            reached = inside
            if not sees_itself and not isinstance(definition.this, exp.SetOperation):
                return None
        if definition.alias.lower() == name:
            return definition, reached
    return None


def possible_tables(nodes: Nodes) -> Iterator[str]:
    """Yield names that are tables in some engines, and columns in others.

    They are in `x IN name` (ClickHouse, SQLite), `x IN (name)` (ClickHouse), `CROSS APPLY name`, and arguments of
    `FLATTEN`, and of `UNNEST` if no table is before it.
    """
    for node in nodes.of(exp.In):
        listed = node.expressions
        name = node.args.get("field") or (listed[0] if len(listed) == 1 else None)
        if isinstance(name, exp.Column) and not is_cte_everywhere(name):
            yield ".".join(part.name for part in name.parts).lower()
    for lateral in nodes.of(exp.Lateral):
        if isinstance(lateral.this, exp.Identifier | exp.Column | exp.Dot):
            yield lateral.this.sql().lower()
    for function in nodes.of(exp.Unnest, exp.Explode, exp.Flatten):
        if isinstance(function, exp.Unnest) or _is_source(function):
            yield from _unqualified_names(function, nodes)


def _is_source(function: exp.Expr) -> bool:
    """Return True for a function in `FROM`, but not in `LATERAL VIEW`, which is of the table before it."""
    parent = function.parent
    if isinstance(parent, exp.TableFromRows) or (isinstance(parent, exp.Anonymous) and parent.name.lower() == "table"):
        return True
    return isinstance(parent, exp.Table) or (isinstance(parent, exp.Lateral) and not parent.args.get("view"))


def _follows_table(function: exp.Expr) -> bool:
    """Return True if a table is before a function in its `FROM`, or in that of a query that it is correlated with."""
    inside: exp.Expr = function
    for node in _ancestors(function):
        from_ = node.args.get("from_") if isinstance(node, exp.Select) else None
        if from_ is not None and from_ is not inside and isinstance(from_.this, exp.Table | exp.Subquery):
            return True
        inside = node
        is_derived = isinstance(node, exp.Subquery) and isinstance(node.parent, exp.From | exp.Join)
        if isinstance(node, exp.CTE) or is_derived:
            return False
    return False


def _unqualified_names(function: exp.Expr, nodes: Nodes) -> Iterator[str]:
    """Yield the names among the arguments of a function that are not columns of a table in the statement."""
    follows_table = isinstance(function, exp.Unnest) and _follows_table(function)
    aliases = {one.alias_or_name.lower() for one in nodes.of(exp.Table, exp.Subquery, exp.CTE)}
    for column in function.find_all(exp.Column):
        inside = next(one for one in _ancestors(column) if one is function or isinstance(one, exp.Query))
        parts = [part.name.lower() for part in column.parts]
        is_column = follows_table if len(parts) == 1 else parts[0] in aliases
        if inside is function and not is_column:
            yield ".".join(parts)
