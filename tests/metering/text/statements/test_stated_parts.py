"""Parts of a text in a server's own markup, which states their number."""

from __future__ import annotations

import pytest

from tests.metering.support import records, texts

SIGHTINGS = [
    f"At sunrise of day {day} the boat Ida was seen\n    off Brno.\n\n    It carried oak {day}." for day in (1, 2, 3)
]


def test_sentences_that_begin_alike_are_counted_if_their_number_is_stated() -> None:
    text = "\n\n".join(["Found 3 sightings! The first 10 are:", *SIGHTINGS, "Next steps:\n1. Ask the harbour master."])
    assert records(texts(text), "list_sightings") == 3


def test_sentences_that_begin_alike_are_unknown_if_another_number_is_stated() -> None:
    text = "\n\n".join(["Found 7 sightings! The first 10 are:", *SIGHTINGS, "Next steps:\n1. Ask the harbour master."])
    assert records(texts(text), "list_sightings") is None


@pytest.mark.parametrize(
    ("tool", "text", "expected"),
    [
        ("list_boats", "=== Boat record 1 of 2 ===\nid: 1\n\n=== Boat record 2 of 2 ===\nid: 2", 2),
        ("search_boats", "Result 1 of 40\nBoat: Auk\nBerth: 5\n\nResult 2 of 40\nBoat: Tern\nBerth: 4", 2),
        ("list_boats", "Showing 1 page\n\nAuk\nTern\nSkua", None),
        ("list_boats", "1 harbour, 3 boats:\n\n[ ] Auk\n[ ] Tern\n[x] Skua", 3),
        ("get_landings", "Last 1 hour:\n\n- 10:00 Auk\n- 10:05 Tern", None),
        ("list_keys", "DB 0\n\nboat:1\nboat:2\nboat:3", None),
        ("get_boat", "Found 1 boat:\n\nName: Auk\nBerth: 5\nOwner: Ann", 1),
    ],
)
def test_a_number_of_something_else_is_no_number_of_records(tool: str, text: str, expected: int | None) -> None:
    assert records(texts(text), tool) == expected
