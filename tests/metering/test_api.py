"""Metering of whole calls: results in their wire format, and the tables and records found in them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.metering import MeteringResult, meter, tables_in_arguments
from gateway.metering.confidence import Sign
from gateway.metering.tool_declarations import parse_hints
from tests.metering.support import metered, records, structured, texts, wire

ROWS = [{"date": "2024-01-02", "close": 1.5}, {"date": "2024-01-03", "close": 2.5}]


def test_a_declared_table_and_its_rows_are_read_from_structured_content() -> None:
    result = structured({"table": "Stock_Prices", "record_count": 2, "records": ROWS})
    assert metered(result) == MeteringResult(("stock_prices",), 2, "declared")


def test_the_list_takes_precedence_over_a_stated_number() -> None:
    assert metered(structured({"table_name": "t", "row_count": 12154, "rows": ROWS})) == MeteringResult(
        ("t",), 2, "declared"
    )


@pytest.mark.parametrize(
    "stated", [{"row_count": 1}, {"rows_returned": 3}, {"metadata": {"returned": 1}}, {"total": 1}]
)
def test_a_list_and_a_stated_number_that_contradicts_it_are_unknown(stated: dict[str, Any]) -> None:
    assert records(structured({"rows": ROWS, **stated})) is None


def test_a_count_has_a_confidence_its_place_its_witness_and_its_signs() -> None:
    result = meter("query", {}, wire(structured({"data": {"rows": ROWS, "row_count": 2}})))
    assert (result.path, result.witness) == ("structuredContent.data.rows", "structuredContent.data.row_count")
    assert result.signs == (Sign.COMMON_LIST, Sign.WITNESS_AGREES)
    assert result.confidence is not None
    assert 0.99 < result.confidence < 1


def test_an_unknown_count_in_doubt_keeps_its_place_its_witness_and_its_signs() -> None:
    result = meter("query", {}, wire(structured({"rows": ROWS, "returned": 3})))
    assert (result.records, result.method) == (None, "unknown")
    assert (result.path, result.witness) == ("structuredContent.rows", "structuredContent.returned")
    assert result.signs == (Sign.COMMON_LIST, Sign.WITNESS_DISAGREES)
    assert result.confidence is not None
    assert result.confidence < 0.1


def test_names_in_a_path_that_may_be_data_are_left_out() -> None:
    result = meter("query", {}, wire(structured({"2024-01-02 Müller": {"rows": ROWS}})))
    assert result.path == "structuredContent.*.rows"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"hofmann": [{"a": 1}, {"a": 2}]}, "structuredContent.*"),
        ({"data": {"hofmann": [{"a": 1}, {"a": 2}]}}, "structuredContent.data.*"),
        ({"rows": [{"a": 1}, {"a": 2}]}, "structuredContent.rows"),
        ({"orders": [{"a": 1}, {"a": 2}]}, "structuredContent.orders"),
        ({"parcels": [{"a": 1}, {"a": 2}]}, "structuredContent.parcels"),
    ],
)
def test_the_only_key_of_a_map_is_in_the_path_only_if_it_is_no_data(value: dict[str, Any], path: str) -> None:
    listed = {"type": "array", "items": {"type": "object"}}
    schema = {"type": "object", "properties": {"parcels": listed}}
    hints = parse_hints(wire({"output": schema}))
    assert meter("list_orders", {}, wire(structured(value)), None, hints).path == path


def test_more_records_than_the_limit_of_the_call_are_doubtful() -> None:
    assert records(structured({"weights": ROWS}), limit=2) == 2
    assert records(structured({"weights": ROWS}), limit=1) is None


def test_the_number_that_exists_is_not_the_number_returned() -> None:
    assert records(structured({"items": ROWS, "total": 500, "page": 1})) == 2


def test_a_stated_number_is_used_if_there_is_no_list() -> None:
    assert metered(structured({"table": "t", "record_count": 7})) == MeteringResult(("t",), 7, "declared")


def test_a_text_that_mirrors_structured_content_is_not_counted_twice() -> None:
    assert records(structured({"result": ROWS})) == 2


def test_an_error_has_no_records_and_no_tables() -> None:
    assert metered(texts("no such table: t", isError=True), sql="SELECT * FROM t") == MeteringResult((), 0, "error")


@pytest.mark.parametrize(
    "text",
    [
        'Error: relation "x" does not exist',
        "Database error: no such table: stock",
        "Error executing tool read_range: Sheet 'Nope' not found.",
        '{"success": false, "error": "no such column"}',
        '{"error": "Catalog Error: Table with name zilch does not exist!", "type": "CatalogException"}',
        "psycopg2.errors.UndefinedTable: relation does not exist",
        "❌ Query failed: timeout",
        "ENOENT: no such file or directory, open '/x'",
        "Only SELECT queries are allowed",
        "Query rejected: only SELECT is allowed",
        "Query 'x' not found. Available: a, b",
        "Table 'x' doesn't exist",
        "(1146, \"Table 'db.x' doesn't exist\")",
        "Unexpected error: boom",
        'SQL Error: near "SELEC": syntax error',
        "错误: 缺少查询语句",
        "Error: 42P01\nLINE 1: SELECT\n        ^",
        'Traceback (most recent call last):\n  File "x"\nValueError: y',
    ],
)
def test_a_text_that_reports_an_error_is_an_error_without_is_error(text: str) -> None:
    assert metered(texts(text, isError=False), sql="SELECT * FROM x") == MeteringResult((), 0, "error")


@pytest.mark.parametrize(
    "value",
    [
        [{"affected_rows": 12}],
        {"success": True, "rowsAffected": 3},
        {"acknowledged": True, "insertedId": "6f"},
        {"changes": 1, "lastInsertRowid": 9},
    ],
)
def test_the_report_of_a_write_is_not_a_record(value: Any) -> None:
    assert records(structured({"result": value})) == 0
    assert records(texts(repr(value))) == 0


@pytest.mark.parametrize(
    "text", ["Success: 1 rows affected", "Query OK, 3 rows affected", "INSERT 0 1", "2 rows inserted."]
)
def test_a_text_of_affected_rows_has_no_records(text: str) -> None:
    assert records(texts(text)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "No results",
        "No rows returned",
        "0 rows",
        "Query returned no rows.",
        "Empty set (0.00 sec)",
        "Query executed successfully but returned no results.",
        "No electronic messages found for 'X'.",
    ],
)
def test_a_text_that_states_that_nothing_was_found_has_no_records(text: str) -> None:
    assert records(texts(text)) == 0


def test_a_write_has_no_records_whatever_its_result() -> None:
    result = metered(texts("[{'n': 1}]"), sql="INSERT INTO t SELECT * FROM u")
    assert result == MeteringResult(("u",), 0, "write_statement", written=("t",))


def test_a_write_that_returns_rows_has_records() -> None:
    result = metered(texts("[{'id': 1}]"), sql="DELETE FROM t WHERE id = 1 RETURNING id")
    assert result == MeteringResult(("t",), 1, "repr_text", written=("t",))


def test_the_plan_of_a_statement_reads_nothing_and_has_no_records() -> None:
    result = metered(texts("[{'detail': 'SCAN orders'}]"), sql="EXPLAIN QUERY PLAN SELECT * FROM orders")
    assert result == MeteringResult((), None, "unknown")
    assert metered(texts("Error: x"), sql="EXPLAIN SELECT 1").method == "error"


@pytest.mark.parametrize(
    "text", ["Table created successfully", "Entities deleted successfully", "Successfully wrote 3 rows"]
)
def test_a_message_of_a_write_has_no_records(text: str) -> None:
    assert records(texts(text)) == 0
    assert records(structured({"success": True, "message": text})) == 0


def test_prose_in_a_wrapper_is_not_a_record() -> None:
    assert records(structured({"result": "Something that is no table."}), "query", sql="SELECT a, b FROM t") is None
    assert records(structured({"result": 7}), "query", table="t") is None


def test_unknown_structured_content_is_not_empty() -> None:
    assert records({"content": [], "structuredContent": {"a": {"b": 1}}}) is None
    assert records({"content": []}) == 0
    assert records({"content": [], "structuredContent": None}) == 0


def test_a_table_in_the_result_takes_its_schema_from_the_arguments() -> None:
    result = metered(
        structured({"table": "airports", "results": [{"name": "faa"}]}), "search", table="airports", schema="ref"
    )
    assert result.tables == ("ref.airports",)


def test_prose_is_unknown() -> None:
    assert metered(texts("The weather is fine, and will be.")) == MeteringResult((), None, "unknown")


def test_one_object_is_a_record_only_if_the_table_is_known_or_the_tool_fetches_an_entity() -> None:
    one = {"id": 5, "name": "Bob"}
    assert records(structured(one), "get_row", table="people") == 1
    assert records(structured(one), "get_person") == 1
    assert records(structured(one), "summarize_person") is None
    assert records(structured({"hours": 5, "minutes": 7}), "get_time") is None


def test_the_declared_rows_of_a_write_are_its_echo() -> None:
    rows = structured({"table": "boats", "rows": [{"id": 1}, {"id": 2}]})
    assert records(rows, "create_boats", boats=[{"name": "Oak"}]) == 0
    assert records(rows, "create_boats", sql="INSERT INTO boats VALUES (1), (2) RETURNING id") == 2
    assert records(rows, "list_boats") == 2


def test_content_blocks_add_up() -> None:
    assert records(texts("[1,2]", "[3]")) == 3


def test_content_blocks_with_one_object_each_are_one_record_each() -> None:
    assert records(texts("Found 9 documents, showing 2", '{"_id": 1, "a": 2}', '{"_id": 2, "a": 3}')) == 2


def test_embedded_resources_are_read_like_texts() -> None:
    block = {"type": "resource", "resource": {"uri": "x://y", "mimeType": "text/csv", "text": "id,name\n1,A\n2,B\n"}}
    assert records({"content": [block]}) == 2


def test_a_resource_that_repeats_the_text_in_another_format_is_not_counted_twice() -> None:
    text = {"type": "text", "text": "data:\n- A: 1\n  B: x\n- A: 2\n  B: y"}
    block = {
        "type": "resource",
        "resource": {"uri": "data://1", "mimeType": "application/json", "text": '[{"A": 1}, {"A": 2}]'},
    }
    assert records({"content": [text, block]}) == 2
    assert records({"content": [block, text]}) == 2
    assert records({"content": [block, block]}) == 4


def test_resource_links_are_counted_if_there_is_no_other_content() -> None:
    link = {"type": "resource_link", "uri": "file:///a.csv", "name": "a"}
    assert records({"content": [link, link, link]}) == 3
    assert records({"content": [{"type": "text", "text": "[1,2]"}, link]}) == 2


@pytest.mark.parametrize(
    "wire_bytes", [b"", b"null", b"[]", b"1", b"{", b"\xff\xfe", b'{"content":7,"structuredContent":']
)
def test_malformed_results_are_unknown(wire_bytes: bytes) -> None:
    assert meter("t", {}, wire_bytes) == MeteringResult((), None, "unknown")


def test_a_metadata_tool_reads_no_table() -> None:
    assert metered(structured({"tables": [{"name": "a"}, {"name": "b"}]}), "list_tables") == MeteringResult(
        (), 2, "structured"
    )


def test_listed_tables_without_rows_are_not_tables_that_were_read() -> None:
    assert metered(structured({"tables": ["a", "b"], "count": 2}), "list_tables") == MeteringResult((), 2, "structured")


def test_tables_are_known_before_the_call() -> None:
    assert tables_in_arguments("query", {"sql": "INSERT INTO a SELECT * FROM b"}) == ("a", "b")
    assert tables_in_arguments("list_tables", {}) == ()
    assert tables_in_arguments("query", {"sql": "SELEC 1"}) is None


def test_the_order_of_members_does_not_change_the_result() -> None:
    first = {"structuredContent": {"rows": ROWS, "table": "t"}, "isError": False}
    second = {"isError": False, "structuredContent": {"table": "t", "rows": ROWS}}
    assert meter("q", {}, wire(first)) == meter("q", {}, wire(second))


TABLE = "| id | name |\n|---|---|\n| 1 | Aurora |\n| 2 | Bora |\n| 3 | Cirrus |"


@pytest.mark.parametrize(
    "content",
    [
        {"rows": [], "row_count": 0},
        {"items": []},
        {"table": "boats", "rows": []},
        {"status": "pending", "job_id": "7"},
        {"message": "No data"},
        {"rows": [{"id": 1, "name": "Aurora"}], "row_count": 1},
        {"tables": ["boats"]},
    ],
)
def test_a_text_with_more_records_than_the_structured_content_is_in_doubt(content: dict[str, Any]) -> None:
    assert records({**texts(TABLE), "structuredContent": content}, sql="SELECT id, name FROM boats") is None


def test_a_text_is_counted_beside_empty_structured_content() -> None:
    assert records({**texts(TABLE), "structuredContent": {}}, sql="SELECT id, name FROM boats") == 3


def test_a_text_with_the_records_or_a_message_does_not_change_the_structured_content() -> None:
    rows = [{"id": 1, "name": "Aurora"}, {"id": 2, "name": "Bora"}, {"id": 3, "name": "Cirrus"}]
    assert records({**texts(TABLE), "structuredContent": {"rows": rows}}) == 3
    assert records({**texts("No rows."), "structuredContent": {"rows": []}}) == 0
    assert records({**texts("- Aurora\n- Bora"), "structuredContent": {"rows": rows[:1]}}, "list_boats") == 1


@pytest.mark.parametrize(
    "tool", ["archive_boats", "mark_as_read", "reply_to_comment", "lock_boats", "bulk_index", "set_tags", "cancel_jobs"]
)
def test_what_a_tool_has_changed_is_not_counted(tool: str) -> None:
    boats = [{"id": 1, "name": "Aurora"}, {"id": 2, "name": "Bora"}]
    assert records(structured({"items": boats, "count": 2}), tool, id="5") in (0, None)
    assert records(structured({"changed": boats}), tool, id="5") in (0, None)


@pytest.mark.parametrize(
    "tool", ["list_bookings", "search_labels", "resolve-library-id", "place_search", "lock_status"]
)
def test_a_noun_that_looks_like_a_verb_is_no_write(tool: str) -> None:
    boats = [{"id": 1, "name": "Aurora"}, {"id": 2, "name": "Bora"}]
    assert records(structured({"items": boats, "count": 2}), tool, q="x") == 2
