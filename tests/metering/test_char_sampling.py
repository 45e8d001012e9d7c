"""Estimates of how often a character occurs."""

from __future__ import annotations

import pytest

from gateway.metering.char_sampling import occurs_more_than


@pytest.mark.parametrize("limit", [0, 10, 5_000])
def test_data_within_the_limit_is_never_reported_as_more(limit: int) -> None:
    assert not occurs_more_than(b"{" * limit + b" " * 10_000, "{", limit)
    assert not occurs_more_than("{" * limit + " " * 10_000, "{", limit)


def test_characters_cannot_evade_the_sample_by_their_positions() -> None:
    hidden = b" " + b"{" * 60
    assert occurs_more_than(hidden * 1000, "{", 50_000)
    assert occurs_more_than((hidden * 1000).decode(), "{", 50_000)
    assert not occurs_more_than(hidden * 1000, "{", 60_000)


@pytest.mark.parametrize("length", [59, 61])
def test_records_as_long_as_a_stride_are_not_taken_for_more(length: int) -> None:
    for at in range(length):
        record = b" " * at + b"{" + b" " * (length - at - 1)
        assert not occurs_more_than(record * 2_000, "{", 2_000)
