"""How often a sign occurs, told by a sample."""

from __future__ import annotations

import pytest

from gateway.metering.text.char_sampling import has_more


@pytest.mark.parametrize("limit", [0, 10, 5_000])
def test_no_more_than_the_limit_is_never_told_to_be_more(limit: int) -> None:
    assert not has_more(b"{" * limit + b" " * 10_000, "{", limit)
    assert not has_more("{" * limit + " " * 10_000, "{", limit)


def test_signs_cannot_be_hidden_from_the_sample_by_their_places() -> None:
    hidden = b" " + b"{" * 60
    assert has_more(hidden * 1000, "{", 50_000)
    assert has_more((hidden * 1000).decode(), "{", 50_000)
    assert not has_more(hidden * 1000, "{", 60_000)
