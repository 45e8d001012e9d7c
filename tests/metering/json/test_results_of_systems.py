"""Results in the formats of databases, search engines, logs and web APIs that return JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.metering import meter
from gateway.metering.confidence import Sign
from gateway.metering.tool_declarations import parse_hints
from tests.metering.support import records, structured, texts, wire

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
COLUMNS = [{"name": "id", "type": "INT"}, {"name": "name", "type": "STRING"}]
SHARDS = {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
HITS = {"total": {"value": 120, "relation": "eq"}, "max_score": None}
BUCKETS = {"doc_count_error_upper_bound": 0, "buckets": [{"key": key, "doc_count": 9} for key in "abcd"]}
LOGS = [{"stream": {"app": "a"}, "values": [["1", "x"], ["2", "y"]]}, {"stream": {"app": "b"}, "values": [["3", "z"]]}]

PAGES: list[tuple[int, dict[str, Any]]] = [
    (2, {"took": 5, "timed_out": False, "_shards": SHARDS, "hits": {**HITS, "hits": ROWS}}),
    (0, {"took": 5, "timed_out": False, "_shards": SHARDS, "hits": {**HITS, "hits": []}}),
    (4, {"took": 5, "hits": {**HITS, "hits": []}, "aggregations": {"by_state": BUCKETS}}),
    (1, {"took": 5, "hits": {**HITS, "hits": []}, "aggregations": {"average": {"value": 12.5}}}),
    (2, {"columns": COLUMNS, "values": [[1, "a"], [2, "b"]], "took": 3}),
    (2, {"schema": {"fields": COLUMNS}, "rows": [{"f": [{"v": 1}]}] * 2, "totalRows": "2", "jobComplete": True}),
    (2, {"resultSetMetaData": {"numRows": 2, "rowType": COLUMNS}, "data": [["1", "a"], ["2", "b"]], "code": "09"}),
    (2, {"tables": [{"name": "PrimaryResult", "columns": COLUMNS, "rows": [[1, "a"], [2, "b"]]}]}),
    (0, {"results": [], "fields": COLUMNS, "preview": False, "messages": [{"type": "INFO", "text": "none"}]}),
    (2, {"data": ROWS, "meta": {"page": {"after": "x"}, "elapsed": 10, "status": "done"}, "links": {"next": "u"}}),
    (2, {"status": "Complete", "results": [[{"field": "a", "value": "x"}]] * 2, "statistics": {"recordsMatched": 9.0}}),
    (3, {"status": "success", "data": {"resultType": "streams", "result": LOGS}}),
    (2, {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "1"]}] * 2}}),
    (1, {"status": "success", "data": {"resultType": "scalar", "result": [1777629600, "1"]}}),
    (2, {"totalSize": 2, "done": True, "records": ROWS}),
    (2, {"startAt": 0, "maxResults": 50, "total": 120, "issues": ROWS}),
    (0, {"startAt": 0, "maxResults": 50, "total": 0, "issues": []}),
    (2, {"data": {"issues": {"nodes": ROWS, "pageInfo": {"hasNextPage": False}}}}),
    (2, {"data": {"owner": {"issues": {"totalCount": 10, "edges": [{"node": {}}] * 2, "pageInfo": {}}}}}),
    (2, {"object": "list", "data": ROWS, "has_more": True, "url": "/v1/charges"}),
    (2, {"tickets": ROWS, "count": 5, "next_page": "u", "previous_page": None}),
    (2, {"cursor": {"firstBatch": ROWS, "id": 0, "ns": "shop.orders"}, "ok": 1}),
    (2, {"Items": ROWS, "Count": 2, "ScannedCount": 10, "ConsumedCapacity": None}),
    (2, {"results": [{"columns": ["n"], "data": [{"row": ["a"]}, {"row": ["b"]}]}], "errors": []}),
    (2, {"results": [{"statement_id": 0, "series": [{"name": "cpu", "columns": ["t"], "values": [[1], [2]]}]}]}),
    (0, {"results": [{"statement_id": 0}]}),
    (2, {"result": {"points": ROWS, "next_page_offset": None}, "status": "ok", "time": 0.001}),
    (2, {"hits": ROWS, "nbHits": 100, "page": 0, "nbPages": 50, "hitsPerPage": 2, "query": "x"}),
    (0, {"hits": [], "estimatedTotalHits": 0, "limit": 20, "offset": 0, "query": "x"}),
    (2, {"ColumnMetadata": COLUMNS, "Records": [[{"stringValue": "a"}], [{"stringValue": "b"}]], "TotalNumRows": 2}),
    (2, {"meta": COLUMNS, "data": ROWS, "rows": 2, "rows_before_limit_at_least": 10, "statistics": {"rows_read": 9}}),
    (2, {"resultTable": {"dataSchema": {"columnNames": ["id"]}, "rows": [[1], [2]]}, "totalDocs": 9, "exceptions": []}),
    (0, {"head": {"vars": ["p"]}, "results": {"bindings": []}}),
    (0, {"ok": True, "messages": [], "has_more": False, "pin_count": 0}),
    (0, {"metric_alarms": [], "composite_alarms": [], "has_more_results": False}),
]


@pytest.mark.parametrize(("expected", "page"), PAGES, ids=lambda value: json.dumps(value)[:60])
def test_the_items_of_a_page_are_counted(expected: int, page: dict[str, Any]) -> None:
    assert records(texts(json.dumps(page)), "search") == expected
    assert records(structured(page), "search") == expected


def test_a_header_row_that_names_the_described_columns_is_not_counted() -> None:
    rows = [{"Data": [{"VarCharValue": value}]} for value in ("id", "1", "2")]
    described = {"ColumnInfo": [{"Name": "id", "Type": "varchar"}]}
    assert records(structured({"ResultSet": {"Rows": rows, "ResultSetMetadata": described}})) == 2


def test_the_rows_of_a_data_frame_that_is_listed_by_column_are_counted() -> None:
    frame = {"schema": {"refId": "A", "fields": COLUMNS}, "data": {"values": [[1, 2, 3], [4, 5, 6]]}}
    assert records(structured({"results": {"A": {"status": 200, "frames": [frame]}}})) == 3


def test_several_results_by_name_add_up() -> None:
    results = {"a": {"data": "symbol\nH\nHe", "rows": 2}, "b": {"data": "symbol\nX\nY\nZ", "rows": 3}}
    assert records(structured(results)) == 5
    assert records(structured({"a": {"rows": ROWS, "row_count": 2}, "b": {"rows": ROWS[:1], "row_count": 1}})) == 3


def test_the_results_of_several_statements_add_up() -> None:
    assert records(structured({"result": [ROWS, [{"count": 21}]]})) == 3


def test_rows_of_cells_are_not_results() -> None:
    cells = [[{"coordinate": "A1", "value": 1}, {"coordinate": "B1", "value": 2}]] * 3
    assert records(structured({"data": cells})) == 3


def test_facets_count_their_buckets() -> None:
    facets = [{"field": "brand", "buckets": [{"value": "a"}, {"value": "b"}]}, {"field": "size", "buckets": [{}]}]
    assert records(structured({"facets": facets}), "facets") == 3


def test_json_in_strings_in_json_is_read() -> None:
    assert records(structured({"result": json.dumps({"data": json.dumps(ROWS)})})) == 2


def test_a_table_in_a_member_is_read() -> None:
    table = "| id | name |\n|---|---|\n| 1 | a |\n| 2 | b |"
    assert records(structured({"table": table, "rowCount": 2})) == 2
    assert records(structured({"format": "csv", "data": "id,name\n1,a\n2,b", "row_count": 2})) == 2


def test_an_empty_list_beside_the_real_one_does_not_count_as_0() -> None:
    streams = [{"labels": {"app": "a"}, "lines": [{"line": "x"}, {"line": "y"}]}, {"labels": {}, "lines": [{}]}]
    assert records(structured({"data": [], "streams": streams})) == 3


def test_an_empty_list_beside_a_list_of_unclear_meaning_is_unknown() -> None:
    assert records(structured({"items": [], "defaultReminders": [{"method": "popup", "minutes": 10}]})) is None


def test_an_empty_list_beside_the_columns_of_the_result_is_0() -> None:
    assert (
        records(structured({"data": [], "columns": COLUMNS, "selected_columns": COLUMNS, "expanded_columns": []})) == 0
    )
    assert records(structured({"data": {"rows": [], "cols": COLUMNS}, "row_count": 0})) == 0


def test_a_result_of_null_without_content_is_0() -> None:
    assert records({"content": [], "structuredContent": {"result": None}}) == 0


@pytest.mark.parametrize(
    "answer",
    [
        {"statement_id": "01f0", "status": {"state": "PENDING"}},
        {"queryId": "q", "status": "Running"},
        {"message": "Asynchronous execution in progress.", "statementHandle": "01b", "statementStatusUrl": "/api"},
    ],
)
def test_an_answer_that_the_work_goes_on_is_0(answer: dict[str, Any]) -> None:
    assert records(structured(answer), sql="SELECT id, name FROM t") == 0


def test_a_record_with_a_state_is_a_record() -> None:
    orders = [{"order_id": 1, "status": "pending", "sku": "a"}]
    assert records(structured({"orders": orders}), "get_orders") == 1
    assert records(structured({"id": 1, "status": "pending"}), sql="SELECT id, status FROM orders") == 1


def test_a_state_of_failure_is_an_error() -> None:
    failed = {"statement_id": "01f0", "status": {"state": "FAILED", "error": {"message": "no table"}}}
    assert records(structured(failed), sql="SELECT id FROM t") == 0


def test_a_stated_total_of_0_without_a_list_is_0() -> None:
    manifest = {"schema": {"column_count": 1, "columns": COLUMNS}, "total_row_count": 0, "truncated": False}
    assert records(structured({"status": {"state": "SUCCEEDED"}, "manifest": manifest, "result": {}})) == 0


@pytest.mark.parametrize("value", [{"f0_": 1}, {"count": 5}, [{"count": 5}], {"rows": [[5]]}])
def test_the_single_value_of_a_statement_is_one_record(value: Any) -> None:
    assert records(texts(json.dumps(value)), sql="SELECT count(*) FROM t") == 1


def test_an_object_without_the_selected_columns_is_not_a_row() -> None:
    assert records(structured({"engine": "x", "uptime": 5}), sql="SELECT id FROM t") is None


def test_one_entity_that_a_tool_fetches_by_its_id_is_one_record() -> None:
    issue = {"key": "A-1", "title": "x", "labels": ["a"], "comments": 2}
    assert records(structured(issue), "get_issue", issue_id="A-1") == 1
    assert records(structured({"inventory": "M006", "title": "Mask"}), "get-exhibit", inventory="M006") == 1
    assert records(structured({"ok": True, "profile": {"title": ""}}), "get_user_profile", user_id="U02") == 1


@pytest.mark.parametrize("tool", ["get_server_status", "get_column_stats", "index_info", "health_check"])
def test_statistics_have_no_number_of_records(tool: str) -> None:
    assert records(structured({"minimum": 1, "maximum": 2, "mean": 1.5}), tool, table="t") is None


@pytest.mark.parametrize(
    "tool", ["create_comment", "task_create", "hubspot-batch-create-objects", "new_item", "post_message"]
)
def test_the_result_of_a_write_is_0_whatever_it_returns(tool: str) -> None:
    assert records(structured({"item": {"id": 26, "title": "x"}}), tool) == 0
    assert records(structured({"results": ROWS}), tool) == 0
    assert records(texts("File: /srv/a.md\n\nTask 24"), tool) == 0


@pytest.mark.parametrize("tool", ["get_new_items", "new_releases", "edit_history", "list_updates"])
def test_a_verb_of_writing_within_a_noun_does_not_make_a_write(tool: str) -> None:
    assert records(structured({"results": ROWS}), tool) == 2


def test_each_column_that_a_tool_describes_is_one_record() -> None:
    described = {"sheet": "plants", "columns": [*COLUMNS, {"name": "x"}], "row_count": 25, "sample": ROWS}
    assert records(structured(described), "describe_table") == 3


def test_an_entity_with_a_list_in_it_is_one_record() -> None:
    order = {"id": 7, "status": "paid", "customer": "x", "items": [{"sku": 1}, {"sku": 2}]}
    assert records(structured(order), "get_order", order_id=7) == 1
    assert records(structured({"order": order}), "get_order", order_id=7) == 1
    assert records(structured({"orders": [order, order]}), "get_orders") == 2


@pytest.mark.parametrize(
    "answer",
    [
        {"statusCode": 404, "message": "x is unknown", "path": "/a"},
        {"detail": "Not found."},
        {"message": "Not Found", "documentation_url": "https://docs.example", "status": "404"},
        {"issue": None},
    ],
)
def test_the_answer_that_an_entity_does_not_exist_is_0(answer: dict[str, Any]) -> None:
    assert records(structured(answer), "get_issue", issue_id="x") == 0


def test_the_results_of_several_searches_add_up() -> None:
    responses = [{"hits": {"total": {"value": 9}, "hits": ROWS}, "status": 200}, {"hits": {"hits": ROWS[:1]}}]
    assert records(structured({"took": 3, "responses": responses}), "msearch") == 3


def test_groups_add_up_if_the_result_states_the_number_of_what_is_in_them() -> None:
    files = [{"file": "a", "matches": [{"line": 1}, {"line": 2}]}, {"file": "b", "matches": [{"line": 1}]}]
    assert records(structured({"results": files, "total_matches": 3}), "search") == 3
    assert records(structured({"results": files, "total_files": 2}), "search") == 2


def test_frames_of_which_only_some_hold_rows_are_unknown() -> None:
    frames = [{"FrameType": "Header"}, {"FrameType": "Table", "Rows": [[1], [2]]}, {"FrameType": "Completion"}]
    assert records(texts(json.dumps(frames))) is None


def test_the_answer_to_a_yes_or_no_question_has_no_number_of_records() -> None:
    assert records(structured({"exists": True}), "table_exists", table="t") is None


def test_a_count_of_parts_does_not_contradict_the_list() -> None:
    assert records(structured({"files": ROWS, "line_count": 200}), "list_files") == 2


def test_the_list_that_the_output_schema_names_is_counted() -> None:
    value = {"notices": [{"a": 1}], "weights": ROWS}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {"notices": {"type": "array", "items": {"type": "string"}}},
    }
    schema["properties"]["weights"] = {"type": "array", "items": {"type": "object"}}
    hints = parse_hints(json.dumps({"output": schema}).encode())
    result = meter("query", {}, wire(structured(value)), None, hints)
    assert (result.records, result.path) == (2, "structuredContent.weights")
    assert Sign.SCHEMA_AGREES in result.signs


@pytest.mark.parametrize(
    "value",
    [
        {"ok": True, "messages": ROWS, "extras": []},
        {"_links": {"self": {}}, "total": 30, "_embedded": {"exhibits": ROWS}, "extras": []},
        {"success": True, "json": json.dumps(ROWS), "extras": []},
        {"result": json.dumps(ROWS), "weight": "abc"},
    ],
)
def test_an_empty_list_or_a_value_beside_the_records_does_not_hide_them(value: dict[str, Any]) -> None:
    assert records(structured(value), "get_channel_history") == 2


def test_an_empty_list_beside_an_entity_does_not_hide_it() -> None:
    value = {"success": True, "data": {"document": {"_id": "part:007", "name": "valve"}}, "extras": [], "warnings": []}
    assert records(structured(value), "get_document", document_id="part:007") == 1


def test_a_message_that_there_is_nothing_is_no_record_whatever_is_beside_it() -> None:
    message = {"message": "Query returned no results.", "status": "success"}
    assert records(structured({**message, "result_id": "17b", "warnings": []}), sql="SELECT * FROM t") == 0
    assert records(structured({"message": "Query returned no results.", "weight": "x"}), sql="SELECT * FROM t") is None


@pytest.mark.parametrize(
    ("tool", "arguments", "entity"),
    [
        ("get_issue", {"issue_number": 3}, {"number": 3, "title": "x", "labels": ROWS, "assignees": [], "comments": 4}),
        ("get_order", {"order_id": 3}, {"id": 3, "total": 5, "items": ROWS}),
        ("get_order", {"order_id": 3}, {"order_id": 3, "status": "paid", "items": ROWS, "total": 10}),
        ("get_order", {"order_id": 3}, {"data": {"id": 3, "total": 5, "items": ROWS}}),
        ("get_order", {"order_id": 3}, {"order": {"id": 3, "total": 5, "items": ROWS}}),
        ("get_customer", {"customer_id": "9"}, {"customer_id": 9, "name": "Ann", "orders": ROWS, "addresses": [{}]}),
        ("get_playlist", {"playlist_id": "P"}, {"id": "P", "name": "n", "tracks": {"items": ROWS, "total": 2}}),
    ],
)
def test_an_entity_that_the_arguments_name_is_one_record_whatever_lists_are_in_it(
    tool: str, arguments: dict[str, Any], entity: dict[str, Any]
) -> None:
    assert records(structured(entity), tool, **arguments) == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "page"),
    [
        ("fetch_page", {}, {"items": ROWS, "total": 10}),
        ("search", {"q": "x"}, {"title": "Hits", "status": "open", "items": ROWS, "total": 10}),
        ("list_items", {"order_id": 3}, {"order_id": 3, "status": "paid", "items": ROWS}),
        ("get_query_result", {"query_id": 7}, {"query_id": 7, "status": "finished", "runtime": 1.5, "rows": ROWS}),
        ("get_query_result", {"query_id": 7}, {"id": 7, "state": "done", "runtime": 1.5, "data": ROWS}),
        ("run_query", {"sql": "SELECT id, name FROM t"}, {"title": "x", "created": "2024-05-01", "items": ROWS}),
    ],
)
def test_a_page_of_items_has_as_many_records_whatever_describes_it(
    tool: str, arguments: dict[str, Any], page: dict[str, Any]
) -> None:
    assert records(structured(page), tool, **arguments) == 2


@pytest.mark.parametrize(
    ("tool", "value"),
    [
        ("fetch_playlist", {"title": "Mix", "created": "2024-05-01", "items": ROWS}),
        ("playlist", {"title": "Mix", "created": "2024-05-01", "items": ROWS}),
        ("playlist", {"title": "Mix", "author": "Ann", "labels": ROWS}),
    ],
)
def test_a_list_beside_values_that_describe_an_entity_is_unknown(tool: str, value: dict[str, Any]) -> None:
    result = meter(tool, {}, wire(structured(value)))
    assert result.records is None
    assert Sign.ENTITY_BESIDE in result.signs


def test_the_number_of_items_that_is_stated_beside_an_entity_confirms_them() -> None:
    assert records(structured({"title": "Mix", "created": "2024-05-01", "items": ROWS, "count": 2}), "mix") == 2


@pytest.mark.parametrize("column", [{"name": "a", "nulls": 3}, {"name": "a", "min": 1, "max": 2}])
def test_statistics_by_column_have_no_number_of_records(column: dict[str, Any]) -> None:
    described = {"table": "t", "row_count": 500, "size_mb": 3, "columns": [column, {**column, "name": "b"}]}
    assert records(structured(described), "get_table_stats", table="t") is None
    assert records(structured(described), "describe_table", table="t") == 2


@pytest.mark.parametrize("names", [["id"], ["id", "name"]])
def test_a_first_row_that_repeats_the_names_of_the_columns_is_not_counted(names: list[str]) -> None:
    header = {"Data": [{"VarCharValue": name} for name in names]}
    rows = [{"Data": [{"VarCharValue": f"{number}{name}"} for name in names]} for number in range(3)]
    described = {"ColumnInfo": [{"Name": name} for name in names]}
    for rows_with_header, expected in [([header, *rows], 3), ([header], 0), (rows, 3)]:
        value = {"ResultSet": {"Rows": rows_with_header, "ResultSetMetadata": described}}
        assert records(structured(value), "get_query_results", query_execution_id="x") == expected


@pytest.mark.parametrize("answer", [{}, {"ConsumedCapacity": {"CapacityUnits": 0.5}}])
def test_an_answer_that_only_describes_the_request_is_no_record(answer: dict[str, Any]) -> None:
    result = structured({**answer, "ResponseMetadata": {"HTTPStatusCode": 200}})
    assert records(result, "get_item", table_name="orders", key={"id": "1"}) is None


def test_an_object_with_columns_of_values_in_a_member_is_not_one_record() -> None:
    forecast = {"city": "Berlin", "current": {"temp": 5}, "hourly": {"time": ["a", "b", "c"], "temp": [1, 2, 3]}}
    assert records(structured(forecast), "get_forecast", city="Berlin") is None


def test_the_only_entry_of_a_map_does_not_become_a_list_beside_other_members() -> None:
    assert records(structured({"2024-01-02": {"table": []}})) == 1
    assert records(structured({"2024-01-02": {"table": []}, "elapsed_ms": None})) is None
    assert records(structured({"2024-01-02": {"0": []}, "elapsed_ms": False})) is None


def test_an_empty_list_of_columns_has_no_types() -> None:
    assert records(structured({"a": [1, 2], "b": [3, 4], "c": 1, "columns": []})) is None


def test_a_tool_that_manages_things_does_what_its_operation_says() -> None:
    boats = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    assert records(texts("# Boat Created\n\nName: Idun"), "manage_boats", operation="create") == 0
    assert records(structured({"boats": boats}), "manage_boats", action="delete") == 0
    assert records(structured({"boats": boats}), "manage_boats", action="list") == 2
    assert records(structured({"boats": boats}), "boats", action="create_view") == 2


def test_the_log_that_a_tool_returns_counts_beside_single_values() -> None:
    log = "\n".join(["-" * 72, "r2 | ada | 2026-01-02 | 1 line", "", "Paint, sand", "-" * 72])
    log += "\n".join(["", "r1 | ada | 2026-01-01 | 1 line", "", "Hull, keel", "-" * 72, ""])
    assert records(structured({"log": log, "error": "", "branch": "^/", "revision": 2}), "svn_log") == 2
    assert records(structured({"log": log, "id": 7, "name": "nightly"}), "build_log") is None
    assert records(structured({"log": log, "name": "nightly"}), "run_tests") is None
    assert records(texts(log), "svn_log") == 2


def test_the_messages_of_a_log_are_records_beside_the_indices_that_were_searched() -> None:
    indices = [{"index_name": "fjord_41"}, {"index_name": "fjord_40"}]
    messages = [{"message": {"level": "error"}, "index": "fjord_41"}] * 3
    found = {"query": "level:error", "used_indices": indices, "messages": messages, "total_results": 37}
    assert records(structured(found), "search_logs", query="level:error") == 3
    none = {"query": "level:error", "used_indices": indices, "messages": [], "total_results": 0}
    assert records(structured(none), "search_logs", query="level:error") == 0
    warned = {"boats": [{"id": 1}, {"id": 2}], "messages": ["slow", "old", "late"]}
    assert records(structured(warned), "search_boats", query="x") == 2


def test_the_acknowledgement_of_an_alert_is_a_write() -> None:
    done = {"message": "Command successfully submitted", "commands": ["ACKNOWLEDGE;boat-1;1"]}
    assert records(structured(done), "boats_acknowledge", boat="boat-1") == 0


def test_a_list_of_objects_has_the_name_of_what_a_tool_in_the_singular_gets() -> None:
    triggers = [{"triggerid": "1", "expression": "a > 3"}, {"triggerid": "2", "expression": "b > 3"}]
    assert records(structured({"triggers": triggers}), "trigger_get", hostids=["7"]) == 2
    assert records(structured({"triggers": ["a", "b"]}), "trigger_get", hostids=["7"]) is None


def test_the_ids_of_what_was_acknowledged_are_no_records() -> None:
    assert records(structured({"eventids": [88120, 88123], "success": True}), "event_acknowledge") == 0


def test_results_as_csv_by_the_id_of_their_tile_add_up() -> None:
    tile = {"title": "Boats", "status": "success", "csv_data": "name,port\r\nIda,Brno\r\nAda,Oslo\r\n"}
    tiles = {f"6603a47b-10a2-52b5-bb91-c88a1a99c12{digit}": tile for digit in "123"}
    assert records(structured(tiles), "run_tiles", dashboard="Boats") == 6


def test_the_facts_about_a_document_are_no_record() -> None:
    facts = {"file_path": "/srv/data/a.pdf", "title": "Boats", "page_count": 3, "author": "Ida", "is_encrypted": False}
    assert records(structured(facts), "get_pdf_info", file_path="/srv/data/a.pdf") is None


def test_the_entries_of_a_stream_are_records_whose_fields_are_pairs() -> None:
    fields = [["port", "Brno"], ["berth", "7"]]
    stream = {"1795500000000-0": fields, "1795500000001-0": fields, "1795500000002-0": fields}
    assert records(structured({"status": "success", "result": stream}), "read_stream", command="XRANGE") == 3


def test_a_tool_that_fetches_by_id_or_details_returns_one_record() -> None:
    boat = {"id": 105, "name": "Ida", "tags": ["a", "b"], "owner": {"name": "Ada"}}
    assert records(texts(json.dumps({"data": boat})), "get_boats_by_id", id=105) == 1
    details = {
        "task_id": 3,
        "task": {"id": 3, "name": "Paint"},
        "logs": [{"id": 1}, {"id": 2}],
        "page": {"log_count": 2},
    }
    assert records(structured(details), "get_task_details", task_id="3") == 1


def test_an_object_with_the_lines_of_a_log_is_in_doubt() -> None:
    log = {"log_text": "2026-01-02 error a\n2026-01-03 error b", "level": "error", "warnings": 0}
    assert records(structured(log), "get_error_log", level="error") is None
