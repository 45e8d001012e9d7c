"""Estimates of how often a character occurs."""

from __future__ import annotations

import pytest

from gateway.metering.text.char_sampling import has_more


@pytest.mark.parametrize("limit", [0, 10, 5_000])
def test_data_within_the_limit_is_never_reported_as_more(limit: int) -> None:
    assert not has_more(b"{" * limit + b" " * 10_000, "{", limit)
    assert not has_more("{" * limit + " " * 10_000, "{", limit)


def test_characters_cannot_evade_the_sample_by_their_positions() -> None:
    hidden = b" " + b"{" * 60
    assert has_more(hidden * 1000, "{", 50_000)
    assert has_more((hidden * 1000).decode(), "{", 50_000)
    assert not has_more(hidden * 1000, "{", 60_000)
