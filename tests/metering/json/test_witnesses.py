"""Numbers that a result states beside its records: they confirm a count, or make it unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.metering import meter
from gateway.metering.confidence import Sign
from tests.metering.support import records, structured, texts, wire

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


def signs(value: Any, **arguments: Any) -> tuple[Sign, ...]:
    return meter("query", arguments, wire(structured(value))).signs


@pytest.mark.parametrize(
    "stated",
    [
        {"rows": 2, "data": ROWS},
        {"rowCount": "2", "data": ROWS},
        {"total_returned": 2, "items": ROWS},
        {"numFound": 2, "docs": ROWS},
        {"weights": ROWS, "weight_count": 2},
        {"data": ROWS, "meta": {"returned": 2}},
        {"data": ROWS, "pagination": {"total": 2, "page": 1}},
        {"tables": ROWS, "table_count": 1, "view_count": 1},
    ],
)
def test_a_number_that_states_the_length_of_the_list_confirms_it(stated: dict[str, Any]) -> None:
    assert records(structured(stated)) == 2
    assert Sign.WITNESS_AGREES in signs(stated)


@pytest.mark.parametrize(
    "stated",
    [
        {"data": ROWS, "returned": 3},
        {"data": ROWS, "rows_returned": 1, "count": 2},
        {"data": ROWS, "row_count": 1},
        {"data": ROWS, "total": 1},
        {"data": ROWS, "meta": {"linesReturned": 3}},
        {"weights": ROWS, "count": 70},
    ],
)
def test_a_number_that_contradicts_the_list_makes_the_count_unknown(stated: dict[str, Any]) -> None:
    assert records(structured(stated)) is None


@pytest.mark.parametrize(
    "stated",
    [
        {"data": ROWS, "total": 70},
        {"data": ROWS, "row_count": 70, "has_more": True},
        {"data": ROWS, "count": 70, "limit": 2},
        {"data": ROWS, "count": 70},
        {"data": ROWS, "total_pages": 1},
        {"data": ROWS, "columns": ["id"], "count": 1},
        {"data": ROWS, "size": 9, "elapsed": 1},
    ],
)
def test_a_number_that_counts_something_else_does_not_change_the_count(stated: dict[str, Any]) -> None:
    assert records(structured(stated)) == 2


def test_of_two_lists_the_one_with_the_stated_length_is_counted() -> None:
    assert records(structured({"labels_used": [{"a": 1}], "weights": ROWS, "count": 2})) == 2


def test_one_line_more_than_the_stated_number_is_a_header() -> None:
    assert records(structured({"data": "symbol\nH\nHe", "rows": 2})) == 2


def test_a_number_in_a_short_text_beside_the_records_confirms_or_contradicts_them() -> None:
    rows = json.dumps(ROWS)
    assert records(texts("Found 2 items", rows)) == 2
    assert records(texts("Found 1 items", rows)) is None


def test_texts_below_one_that_announces_their_number_are_one_record_each() -> None:
    assert records(texts("Found 2 invoices:", "Invoice A\nInvoice line 1", "Invoice B")) == 2


def test_the_first_string_of_a_list_that_announces_the_others_is_not_a_record() -> None:
    assert records(structured({"result": ["Found 2 things:", "a", "b"]})) == 2


def test_an_error_beside_a_list_of_unclear_meaning_makes_the_count_unknown() -> None:
    assert records(structured({"error": "timeout", "measurements": ROWS, "kind_of": "x", "region": "y"})) is None
    assert records(structured({"error": None, "measurements": ROWS, "kind_of": "x", "region": "y"})) == 2
