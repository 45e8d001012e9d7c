"""Parts of a text in a server's own markup, which states their number."""

from __future__ import annotations

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
