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
