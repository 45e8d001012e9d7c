"""Several text blocks of one result."""

from __future__ import annotations

import json

import pytest

from tests.metering.support import records, texts


def test_texts_of_one_word_each_are_names_for_a_listing_tool() -> None:
    assert records(texts("boat:1", "queue", "tags", "rank"), "scan_all_keys") == 4
    assert records(texts("Berths", "Fees", "Empty"), "list_sheets") == 3


def test_objects_with_a_list_of_their_own_in_each_text_are_one_record_each() -> None:
    hits = [{"file": f"{name}.txt", "line": 8, "context": [{"line": 7}, {"line": 9}]} for name in "abc"]
    assert records(texts(*map(json.dumps, hits)), "find_text", pattern="x") == 3


def test_rows_in_each_text_add_up() -> None:
    results = [{"rows": [{"a": 1}], "count": 1}, {"rows": [{"a": 1}, {"a": 2}], "count": 2}]
    assert records(texts(*map(json.dumps, results)), "run_queries") == 3


ROWS = '{"boats": [{"id": 1}, {"id": 2}]}'


@pytest.mark.parametrize(
    "remark",
    [
        "NOTE: this server is old and will be shut down. Please use the new one instead.",
        "Query: boats\nResults: 2 records (with links)",
        "Source: harbour\nTook: 4 ms\nRows: 2",
    ],
)
def test_a_sentence_and_a_statement_of_the_number_beside_data_are_no_records(remark: str) -> None:
    assert records(texts(remark, ROWS), "list_boats") == 2
    assert records(texts(ROWS, remark), "list_boats") == 2


@pytest.mark.parametrize("text", ["Name: c\nBerth: 4", "Query: boats\nResults: 7 records"])
def test_other_fields_beside_data_are_in_doubt(text: str) -> None:
    assert records(texts(text, ROWS), "query") is None


@pytest.mark.parametrize("remark", ["Ida", "req-7", "---", "Oslo, Bergen", "- hint", "See the note; it helps."])
@pytest.mark.parametrize("data", [ROWS, '[{"id":1},{"id":2}]', "| id |\n|---|\n| 1 |\n| 2 |", "id,boat\n1,Auk\n2,Tern"])
def test_a_line_beside_data_adds_nothing(data: str, remark: str) -> None:
    assert records(texts(data, remark), "list_boats") == 2
    assert records(texts(remark, data), "list_boats") == 2


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("[]", "[]"), 0),
        (('[{"id":1}]', '[{"id":2},{"id":3}]'), 3),
        (('{"boats":[{"id":1},{"id":2}]}', '{"boats":[{"id":3}]}'), 3),
        (("1. Auk\n2. Tern", "1. Skua"), 3),
        (("- use a name\n- use a berth", '[{"id":1},{"id":2},{"id":3}]'), None),
        (('{"took":5}', '[{"id":1},{"id":2}]'), 2),
    ],
)
def test_lists_in_several_texts_add_up_and_other_texts_are_in_doubt(values: tuple[str, ...], expected: int) -> None:
    assert records(texts(*values), "list_boats") == expected


def test_embedded_documents_below_their_number_are_counted() -> None:
    documents = [{"type": "resource", "resource": {"uri": f"boat://{at}", "text": f"Boat {at}"}} for at in (1, 2)]
    heading = {"type": "text", "text": "Found 2 boats"}
    assert records({"content": [heading, *documents]}, "search_boats") == 2


@pytest.mark.parametrize(
    "heading", ["Total results: 57, showing 2 from position 0", "Found 57 documents, returning 2", "Showing 2 of 57"]
)
def test_texts_below_a_line_that_states_their_number_are_one_record_each(heading: str) -> None:
    assert records(texts(heading, "boat: Oak\nport: Brno", "boat: Teak\nport: Graz"), "search") == 2


def test_data_beside_a_statement_of_none_are_in_doubt() -> None:
    data = json.dumps({"status": "success", "data": {"results": [{"queryName": "A", "rows": None}]}})
    assert records(texts(data, "note: returned 0 rows (limit 100)"), "search_logs") is None
