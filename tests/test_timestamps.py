"""Timestamps and their text forms."""

from __future__ import annotations

import pytest

from gateway.timestamps import format_minute, format_rfc3339, parse_timestamp


def test_rfc3339_is_written_in_utc_with_milliseconds() -> None:
    assert format_rfc3339(1_769_860_800_000) == "2026-01-31T12:00:00.000Z"
    assert format_rfc3339(1_769_860_800_007) == "2026-01-31T12:00:00.007Z"


def test_no_timestamp_stays_none_in_rfc3339() -> None:
    assert format_rfc3339(None) is None


def test_people_read_timestamps_to_the_minute() -> None:
    assert format_minute(1_769_860_859_999) == "2026-01-31 12:00"
    assert format_minute(None) == "never"


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
def test_dates_and_timestamps_are_parsed(text: str, ms: int) -> None:
    assert parse_timestamp(text) == ms


def test_end_of_day_moves_a_date_to_the_next_day_and_leaves_a_timestamp_alone() -> None:
    assert parse_timestamp("2026-01-31", end_of_day=True) == 1_769_904_000_000
    assert parse_timestamp("2026-01-31T12:00:00Z", end_of_day=True) == 1_769_860_800_000


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "2026-02-30", "2026-13-01", "20260131", "2026-01-31T12:00:00", "2026-01-31T25:00:00Z",
     "2026-W05-6", "٢٠٢٦-01-31", "9999-12-31T23:59:59-23:59", "1769860800"],
)  # fmt: skip
def test_any_other_text_is_rejected(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - callers do not use its text
        parse_timestamp(text)


def test_the_last_supported_date_has_an_end() -> None:
    assert parse_timestamp("9999-12-31", end_of_day=True) == 253_402_300_800_000
