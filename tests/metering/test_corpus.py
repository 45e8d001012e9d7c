"""The minimum score of the metering on the corpus."""

from __future__ import annotations

import pytest

from tests.metering.score import Case, cases, totals


@pytest.fixture(scope="module")
def scored() -> list[Case]:
    return list(cases())


def test_97_of_100_clear_cases_are_right_and_at_most_1_is_wrong(scored: list[Case]) -> None:
    total = totals(case for case in scored if not case.is_ambiguous)
    assert total["both"] >= 0.97 * total["cases"]
    assert total["wrong"] <= 0.01 * total["cases"]


def test_no_case_of_the_corpus_regresses(scored: list[Case]) -> None:
    missed = [case.call["id"] for case in scored if not (case.has_tables and case.has_count)]
    assert missed == []
