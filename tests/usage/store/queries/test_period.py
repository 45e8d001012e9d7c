"""Periods: days and hours of a zone, also where its offset changes."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.timestamps import start_of_day
from gateway.usage.store.queries.period import (
    InvalidPeriod,
    Period,
    Step,
    day_of,
    last_days,
    parse_period,
    statistics_period,
)

NOW_MS = 1_782_000_000_000
"""2026-06-21T00:00:00Z."""


def starts(day: str, zone: str, step: Step, until: str | None = None) -> list[str]:
    """Return the local times of the starts in a day."""
    period = parse_period(day, until or day, zone)
    return [
        datetime.datetime.fromtimestamp(one, ZoneInfo(zone)).isoformat(timespec="minutes")
        for one in period.starts(step, NOW_MS)
    ]


@pytest.mark.parametrize(
    ("day", "zone", "hours", "around"),
    [
        ("2026-03-29", "Europe/Berlin", 23, ["T01:00+01:00", "T03:00+02:00"]),
        ("2025-10-26", "Europe/Berlin", 25, ["T02:00+02:00", "T02:00+01:00"]),
        ("2026-03-08", "America/New_York", 23, ["T01:00-05:00", "T03:00-04:00"]),
        # Midnight is skipped, or repeated.
        ("2026-04-24", "Africa/Cairo", 23, ["T01:00+03:00", "T02:00+03:00"]),
        ("2025-11-02", "America/Havana", 25, ["T00:00-04:00", "T00:00-05:00"]),
        # By half an hour.
        ("2026-04-05", "Australia/Lord_Howe", 25, ["T01:00+11:00", "T01:30+10:30", "T02:00+10:30"]),
        ("2025-10-05", "Australia/Lord_Howe", 24, ["T01:00+10:30", "T02:30+11:00", "T03:00+11:00"]),
        ("2026-01-01", "Asia/Kathmandu", 24, ["T00:00+05:45", "T01:00+05:45"]),
    ],
)
def test_hours_follow_the_clock_of_the_zone(day: str, zone: str, hours: int, around: list[str]) -> None:
    found = starts(day, zone, "hour")
    assert len(found) == hours
    first = found.index(day + around[0])
    assert found[first : first + len(around)] == [day + time for time in around]


@pytest.mark.parametrize(
    ("since", "until", "zone", "expected"),
    [
        ("2025-10-25", "2025-10-27", "Europe/Berlin", ["25T00:00+02:00", "26T00:00+02:00", "27T00:00+01:00"]),
        ("2026-04-23", "2026-04-24", "Africa/Cairo", ["23T00:00+02:00", "24T01:00+03:00"]),
        ("2011-12-29", "2011-12-31", "Pacific/Apia", ["29T00:00-10:00", "31T00:00+14:00"]),
        ("2026-06-01", "2026-06-02", "Asia/Calcutta", ["01T00:00+05:30", "02T00:00+05:30"]),
    ],
)
def test_days_begin_when_they_do_in_the_zone(since: str, until: str, zone: str, expected: list[str]) -> None:
    assert [one[8:] for one in starts(since, zone, "day", until)] == expected


def test_the_first_hour_is_the_one_that_contains_the_beginning() -> None:
    period = parse_period("2026-06-01T12:44:59Z", "2026-06-01T13:45:00Z", "Asia/Kathmandu")
    assert len(period.starts("hour", NOW_MS)) == 2
    period = parse_period("2026-06-01T12:45:00Z", "2026-06-01T13:15:00Z", "Asia/Kathmandu")
    assert len(period.starts("hour", NOW_MS)) == 1


def test_an_open_period_goes_on_until_now() -> None:
    today = last_days(1, NOW_MS + 3_600_000)
    assert len(today.starts("hour", NOW_MS + 3_600_000)) == 2
    assert len(today.starts("minute", NOW_MS + 3_600_000)) == 120
    assert today.days(NOW_MS + 3_600_000) == 1


@pytest.mark.parametrize(
    ("days", "since", "until", "zone", "first", "count"),
    [
        (None, None, None, None, "2026-05-23", 30),
        (1, None, None, None, "2026-06-21", 1),
        (1, None, None, "America/New_York", "2026-06-20", 1),
        (7, None, "2026-01-31", None, "2026-01-25", 7),
        (2, None, "2026-01-31T12:00:00Z", "Asia/Kathmandu", "2026-01-30", 2),
        (None, "2026-01-31", None, "Europe/Berlin", "2026-01-31", 142),
        (None, "2026-01-31", "2026-02-01", None, "2026-01-31", 2),
    ],
)
def test_the_days_of_statistics(
    days: int | None, since: str | None, until: str | None, zone: str | None, first: str, count: int
) -> None:
    period = statistics_period(days, since, until, zone, NOW_MS)
    assert period.since is not None
    assert day_of(period.since, period.tzinfo).isoformat() == first
    assert period.since == start_of_day(datetime.date.fromisoformat(first), period.tzinfo)
    assert period.days(NOW_MS) == count


@pytest.mark.parametrize(
    ("since", "until", "zone", "field"),
    [
        ("x", None, None, "from"),
        (None, "2026-02-30", None, "to"),
        ("2026-01-01T00:00:00", None, None, "from"),
        ("2026-01-02", "2026-01-01", None, "from"),
        ("2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", None, "from"),
    ],
)
def test_an_invalid_period_names_its_field(since: str | None, until: str | None, zone: str | None, field: str) -> None:
    with pytest.raises(InvalidPeriod) as raised:
        parse_period(since, until, zone)
    assert raised.value.field == field


def test_times_without_an_offset_are_those_of_the_zone() -> None:
    period = parse_period("2026-01-01T00:00:00", "2026-01-01T00:00:00Z", "Asia/Kathmandu")
    assert period == Period(1_767_204_900_000, 1_767_225_600_000, "Asia/Kathmandu")


def test_bounds_far_away_are_those_of_the_table() -> None:
    for zone in ("UTC", "Asia/Kathmandu", "America/New_York"):
        period = parse_period("0001-01-01", "9999-12-31", zone)
        assert (period.since, period.until) == (946_684_800_000, 4_102_444_800_000)


@pytest.mark.parametrize(("since", "until"), [("1998-01-01", "1999-01-01"), ("9999-12-30", "9999-12-31")])
def test_a_period_outside_the_times_of_the_table_is_valid_and_empty(since: str, until: str) -> None:
    period = parse_period(since, until, None)
    assert period.since == period.until
