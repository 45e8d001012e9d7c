"""Times as the API writes and reads them."""

from __future__ import annotations

import pytest

from gateway.timestamps import parse_moment, rfc3339


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(1_769_860_800_000) == "2026-01-31T12:00:00.000Z"
    assert rfc3339(1_769_860_800_007) == "2026-01-31T12:00:00.007Z"


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-01-31", 1_769_817_600_000),
        ("2026-01-31T12:00:00Z", 1_769_860_800_000),
        ("2026-01-31t12:00:00z", 1_769_860_800_000),
        ("2026-01-31 13:00:00+01:00", 1_769_860_800_000),
        ("2026-01-31T12:00:00.007Z", 1_769_860_800_007),
        ("1969-12-31", -86_400_000),
    ],
)
def test_dates_and_times_are_read(text: str, ms: int) -> None:
    assert parse_moment(text) == ms


def test_the_end_of_a_date_is_the_next_day_and_a_time_is_itself() -> None:
    assert parse_moment("2026-01-31", end_of_day=True) == 1_769_904_000_000
    assert parse_moment("2026-01-31T12:00:00Z", end_of_day=True) == 1_769_860_800_000


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-02-30", "2026-13-01", "20260131", "2026-01-31T12:00:00", "2026-01-31T25:00:00Z",
     "2026-W05-6", "٢٠٢٦-01-31", "9999-12-31T23:59:59-23:59", "1769860800"],
)  # fmt: skip
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its text is for nobody
        parse_moment(text)


def test_the_last_day_of_all_has_an_end() -> None:
    assert parse_moment("9999-12-31", end_of_day=True) == 253_402_300_800_000
