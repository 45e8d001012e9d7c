"""Hints in the declarations of tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.metering import meter, tables_in_arguments
from gateway.metering.tool_declarations import (
    MAX_LIST,
    MAX_SCHEMA,
    MAX_TOOLS,
    ToolHints,
    ToolList,
    is_read_only,
    list_paths,
    parse_hints,
    parse_tool_list,
    table_arguments,
)
from tests.metering.support import texts, wire


def stored_schemas(arguments: dict[str, Any] | None = None, output: Any = None) -> bytes:
    """Return the stored schemas of a tool."""
    tool: dict[str, Any] = {"name": "x", "inputSchema": {"type": "object", "properties": arguments or {}}}
    if output is not None:
        tool["outputSchema"] = output
    return parse_tool_list(wire({"tools": [tool]})).schemas["x"]


def is_table(description: str, name: str = "entity", **schema: Any) -> bool:
    return bool(parse_hints(stored_schemas({name: {"description": description, **schema}})).table_arguments)


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
def test_an_argument_described_as_the_name_of_a_table_names_one(description: str) -> None:
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
def test_an_argument_with_another_description_names_no_table(description: str) -> None:
    assert not is_table(description)


def test_an_argument_that_is_not_a_string_or_is_sql_names_no_table() -> None:
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


def test_arguments_name_a_table_by_their_name_or_description() -> None:
    assert table_arguments(stored_schemas({"tableName": {}, "entity": {"description": "Table name"}, "n": {}})) == [
        "tableName",
        "entity",
    ]


def test_the_lists_of_an_output_schema_are_found_those_of_objects_first() -> None:
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
    assert list_paths(stored_schemas(output=output)) == [("page", "items"), ("found",), ("names",)]


def test_large_schemas_and_malformed_tool_lists_are_ignored() -> None:
    large = {"type": "object", "description": "x" * MAX_SCHEMA}
    found = parse_tool_list(wire({"tools": [{"name": "a", "inputSchema": large, "outputSchema": {}}, {"name": "b"}]}))
    assert {name: json.loads(value) for name, value in found.schemas.items()} == {
        "a": {"input": None, "output": {}, "readOnly": False},
        "b": {"input": None, "output": None, "readOnly": False},
    }
    assert parse_tool_list(wire({"tools": [{"name": "x" * 300}, {"name": ""}]})) == ToolList()
    assert parse_tool_list(wire({"tools": [{"name": "x", "description": "x" * MAX_LIST}]})) == ToolList(is_cut=True)
    odd: tuple[Any, ...] = ({"tools": {}}, {}, [], "x", {"tools": [], "nextCursor": 5})
    for value in odd:
        assert parse_tool_list(wire(value)) == ToolList(is_cut=True)


def test_a_malformed_tool_is_left_out_of_its_list() -> None:
    found = parse_tool_list(wire({"tools": [1, {"name": 5}, {}, {"name": "a"}], "nextCursor": "c"}))
    assert (list(found.schemas), found.next_cursor, found.is_cut) == (["a"], "c", False)


def test_of_very_many_tools_the_first_are_read() -> None:
    found = parse_tool_list(wire({"tools": [{"name": f"t{number}"} for number in range(MAX_TOOLS + 1)]}))
    assert (len(found.schemas), found.is_cut) == (MAX_TOOLS, True)


@pytest.mark.parametrize(
    ("annotations", "read_only"),
    [
        ({"readOnlyHint": True}, True),
        ({"readOnlyHint": True, "destructiveHint": True}, True),
        ({"readOnlyHint": False}, False),
        ({"readOnlyHint": "true"}, False),
        ({"readOnlyHint": 1}, False),
        ({"readOnlyHint": None}, False),
        ({"readonlyhint": True}, False),
        ({}, False),
        ([], False),
        (None, False),
    ],
)
def test_only_the_hint_true_makes_a_tool_read_only(annotations: Any, read_only: bool) -> None:
    found = parse_tool_list(wire({"tools": [{"name": "a", "annotations": annotations}]}))
    assert (found.read_only == {"a"}, is_read_only(found.schemas["a"])) == (read_only, read_only)


def test_a_tool_that_is_declared_twice_is_read_only_if_both_declarations_say_so() -> None:
    hinted, plain = {"name": "a", "annotations": {"readOnlyHint": True}}, {"name": "a"}
    for tools, read_only in (([hinted, plain], False), ([plain, hinted], False), ([hinted, hinted], True)):
        found = parse_tool_list(wire({"tools": tools}))
        assert (found.read_only == {"a"}, is_read_only(found.schemas["a"])) == (read_only, read_only)


@pytest.mark.parametrize("value", [b"", b"[", b"[]", b'{"input":5,"output":[]}', b'{"input":{"properties":{"a":5}}}'])
def test_malformed_schemas_give_no_hints(value: bytes) -> None:
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
def test_recursive_schemas_end(output: Any) -> None:
    assert list_paths(stored_schemas(output=output)) == []


@pytest.mark.parametrize(
    ("description", "named"),
    [
        ("The KQL query to run", ("t",)),
        ("A query in Kusto Query Language (KQL)", ("t",)),
        ("An ES|QL query", None),
        ("KQL or SQL", None),
        ("The query to run", None),
    ],
)
def test_a_description_tells_the_language_of_a_query(description: str, named: tuple[str, ...] | None) -> None:
    declared = {"input": {"type": "object", "properties": {"query": {"type": "string", "description": description}}}}
    assert tables_in_arguments("execute_query", {"query": "T | take 1"}, parse_hints(wire(declared))) == named
