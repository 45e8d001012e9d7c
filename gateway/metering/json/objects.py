"""What an object is, by the names of its members: a set of rows, a failure, a content block, a declaration.

An object is given as `Members`: its members by their plain names (`vocabulary.normalize`).
"""

from __future__ import annotations

from typing import Any

from gateway.metering import vocabulary
from gateway.metering.json.partial_values import length
from gateway.metering.table_names import read_table_name

MAX_TABLES = 64
"""Tables that a result may name."""

Members = dict[str, Any]
"""Members of an object by their plain names."""

WRAPPING = (
    vocabulary.ENVELOPE_MEMBERS
    | vocabulary.METADATA_MEMBERS
    | vocabulary.COUNT_MEMBERS
    | vocabulary.RETURNED_COUNT_MEMBERS
    | vocabulary.TOTAL_MEMBERS
    | vocabulary.AFFECTED_MEMBERS
    | vocabulary.ERROR_MEMBERS
)
"""Members that say something about the records, and are none."""

_TABLES = frozenset(("tables", "resultsets", "statements", "series", "batches"))
_LISTS = ("rows", "records", "results", "data", "items", "documents", "values", "hits")


def is_block(value: Any) -> bool:
    """Whether a value is a content block of the protocol."""
    if not isinstance(value, dict):
        return False
    if value.get("type") == "text":
        return isinstance(value.get("text"), str)
    return value.get("type") == "resource" and isinstance(value.get("resource"), dict)


def is_result_set(members: Members) -> bool:
    """Whether an object is a set of rows, and not a row that has a list in it."""
    lists = [name for name in _LISTS if isinstance(members.get(name), list)]
    if not lists:
        return False
    return "columns" in members or all(name in WRAPPING or name in lists for name in members)


def is_wrapper_of_tables(members: Members) -> bool:
    """Whether an object does nothing but hold tables that may hold rows."""
    return any(isinstance(members.get(name), list) for name in _TABLES) and (members.keys() <= WRAPPING | _TABLES)


def is_failure(members: Members) -> bool:
    """Whether an object says that the call failed, and holds no records."""
    if any(isinstance(members.get(name), list) and members[name] for name in _LISTS):
        return False
    if members.get("success") is False or members.get("ok") is False or members.get("iserror") is True:
        return True
    told = [
        name for name in vocabulary.ERROR_MEMBERS if isinstance(members.get(name), str | dict | list) and members[name]
    ]
    own = [name for name in members if name not in WRAPPING and name not in vocabulary.ROW_MEMBERS]
    if told:
        return len(own) <= 2
    status = members.get("status")
    return not own and isinstance(status, str) and status.lower() in ("error", "failed", "failure", "fail")


def is_acknowledgement(members: Members) -> bool:
    """Whether an object says how the call went, beside an id of the call or the like."""
    own = [name for name in members if name not in WRAPPING]
    is_plain = not any(isinstance(value, list | dict) for value in members.values())
    return is_plain and len(own) <= 1 and "message" in members and not {"status", "success", "ok"}.isdisjoint(members)


def is_summary(members: Members) -> bool:
    """Whether an object tells of columns and of numbers of rows, and so is no record itself."""
    has_columns = any(isinstance(members.get(name), list) for name in ("columns", "fields", "dtypes"))
    return has_columns and any(type(value) is int and "row" in name for name, value in members.items())


def declared_tables(members: Members) -> tuple[str, ...]:
    """The tables that an object names as the source of its records."""
    table = table_member(members)
    one = () if table is None else (table,)
    several = members.get("tables", members.get("tablenames"))
    if not isinstance(several, list) or not any(isinstance(members.get(name), list) for name in _LISTS):
        return one
    named = {name for entry in several[:MAX_TABLES] if (name := read_table_name(entry)) is not None}
    return tuple(sorted(named.union(one)))


def table_member(members: Members) -> str | None:
    """The table that an object says its records come from."""
    values = (read_table_name(members.get(name)) for name in vocabulary.TABLE_MEMBERS)
    return next((value for value in values if value is not None), None)


def declared_number(members: Members) -> int | None:
    """The number of records that an object says were returned."""
    numbers = (members[name] for name in sorted(members) if name in vocabulary.RETURNED_COUNT_MEMBERS)
    return next((number for number in numbers if type(number) is int and number >= 0), None)


def has_header(rows: list[Any]) -> bool:
    """Whether the first of several rows of cells names the columns: all different texts above something that is
    none."""
    first = rows[0]
    if length(rows) < 2 or not first or not all(isinstance(cell, str) and cell for cell in first):
        return False
    others = [row for row in rows[1:8] if isinstance(row, list)]
    return len(set(first)) == len(first) and any(
        not isinstance(cell, str) and cell is not None for row in others for cell in row[: len(first)]
    )


def rows_of_cells(values: list[Any]) -> int | None:
    """The rows of a sheet that is given cell by cell, or `None` where the objects are no cells."""
    if length(values) != len(values) or not all(
        isinstance(one, dict) and type(one.get("row")) is int for one in values
    ):
        return None
    is_cells = all(("column" in one or "col" in one) and ("value" in one or "address" in one) for one in values)
    return len({one["row"] for one in values}) if is_cells else None


def length_of_only_lists(members: Members) -> int | None:
    """The length of the one list in each of several members, as `{"ids": [[1, 2]], "documents": [["a", "b"]]}` has
    it."""
    nested = [value for value in members.values() if isinstance(value, list) and value and isinstance(value[0], list)]
    if len(nested) < 2 or any(length(value) != 1 for value in nested):
        return None
    lengths = {length(value[0]) for value in nested}
    return lengths.pop() if len(lengths) == 1 else None
