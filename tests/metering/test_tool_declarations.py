"""What the declarations of tools tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.metering import meter, tables_in_arguments
from gateway.metering.tool_declarations import (
    MAX_LIST,
    MAX_SCHEMA,
    ToolHints,
    list_paths,
    parse_hints,
    parse_tool_list,
    table_arguments,
)
from tests.metering.support import texts, wire


def kept(arguments: dict[str, Any] | None = None, output: Any = None) -> bytes:
    """The schemas of a tool, as they are kept."""
    tool: dict[str, Any] = {"name": "x", "inputSchema": {"type": "object", "properties": arguments or {}}}
    if output is not None:
        tool["outputSchema"] = output
    return parse_tool_list(wire({"tools": [tool]}))["x"]


def is_table(description: str, name: str = "entity", **schema: Any) -> bool:
    return bool(parse_hints(kept({name: {"description": description, **schema}})).table_arguments)


@pytest.mark.parametrize(
    "description",
    [
        "Table name",
        "table name to describe",
        "Name of the table",
        "The name of the table to query (e.g. orders)",
        "The table to read from",
        "Target table name",
        "Name of a MongoDB collection",
        "Name of the worksheet",
        "The view you want to inspect",
    ],
)
def test_an_argument_that_is_said_to_name_a_table_does(description: str) -> None:
    assert is_table(description)


@pytest.mark.parametrize(
    "description",
    [
        "Name of the database",
        "The column to sort by",
        "Table name pattern with % as wildcard",
        "Table name prefix",
        "Name of the table column",
        "Name of the new table",
        "Table of contents depth",
        "Filter by table name",
        "Comma separated table names",
        "SQL to run against the table",
        "Where to look for tables",
        "",
    ],
)
def test_an_argument_of_which_something_else_is_said_names_none(description: str) -> None:
    assert not is_table(description)


def test_an_argument_that_is_no_text_or_is_sql_names_no_table() -> None:
    assert not is_table("Table name", type="integer")
    assert not is_table("Table name", name="query")
    assert is_table("Table name", type="string")


def test_hints_name_the_tables_of_a_call() -> None:
    hints = ToolHints(frozenset(("entity",)))
    result = wire(texts("a,b\n1,2\n3,4"))
    assert meter("get_rows", {"Entity": "Orders"}, result).tables == ()
    assert meter("get_rows", {"Entity": "Orders"}, result, hints=hints).tables == ("orders",)
    assert tables_in_arguments("get_rows", {"entity": "Orders"}) == ()
    assert tables_in_arguments("get_rows", {"entity": "Orders"}, hints) == ("orders",)


def test_the_arguments_that_name_a_table_are_told_by_name_or_description() -> None:
    assert table_arguments(kept({"tableName": {}, "entity": {"description": "Table name"}, "n": {}})) == [
        "tableName",
        "entity",
    ]


def test_the_lists_of_an_output_are_found_those_of_objects_first() -> None:
    row = {"type": "object", "properties": {"id": {"type": "integer"}}}
    output = {
        "$defs": {"Row": row, "Page": {"type": "object", "properties": {"items": {"type": "array", "items": row}}}},
        "type": "object",
        "properties": {
            "names": {"type": "array", "items": {"type": "string"}},
            "columns": {"type": "array", "items": row},
            "page": {"$ref": "#/$defs/Page"},
            "found": {"anyOf": [{"type": "null"}, {"type": "array", "items": {"$ref": "#/$defs/Row"}}]},
        },
    }
    assert list_paths(kept(output=output)) == [("page", "items"), ("found",), ("names",)]


def test_what_is_large_or_no_list_of_tools_is_not_learned() -> None:
    large = {"type": "object", "description": "x" * MAX_SCHEMA}
    found = parse_tool_list(wire({"tools": [{"name": "a", "inputSchema": large, "outputSchema": {}}, {"name": "b"}]}))
    assert {name: json.loads(value) for name, value in found.items()} == {
        "a": {"input": None, "output": {}},
        "b": {"input": None, "output": None},
    }
    assert parse_tool_list(wire({"tools": [{"name": "x" * 300}, {"name": ""}]})) == {}
    assert parse_tool_list(wire({"tools": [{"name": "x", "description": "x" * MAX_LIST}]})) == {}
    odd: tuple[Any, ...] = ({"tools": {}}, {"tools": [1]}, [], "x", {"tools": [{"name": 5}]})
    for value in odd:
        assert parse_tool_list(wire(value)) == {}


@pytest.mark.parametrize("value", [b"", b"[", b"[]", b'{"input":5,"output":[]}', b'{"input":{"properties":{"a":5}}}'])
def test_odd_schemas_tell_nothing(value: bytes) -> None:
    assert parse_hints(value) == ToolHints()
    assert table_arguments(value) == []
    assert list_paths(value) == []


@pytest.mark.parametrize(
    "output",
    [
        {"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}},
        {"$ref": "#/$defs/A", "$defs": {"A": {"properties": {"a": {"$ref": "#/$defs/A"}}}}},
        {"anyOf": []},
        {"properties": {"a": None, "b": {"properties": []}}},
    ],
)
def test_schemas_that_go_in_circles_end(output: Any) -> None:
    assert list_paths(kept(output=output)) == []
