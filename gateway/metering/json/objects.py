"""Classifies JSON objects by their member names: result sets, content blocks, descriptions of tables."""

from __future__ import annotations

from typing import Any

from gateway.metering.json import columnar
from gateway.metering.json.structure.partial_values import length
from gateway.metering.table_names import read_table_name
from gateway.metering.vocabulary.members import (
    AFFECTED_MEMBERS,
    COUNT_MEMBERS,
    ENVELOPE_MEMBERS,
    ERROR_MEMBERS,
    METADATA_MEMBERS,
    NOTICE_MEMBERS,
    RETURNED_COUNT_MEMBERS,
    ROW_MEMBERS,
    SUMMARY_MEMBERS,
    TABLE_MEMBERS,
    TOTAL_MEMBERS,
)
from gateway.metering.vocabulary.names import normalize_name
from gateway.metering.vocabulary.tools import is_named_after_tool

MAX_NAMED_TABLES = 64
"""Tables that a result may name."""

Members = dict[str, Any]
"""The members of an object by their normalized names (`normalize_name`)."""

WRAPPER_MEMBERS = (
    ENVELOPE_MEMBERS
    | METADATA_MEMBERS
    | COUNT_MEMBERS
    | RETURNED_COUNT_MEMBERS
    | TOTAL_MEMBERS
    | AFFECTED_MEMBERS
    | ERROR_MEMBERS
)
"""Members that describe or surround the records and hold none."""
WRAPPER_AND_ROW_MEMBERS = WRAPPER_MEMBERS.union(ROW_MEMBERS)

_TABLE_LISTS = frozenset(("tables", "resultsets", "statements", "series", "batches"))
ROW_LISTS = ("rows", "records", "results", "data", "items", "documents", "values", "hits")
ONLY_RESULTS = frozenset(("rows", "records", "results", "documents", "hits", "csvdata"))
"""Names under which no record has a list."""
IDS = frozenset(("id", "key", "uuid", "uid", "guid"))
"""Members with the id of an entity."""


def normalize_members(value: dict[str, Any]) -> Members:
    """Return the members of an object by their normalized names."""
    return {normalize_name(name): value[name] for name in sorted(value)}


def is_flat(members: Members) -> bool:
    """Return True if no member is a list or an object that is not empty."""
    return not any(isinstance(value, list | dict) and value for value in members.values())


def are_messages(name: str, values: list[Any]) -> bool:
    """Return True if a list of messages or notes holds objects, or nothing, so that they may be the records."""
    return name in NOTICE_MEMBERS and (not values or isinstance(values[0], dict))


def are_of_tool(name: str, values: list[Any], tool: str) -> bool:
    """Return True if a list has the name of what the tool returns."""
    return is_named_after_tool(name, tool, holds_objects=is_list_of_objects(values))


def is_list_of_objects(value: Any) -> bool:
    """Return True if a value is a list with elements, of which the first is an object."""
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def is_content_block(value: Any) -> bool:
    """Return True if a value is an MCP content block."""
    if not isinstance(value, dict):
        return False
    if value.get("type") == "text":
        return isinstance(value.get("text"), str)
    return value.get("type") == "resource" and isinstance(value.get("resource"), dict)


def count_buckets(aggregations: Any) -> int:
    """Return the number of groups in the results of aggregations by name; one for each single value."""
    if not isinstance(aggregations, dict):
        return 0
    total = 0
    for one in aggregations.values():
        buckets = one.get("buckets") if isinstance(one, dict) else None
        if isinstance(buckets, list):
            total += length(buckets)
        elif isinstance(one, dict) and one:
            is_tally = all(type(number) is int for number in one.values())
            total += 1 if "value" in one else len(one) if is_tally else 0
    return total


def column_names(members: Members, *, is_typed: bool = True) -> list[str]:
    """Return the names of the columns, with their types, that an object describes beside its rows."""
    inner = [value for value in members.values() if isinstance(value, dict)][:4]
    for value in [*members.values(), *(value for one in inner for value in one.values())]:
        if not is_list_of_objects(value):
            continue
        if is_typed and not any("type" in name.lower() for name in value[0]):
            continue
        names = [_column_name(one) for one in value]
        if all(names):
            return names
    return []


def _column_name(column: Any) -> str:
    name = column.get("Name", column.get("name")) if isinstance(column, dict) else None
    return name if isinstance(name, str) else ""


def count_cells(row: Any) -> int:
    """Return the number of cells in a row that is an object with a list of them; 0 for another."""
    cells = next(iter(row.values())) if isinstance(row, dict) and len(row) == 1 else None
    return length(cells) if isinstance(cells, list) else 0


def leaf_strings(value: Any, depth: int = 0) -> list[str]:
    """Return the strings in a row, in their order."""
    if isinstance(value, str):
        return [value]
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return [] if depth == 4 else [text for one in inner[:64] for text in leaf_strings(one, depth + 1)]


def described_columns(value: Any) -> int:
    """Return the number of columns that the description of a table lists."""
    columns = _columns_of(value, 0)
    if isinstance(columns, dict):
        return len(columns) if all(isinstance(one, dict | str) for one in columns.values()) else 0
    return length(columns) if columns and isinstance(columns[0], dict) else 0


def has_types(value: Any) -> bool:
    """Return True if the columns that an object lists have types."""
    columns = _columns_of(value, 0)
    described = list(columns.values()) if isinstance(columns, dict) else columns[:1] if columns else []
    return bool(described) and all(map(_has_type, described))


def _has_type(column: Any) -> bool:
    return isinstance(column, dict) and any("type" in name for name in column)


def _columns_of(value: Any, depth: int) -> list[Any] | dict[str, Any] | None:
    """Return the columns in an object or in the schema in it: a list, or types by name."""
    if not isinstance(value, dict) or depth > 2:
        return None
    columns = next((value[name] for name in ("columns", "fields", "properties") if name in value), None)
    if isinstance(columns, list | dict):
        return columns
    schema: dict[str, Any] = next(
        (value[name] for name in ("mappings", "schema") if isinstance(value.get(name), dict)), {}
    )
    return schema if schema and all(map(_has_type, schema.values())) else _columns_of(schema, depth + 1)


def is_named_result(members: Members) -> bool:
    """Return True if an object is one of several results by name: a list or text of rows, and what describes it."""
    rows = [name for name in ROW_MEMBERS if isinstance(members.get(name), list | str) and members[name] != ""]
    others = [value for name, value in members.items() if name not in WRAPPER_AND_ROW_MEMBERS]
    scalars = (int, float, bool, str) if any(name in ONLY_RESULTS for name in rows) else (int, float, bool)
    return bool(rows) and all(type(value) in scalars for value in others)


def are_named_results(values: list[dict[str, Any]]) -> bool:
    """Return True if objects are results by name: two or more, or lists of data frames."""
    if len(values) == 1 or all(map(columnar.holds_frames, values)):
        return bool(values) and columnar.holds_frames(values[0])
    return all(is_named_result(normalize_members(one)) for one in values)


def is_multiline(value: Any) -> bool:
    return isinstance(value, str) and "\n" in value


def is_wrapper_of_tables(members: Members) -> bool:
    """Return True if an object holds nothing but tables or result sets."""
    return any(isinstance(members.get(name), list) for name in _TABLE_LISTS) and (
        members.keys() <= WRAPPER_MEMBERS | _TABLE_LISTS
    )


def holds_lists(value: Any) -> bool:
    """Return True if an object holds nothing but two or more lists of objects, not all of them empty."""
    lists = [one for one in value.values() if isinstance(one, list)] if isinstance(value, dict) else []
    full = [one for one in lists if one]
    return 1 < len(lists) == len(value) and bool(full) and all(isinstance(one[0], dict) for one in full)


def is_empty_or_page(name: str, value: Any) -> bool:
    """Return True if a member holds nothing, or only describes the page of the records beside it."""
    is_page = name in SUMMARY_MEMBERS and name.startswith("pag") and isinstance(value, dict) and is_flat(value)
    return is_page or value in ([], {}, "")


def holds_list(name: str, value: Any) -> bool:
    """Return True if an object under a name that usually surrounds the records holds a list of objects."""
    if not isinstance(value, dict) or name in METADATA_MEMBERS or name in SUMMARY_MEMBERS:
        return False
    return any(map(is_list_of_objects, value.values()))


def is_entity(members: Members) -> bool:
    """Return True if an object has an id and further values of its own, so that a list in it is a property."""
    is_identified = any(members.get(name) not in (None, 0, "") for name in IDS)
    values = [name for name, value in members.items() if name not in WRAPPER_MEMBERS and not isinstance(value, list)]
    return is_identified and len(values) > 1 and "columns" not in members


def is_bookkeeping(name: str) -> bool:
    """Return True if a member (normalized) is about the request and its costs."""
    return name.endswith(("metadata", "consumedcapacity", "requestid"))


def is_summary(members: Members) -> bool:
    """Return True if an object describes a table by its columns and its number of rows."""
    has_columns = any(isinstance(members.get(name), list) for name in ("columns", "fields", "dtypes"))
    return has_columns and any(type(value) is int and "row" in name for name, value in members.items())


def named_tables(members: Members) -> tuple[str, ...]:
    """Return the tables that an object names as the source of its records."""
    table = table_member(members)
    one = () if table is None else (table,)
    several = members.get("tables", members.get("tablenames"))
    if not isinstance(several, list) or not any(isinstance(members.get(name), list) for name in ROW_LISTS):
        return one
    named = {name for entry in several[:MAX_NAMED_TABLES] if (name := read_table_name(entry)) is not None}
    return tuple(sorted(named.union(one)))


def table_member(members: Members) -> str | None:
    """Return the table in a member such as `table`; `None` if there is none."""
    values = (read_table_name(members[name]) for name in TABLE_MEMBERS if name in members)
    return next((value for value in values if value is not None), None)


def stated_number(members: Members) -> tuple[str, int] | None:
    """Return the stated number of returned records, with its member; `None` if it is not stated."""
    for name in sorted(RETURNED_COUNT_MEMBERS & members.keys()):
        if type(number := members[name]) is int and number >= 0:
            return name, number
    return None
