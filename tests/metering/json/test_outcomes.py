"""Objects that report how a call went: an error, a write, work that goes on, nothing found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.metering.support import metered, records, structured, texts

BOATS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


@pytest.mark.parametrize(
    "value",
    [
        {"error": True, "code": "Validation", "message": "reserved word: total"},
        {"error": "no such boat", "candidates": ["a", "b"]},
        {"errors": [{"status": "401", "title": "Unauthorized"}]},
        {"errcode": 40001, "errmsg": "invalid key"},
        {"data": None, "errors": [{"message": "no such field"}]},
    ],
)
def test_an_object_that_reports_an_error_has_no_records(value: dict[str, Any]) -> None:
    assert metered(structured(value), "list_boats", table="boats").method == "error"


def test_records_beside_errors_are_not_an_error() -> None:
    assert records(structured({"boats": BOATS, "errors": [{"shard": 2}], "count": 2}), "list_boats") == 2
    assert records(structured({"boats": BOATS, "error": "shard 2 timed out"}), "find") is None


def test_the_errors_that_a_tool_lists_are_records() -> None:
    assert records(structured({"errors": BOATS, "count": 2}), "list_errors") == 2


@pytest.mark.parametrize(
    "value",
    [
        {"id": "7", "found": False},
        {"data": {"boat": None}},
        {"boat": {}},
        {"name": "Ada", "history": "No boat found for 'Ada'."},
    ],
)
def test_an_object_that_says_that_there_is_nothing_has_no_records(value: dict[str, Any]) -> None:
    assert records(structured(value), "get_boat", table="boats", id="7", name="Ada") == 0


def test_a_selected_row_of_nulls_is_a_row() -> None:
    assert records(structured({"highest": None}), "query", sql="SELECT max(len) AS highest FROM boats") == 1


def test_the_state_of_pending_work_is_no_record() -> None:
    assert records(structured({"run_id": "r1", "status": "PENDING", "result": None}), "get_run", run_id="r1") == 0
    assert records(structured({"id": "r1", "state": "pending", "berth": 4}), "get_boat", id="r1") == 1


def test_the_kind_of_a_write_is_no_record() -> None:
    written = {"_id": "b9", "_version": 1, "result": "created"}
    assert records(structured(written), "index_boat", table="boats", id="b9") == 0


def test_a_message_that_confirms_a_write_takes_precedence_over_what_was_written() -> None:
    written = {"data": {"message": "Successfully updated 1 boat(s)", "boats": [{"old": "a", "new": "b"}]}}
    assert records(structured(written), "set_boat_name", id="7") == 0


@pytest.mark.parametrize(
    "value", [{"added_files": BOATS, "dry_run": False}, {"request_id": "r1", "added_files": ["b1", "b2"]}]
)
def test_a_list_with_the_name_of_a_write_is_in_doubt_unless_the_tool_reads(value: dict[str, Any]) -> None:
    assert records(structured(value), "moor_boats") is None
    assert records(structured(value), "get_changes") == 2


def test_an_object_that_holds_only_an_id_or_objects_is_in_doubt() -> None:
    assert records(structured({"id": 27}), "moor", table="boats") is None
    assert records(structured({"boat": {"a": {"b": {"c": 1}}}}), "moor", table="boats") is None


def test_null_is_an_empty_list_for_a_listing_tool() -> None:
    assert records(texts("null"), "get-boats") == 0
    assert records(texts("null"), "get_boat") is None


def test_a_state_that_is_the_participle_of_the_verb_acknowledges_it() -> None:
    assert records(structured({"status": "cancelled", "job_id": "J7"}), "cancel_search", job_id="J7") == 0
    assert records(structured({"status": "paused", "boat": "Idun"}), "pause_run", boat="Idun") == 0
    assert records(structured({"status": "cancelled", "berth": 4}), "cancel_search", boat="Idun") is None
    assert records(structured({"status": "queried", "count": 4}), "query_boats", port="Bergen") is None
    assert records(structured({"status": "executed"}), "execute_sql", sql="SELECT a, b FROM boats") is None


def test_the_first_paragraph_of_a_message_may_confirm_a_write() -> None:
    written = {
        "status": "planned",
        "boats": BOATS,
        "message": "Boats have been successfully added.\n\n| id | name |\n|---|---|\n| 1 | a |",
    }
    assert records(structured(written), "moor_boats") == 0
    assert records(structured(written), "list_boats") == 2


def test_the_entity_that_a_tool_has_marked_is_no_record() -> None:
    marked = {"status": "boat_marked_moored", "boat": {"id": 7, "name": "Idun"}}
    assert records(structured(marked), "mark_boat_moored", boat_id="7") == 0
    assert records(structured({"marks": BOATS}), "get_marks") == 2


def test_the_echo_of_a_mutation_is_no_record() -> None:
    echo = {"data": {"addBoat": {"id": "5", "name": "Idun"}}}
    assert (
        records(texts(json.dumps(echo)), "query_graphql", query='mutation { addBoat(name: "Idun") { id name } }') == 0
    )
    assert records(texts(json.dumps({"data": {"boats": BOATS}})), "query_graphql", query="{ boats { id name } }") == 2


def test_an_object_that_names_what_was_created_reports_a_write() -> None:
    done = {"success": True, "mode": "create", "created": "v2", "deleted": None, "signed": False}
    assert records(structured(done), "boat_tag", mode="create", name="v2") == 0
    assert records(structured({**done, "created": "2026-01-01"}), "boat_tag", mode="show", name="v2") is None
    assert records(structured({**done, "tags": ["v1", "v2"]}), "boat_tag", mode="create", name="v2") is None


@pytest.mark.parametrize("message", ["Alert 7 muted", "Alarm of boat 7 silenced.", "Boat 7 was painted"])
def test_a_message_that_something_was_done_reports_a_write(message: str) -> None:
    assert records(structured({"success": True, "message": message}), "boats", action="x", id="7") == 0


@pytest.mark.parametrize("message", ["Boat 7 is locked", "Alert 7 was not muted", "Ida lies in Brno", "Query executed"])
def test_a_message_of_a_state_is_unknown(message: str) -> None:
    assert records(structured({"success": True, "message": message}), "boats", action="x", id="7") is None


def test_a_message_without_success_tells_nothing() -> None:
    assert records(structured({"status": "x", "message": "Alert 7 muted"}), "boats", action="x", id="7") is None


@pytest.mark.parametrize(
    "value",
    [
        {"ok": False, "boats": BOATS},
        {"success": False, "checkedBoats": BOATS, "numTotal": 2},
        {"status": "failed", "sunk": BOATS},
        {"data": {"boats": BOATS}, "errors": [{"message": "timeout"}]},
        {"ok": False, "error": "none", "data": {"rows": BOATS}},
    ],
)
def test_an_object_with_a_full_list_is_no_failure(value: dict[str, Any]) -> None:
    assert records(texts(json.dumps(value)), "scan_boats") in (2, None)


@pytest.mark.parametrize(
    "value",
    [
        {"ok": False, "error": "no such port"},
        {"success": False, "details": BOATS},
        {"error": "no such port", "id": "b9"},
        [{"error": "no such port"}],
        {"data": {"boats": None}, "errors": [{"message": "timeout"}]},
    ],
)
def test_an_object_with_an_error_and_no_data_is_a_failure(value: Any) -> None:
    assert metered(texts(json.dumps(value)), "get_boat", id="b9").method == "error"


def test_a_row_with_an_error_is_no_failure() -> None:
    attempts = [{"id": 5, "error": "disk full", "created": "2026"}]
    assert records(texts(json.dumps(attempts)), "list_attempts") is None
    assert records(texts(json.dumps([{"error_code": "E5", "error_message": "x"}])), "list_error_codes") is None
    sql = "SELECT success, reason FROM attempts LIMIT 1"
    assert records(texts(json.dumps([{"success": False, "reason": "wind"}])), "query", sql=sql) == 1


def test_an_entity_with_an_error_is_no_failure() -> None:
    voyage = {"id": 5, "status": "failed", "error": "wind", "name": "Aurora"}
    assert records(texts(json.dumps(voyage)), "get_voyage", id=5) is None
    assert records(texts(json.dumps({**voyage, "legs": [{"n": 1}, {"n": 2}]})), "get_voyage", id=5) == 1


def test_the_name_of_an_error_is_a_failure_unless_there_are_objects() -> None:
    error = {
        "originalMessage": "Boat '1' not found",
        "recoverySteps": ["Check the id"],
        "errorCode": "RESOURCE_NOT_FOUND",
    }
    assert metered(structured(error), "get_boat", boat_id="1").method == "error"
    assert records(structured({**error, "boats": [{"id": 2}]}), "list_boats") != 0
