"""A statement that nothing was found, or an error, beside data."""

from __future__ import annotations

import pytest

from tests.metering.support import metered, records, texts

CSV = "id,boat\n1,Auk\n2,Tern"
FIELDS = "id: 1\nboat: Auk\n\nid: 2\nboat: Tern"


@pytest.mark.parametrize("data", [CSV, CSV.replace(",", "\t"), FIELDS, '[{"id": 1}, {"id": 2}]', "1 | Auk\n2 | Tern"])
@pytest.mark.parametrize("remark", ["No more rows.", "No further boats found.", "No errors found.", "No warnings."])
def test_a_remark_that_there_are_no_more_is_no_empty_result(data: str, remark: str) -> None:
    assert records(texts(f"{data}\n\n{remark}"), "query", sql="SELECT id, boat FROM boats") == 2


@pytest.mark.parametrize(
    "text",
    [
        f"{CSV}\n\nNo results found.",
        f"No results found.\n\n{CSV}",
        f"{CSV}\n\n0 rows",
        f"{FIELDS}\n\nNo rows were skipped.",
        "1. Auk\n2. Tern\n\nNo data for boat 3.",
        "Auk, 5 berths\nTern, 4 berths\n\nNo moorings found.",
        "## Auk\n5 berths\n\n## Tern\n4 berths\n\nNo moorings found.",
        "Found 0 boats: Auk, Tern, Skua",
        'No exact match found; showing similar.\n\n[{"id": 1}, {"id": 2}]',
        f"Error fetching page 2\n\n{CSV}",
        "Error: harbour 2 timed out\n\n| id |\n|---|\n| 1 |",
        'Failed: harbour 2\n\n[{"id": 1}]',
        "Failed landings (2):\n1. Auk\n2. Tern",
        "Chart not found, using the old one.\n\n[[1, 2], [3, 4]]",
    ],
)
def test_a_statement_of_no_records_or_an_error_beside_data_is_in_doubt(text: str) -> None:
    answer = metered(texts(text), "search_boats", table="boats")
    assert (answer.tables, answer.records) == (("boats",), None)


@pytest.mark.parametrize(
    "text",
    [
        "## Boats\n\n**Query:** auk\n\nNo results found.",
        "No boats found.\n\nSuggestions:\n- Try another name\n- Check the harbour",
        'Found 0 boats.\n\n{\n  "boats": [],\n  "next": null\n}',
    ],
)
def test_titles_advice_and_an_empty_list_beside_such_a_statement_are_no_data(text: str) -> None:
    assert records(texts(text), "search_boats") == 0
