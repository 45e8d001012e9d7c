"""Rows that are listed by column."""

from __future__ import annotations

from typing import Any

import pytest

from tests.metering.support import records, structured

ROWS_BY_COLUMN = [[1, 2, 3], ["oak", "teak", "ash"]]


def test_lists_of_the_values_of_each_column_are_as_many_rows_as_each_has_values() -> None:
    assert records(structured({"columns": [{"name": "id"}, {"name": "wood"}], "values": ROWS_BY_COLUMN}), "esql") == 3


def test_lists_that_may_be_rows_are_rows() -> None:
    square = [[1, "oak"], [2, "teak"]]
    assert records(structured({"columns": [{"name": "id"}, {"name": "wood"}], "values": square}), "esql") == 2


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"ids": [["a", "b"]], "documents": [["x", "y"]]}, 2),
        ({"ids": [["a", "b"], ["c"]], "documents": [["x", "y"], ["z"]], "distances": [[0.1, 0.2], [0.3]]}, 3),
    ],
)
def test_the_values_for_each_of_several_queries_are_added_up(members: dict[str, Any], expected: int) -> None:
    arguments = {"collection_name": "boats", "query_texts": ["oak", "teak"], "n_results": 2}
    assert records(structured(members), "query_documents", **arguments) == expected


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"id": [1, 2, 3], "wood": ["oak", "teak", "ash"]}, 3),
        ({"id": [], "wood": []}, 0),
        ({"id": {"0": 1, "1": 2}, "wood": {"0": "oak", "1": "teak"}}, 2),
    ],
)
def test_the_columns_of_a_statement_have_as_many_rows_as_values(columns: dict[str, Any], expected: int) -> None:
    assert records(structured(columns), "query", sql="SELECT id, wood FROM boats") == expected
