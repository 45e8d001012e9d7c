# ruff: noqa: E501 - the cases are read better in one line each
"""JSON in the shapes that servers use, as structured content and as text."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.metering.support import records, structured, texts

ROW = {"a": 1, "b": "x"}
ROWS = [ROW, {"a": 2, "b": "y"}, {"a": 3, "b": "z"}]
CELLS = [[1, "x"], [2, "y"], [3, "z"]]

SHAPES: list[tuple[Any, int]] = [
    (ROWS, 3),
    ({"result": ROWS}, 3),
    ({"result": {"data": {"rows": ROWS}}}, 3),
    ({"rows": ROWS, "row_count": 3}, 3),
    ({"rows": ROWS, "row_count": 12154, "truncated": True}, 3),
    ({"success": True, "columns": ["a", "b"], "rows": CELLS, "rowCount": 3}, 3),
    ({"columns": ["a", "b"], "data": CELLS}, 3),
    ([*[[1, "x"]] * 8, 1.5], 9),
    ({"columns": ["a", "b"], "rows": [["a", "b"], *CELLS]}, 3),
    ({"schema": {"fields": [{"name": "a"}, {"name": "b"}]}, "data": ROWS}, 3),
    ({"schema": {"fields": []}, "data": {"a": [1, 2, 3], "b": ["x", "y", "z"]}}, 3),
    ({"columns": ["a", "b"], "index": [0, 1, 2], "data": CELLS}, 3),
    ({"a": [1, 2, 3], "b": ["x", "y", "z"]}, 3),
    ({"AAPL": ROWS, "IBM": ROWS[:2]}, 5),
    ({"entities": ROWS, "relations": ROWS[:1]}, 4),
    ({"a": {"0": 1, "1": 2, "2": 3}, "b": {"0": "x", "1": "y", "2": "z"}}, 3),
    ({"0": ROW, "1": ROW, "2": ROW}, 3),
    ({"2024-01-02": {"open": 1}, "2024-01-03": {"open": 2}}, 2),
    ({"2024-01-02": 1.5, "2024-01-03": 2.5}, 2),
    ({"Meta Data": {"1. Symbol": "IBM"}, "Time Series (Daily)": {"2024-01-02": {"1. open": "1"}, "2024-01-03": {"1. open": "2"}}}, 2),
    ({"items": ROWS, "total": 500, "page": 1, "hasMore": True}, 3),
    ({"total_count": 500, "incomplete_results": False, "items": ROWS}, 3),
    ({"object": "list", "results": ROWS, "next_cursor": None, "has_more": False}, 3),
    ({"hits": {"total": {"value": 500}, "max_score": 1.0, "hits": ROWS}, "took": 3, "timed_out": False}, 3),
    ({"status": "success", "data": {"resultType": "vector", "result": ROWS}}, 3),
    ({"head": {"vars": ["a"]}, "results": {"bindings": ROWS}}, 3),
    ({"type": "FeatureCollection", "features": ROWS}, 3),
    ({"data": {"users": ROWS}}, 3),
    ({"data": {"users": {"nodes": ROWS, "pageInfo": {"hasNextPage": False}, "totalCount": 500}}}, 3),
    ({"data": {"users": {"nodes": [], "pageInfo": {"hasNextPage": False}}}}, 0),
    ({"@odata.context": "x", "value": ROWS}, 3),
    ({"Items": ROWS, "Count": 3, "ScannedCount": 900}, 3),
    ({"ok": True, "messages": ROWS, "has_more": False}, 3),
    ({"range": "A2:B4", "majorDimension": "ROWS", "values": CELLS}, 3),
    ({"spreadsheetId": "x", "valueRanges": [{"range": "A2:B4", "majorDimension": "ROWS", "values": CELLS}]}, 3),
    ({"range": "A1:B4", "values": [["a", "b"], *CELLS]}, 3),
    ({"ids": [["1", "2"]], "documents": [["x", "y"]], "distances": [[0.1, 0.2]]}, 2),
    ({"ids": ["1", "2"], "documents": ["x", "y"], "metadatas": [None, None]}, 2),
    ({"success": True, "data": {"statements": [{"sql": "SELECT 1", "rows": ROWS, "count": 3}, {"sql": "SELECT 2", "rows": ROWS[:1]}]}}, 4),
    ({"tables": [{"name": "PrimaryResult", "columns": [{"name": "a"}], "rows": CELLS}]}, 3),
    ({"results": [{"tables": [{"rows": ROWS}]}]}, 3),
    ({"results": [{"series": [{"name": "cpu", "columns": ["time", "v"], "values": CELLS}]}]}, 3),
    ([{"rows": ROWS, "rowCount": 3}, {"rows": [], "rowCount": 0}], 3),
    ({"sheet_name": "S", "cells": [{"address": c + str(r), "row": r, "column": 1, "value": 0} for r in (2, 3) for c in "AB"]}, 2),
    ({"symbol": "AAPL", "prices": ROWS}, 3),
    ({"result": []}, 0),
    ({"rows": [], "columns": ["a"]}, 0),
    ({"rows": [], "error": None}, 0),
    ([], 0),
    ([{"n": 12154}], 1),
    ([{"error": "disk full", "at": "2024"}, {"error": "none", "at": "2025"}], 2),
    ([{"id": 1, "items": ROWS}, {"id": 2, "items": ROWS}], 2),
    ([{"id": 1, "data": [1, 2]}, {"id": 2, "data": []}], 2),
    ({"success": False, "error": "x"}, 0),
    ({"error": {"code": 404, "message": "x"}}, 0),
    ({"errors": [{"message": "x"}], "data": None}, 0),
    ({"status": "error", "message": "x"}, 0),
    ({"ok": False, "description": "x"}, 0),
    ({"message": "No results found"}, 0),
    ({"success": True, "message": "3 rows affected"}, 0),
    ({"text": "a,b\n1,x\n2,y\n"}, 2),
    ({"table": "| a | b |\n|---|---|\n| 1 | x |"}, 1),
]  # fmt: skip

UNKNOWN: list[Any] = [
    {"timezone": "UTC", "datetime": "2024-01-02T00:00:00+00:00", "is_dst": False},
    {"source": {"tz": "a", "time": "b"}, "target": {"tz": "c", "time": "d"}, "difference": "1h"},
    {"result": 42},
    {"result": "It is fine."},
    {"message": "Hello"},
    {"count": 12154},
    {"total": 12154},
    {"name": "Bob", "tags": ["a", "b"]},
    {"thought": 1, "next": True, "branches": [], "length": 1},
    {},
    7,
]


def shuffled(value: Any, random_: random.Random) -> Any:
    if isinstance(value, dict):
        members = list(value.items())
        random_.shuffle(members)
        return {name: shuffled(inner, random_) for name, inner in members}
    return [shuffled(one, random_) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize(("value", "expected"), SHAPES, ids=lambda value: json.dumps(value)[:60])
def test_a_shape_has_the_same_count_in_any_content_and_member_order(value: Any, expected: int) -> None:
    contents = [texts(json.dumps(value)), texts(json.dumps(value, indent=2)), texts(repr(value))]
    contents += [structured(value)] if isinstance(value, dict) else []
    contents += [
        structured({"result": value}),
        structured({"result": json.dumps(value)}),
        texts(json.dumps({"result": value})),
    ]
    for seed in range(3):
        contents.append(texts(json.dumps(shuffled(value, random.Random(seed)))))
    assert [records(content) for content in contents] == [expected] * len(contents)


@pytest.mark.parametrize("value", UNKNOWN, ids=lambda value: json.dumps(value)[:60])
def test_a_shape_without_records_is_unknown(value: Any) -> None:
    assert records(texts(json.dumps(value))) is None
    assert records(structured({"result": value})) is None


@pytest.mark.parametrize("size", [24_000, 70_000, 250_000, 800_000])
@pytest.mark.parametrize("wrap", ["rows", "result", "prices", "deep", "columns", "arrays", "sets", "blocks", "text"])
def test_the_count_does_not_depend_on_the_size_of_the_result(size: int, wrap: str) -> None:
    rows = [{"a": number, "b": "x" * 20} for number in range(size // 40)]
    cells = [[number, "x" * 20] for number in range(size // 40)]
    value = {
        "rows": {"rows": rows, "row_count": len(rows)},
        "result": {"result": rows},
        "prices": {"symbol": "AAPL", "prices": rows},
        "deep": {"result": {"data": {"items": rows}}},
        "columns": {"columns": ["a", "b"], "rows": cells},
        "arrays": {"result": cells},
        "sets": {
            "data": {"statements": [{"sql": "SELECT 1", "rows": rows[1:]}, {"sql": "SELECT 2", "rows": [{"a": 1}]}]}
        },
        "blocks": {"result": [{"type": "text", "text": repr(rows)}]},
        "text": {"result": json.dumps(rows)},
    }[wrap]
    assert records(structured(value)) == len(rows)
    assert records(texts(json.dumps(value))) == len(rows)


def test_columns_are_the_records_of_a_describing_tool() -> None:
    described = {"table": "stocks", "row_count": 12154, "columns": ["a", "b", "c"], "types": ["INT", "TEXT", "REAL"]}
    assert records(structured(described), "describe_table", table="stocks") == 3
    assert records(structured(described), "query", table="stocks") is None


def test_the_list_with_the_name_of_what_the_tool_lists_is_counted() -> None:
    keys = structured({"cursor": 0, "keys": ["a", "b"], "total_scanned": 9, "scan_complete": True})
    assert records(keys, "scan_keys") == 2
    assert records(keys, "scan") is None


def test_columns_next_to_a_number_are_records_only_for_a_describing_tool() -> None:
    result = structured({"filtered": 4, "original": 15, "columns": [{"name": "id"}, {"name": "title"}]})
    assert records(result, "filter") is None
    assert records(result, "describe") == 2


def test_a_grid_takes_precedence_over_its_cells() -> None:
    grid = structured({"sheet": "s", "grid": [[1, 2], [3, 4]], "cells": {"A1": 1, "B1": 2, "A2": 3, "B2": 4}})
    assert records(grid, "read_range") == 2


def test_a_message_that_nothing_was_found_is_not_a_record() -> None:
    message = structured({"result": [{"message": "Query returned no results."}]})
    assert records(message, sql="SELECT * FROM t") == 0
    assert records(message, sql="SELECT message FROM t") == 1


def test_an_object_that_states_several_rows_is_not_one_record() -> None:
    pivot = {"ann": {"good": 3, "worn": 6}, "bob": {"good": 5}}
    assert records(structured({"index": "m", "row_count": 2, "pivot": pivot}), table="t") == 2
    assert records(structured({"index": "m", "row_count": 3, "pivot": pivot}), table="t") is None


def test_a_description_with_columns_and_keys_has_as_many_records_as_columns() -> None:
    columns = [{"column_name": "id"}, {"column_name": "due"}]
    described = {
        "table_name": "t",
        "row_count": "60",
        "columns": columns,
        "primary_keys": [{"name": "id"}],
        "indexes": [],
    }
    assert records(texts(json.dumps(described)), "describe_table", table_name="t") == 2


def test_a_record_with_a_list_in_it_is_one_record() -> None:
    order = structured({"_id": "5", "customer": "x", "lines": [{"sku": 1}, {"sku": 2}]})
    assert records(order, "find_one", collection="orders") == 1
    assert records(order, "find_one") is None


def test_json_in_a_string_is_read() -> None:
    assert records(structured({"success": True, "json": json.dumps(ROWS), "message": "converted"})) == 3


def test_the_echo_of_a_write_is_not_a_record() -> None:
    echo = structured({"success": True, "data": [{"cell": "A1", "value": 1}], "message": "written"})
    assert records(echo, "update_range") == 0
    assert records(echo, "read_range") == 1
    assert records(echo, "update_range", sql="UPDATE t SET a = 1 RETURNING *") == 1


def test_the_only_object_of_a_list_may_hold_columns() -> None:
    columns = {"a": {"0": 1, "1": 2, "2": 3}, "b": {"0": "x", "1": "y", "2": "z"}}
    assert records(texts(json.dumps({"content": [columns], "isError": False}))) == 3
    assert records(texts(json.dumps([{"a": {"x": 1}, "b": {"x": 2}}]))) == 1


def test_the_row_count_in_a_description_is_not_the_record_count() -> None:
    described = {"table": "stocks", "row_count": 12154, "columns": ["a", "b"]}
    assert records(structured(described), "get_table_info", table="stocks") != 12154
    assert records(structured({"table": "stocks", "record_count": 12154}), "describe_table") != 12154


@pytest.mark.parametrize("is_indented", [False, True])
@pytest.mark.parametrize("number", [3, 3_000, 30_000])
@pytest.mark.parametrize("name", ["Rows", "rows"])
def test_a_header_row_is_not_counted_whatever_the_size(name: str, number: int, *, is_indented: bool) -> None:
    rows = [{"Data": [{"VarCharValue": cell} for cell in row]} for row in [("a", "b"), *[("1", "x")] * number]]
    columns = {"ColumnInfo": [{"Name": "a", "Type": "int"}, {"Name": "b", "Type": "varchar"}]}
    result = {"ResultSet": {name: rows, "ResultSetMetadata": columns}, "UpdateCount": 0}
    text = json.dumps(result, indent=1 if is_indented else None)
    assert records(texts(text)) == (number if len(text) < 2_000_000 else None)


@pytest.mark.parametrize("number", [3, 3_000, 30_000])
def test_a_header_among_rows_of_cells_is_not_counted_whatever_the_size(number: int) -> None:
    cells = [["a", "b"], *[[1, "x" * 20]] * number]
    assert records(structured({"data": cells, "page": 1})) == number
    assert records(texts(json.dumps(cells))) == number


def test_a_header_above_numbers_that_are_written_as_texts_is_not_counted() -> None:
    cells = [["name", "B01001_001E", "state"], ["Alabama", "5000", "01"], ["Alaska", "700", "02"]]
    assert records(texts(json.dumps(cells))) == 2
    assert records(texts(json.dumps([["1", "2"], ["3", "4"]]))) == 2


def test_a_header_is_a_row_if_the_result_states_the_number_of_rows_with_it() -> None:
    assert records(structured({"rows": [["a", "b"], [1, 2], [3, 4]], "n_rows": 3})) == 3
    assert records(structured({"rows": [["a", "b"], [1, 2], [3, 4]], "n_rows": 2})) == 2


def test_rows_of_values_with_their_types_are_no_results_of_several_statements() -> None:
    rows = [[{"longValue": 1}, {"stringValue": "a"}], [{"longValue": 2}, {"isNull": True}]]
    assert records(structured({"Records": rows})) == 2


@pytest.mark.parametrize(
    "values", [["oak", ["Oak (wood)", "Oaks"], ["", ""]], [{"id": 1}, {"id": 2}, "... 98 more rows"], [2, ["A1"], None]]
)
def test_a_list_of_objects_or_lists_beside_single_values_is_unknown(values: list[Any]) -> None:
    assert records(texts(json.dumps(values))) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1187", ["a", "b", "c"]], 3),
        ([{"id": "int", "wood": "string"}, [1, "oak"], [2, "teak"]], 2),
        ([{"id": "int", "wood": "string"}, [1], [2]], None),
        ([[{"wood": "oak"}, {"n": "4"}], [{"wood": "teak"}, {"n": "7"}]], 2),
        ([[{"n": 1}, {"n": 2}], [{"m": 3}]], 3),
    ],
)
def test_a_header_a_cursor_and_cells_are_told_from_rows(values: list[Any], expected: int | None) -> None:
    assert records(texts(json.dumps(values)), "run_commands") == expected
