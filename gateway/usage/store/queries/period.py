"""Periods of time in a time zone, and the days, hours and quarter hours in them.

Boundaries are computed here, with one database of time zones, and reach ClickHouse as numbers. Since the year 2000 all
offsets from UTC are whole quarter hours.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any, Literal

import msgspec

from gateway.timestamps import DAY_MS, parse_timestamp, start_of_day
from gateway.usage.store.columns import EARLIEST_MS, LATEST_MS
from gateway.zones import time_zone

MAX_STATISTICS_DAYS = 1000
DEFAULT_DAYS = 30
_QUARTER_HOUR_SECONDS = 900
MAX_STARTS = 10_000
"""Rows of a list by time."""
MAX_MINUTES = 26 * 60
"""Rows of a list by minute, which is not made from sums: those of any day."""
_AHEAD_MS = {"day": 2 * DAY_MS}
"""Time from now for which an open period has rows; an hour, except by day. Clocks may differ."""
Step = Literal["day", "hour", "quarter_hour", "minute"]


class InvalidPeriod(ValueError):
    """A field of a period is invalid."""

    def __init__(self, field: str, detail: str) -> None:
        self.field = field
        self.detail = detail
        super().__init__(f"{field} {detail}")


class Period(msgspec.Struct, frozen=True):
    """A period in a time zone, in milliseconds since the epoch; `None` for an open end."""

    since: int | None = None
    until: int | None = None
    zone: str = "UTC"

    @property
    def tzinfo(self) -> datetime.tzinfo:
        return time_zone(self.zone)

    def starts(self, step: Step, now_ms: int) -> tuple[int, ...]:
        """Return the start of each day, hour, … in the period, in seconds since the epoch; the first may be before it.

        What is later than the last one, far in the future, belongs to it. Raises `InvalidPeriod` for too many.
        """
        since = (EARLIEST_MS if self.since is None else self.since) // 1000
        latest = max(now_ms, since * 1000) + _AHEAD_MS.get(step, 3_600_000)
        until = latest if self.until is None else min(self.until, latest)
        bound = MAX_MINUTES if step == "minute" else MAX_STARTS
        starts = []
        for start in _STARTS[step](since, self.tzinfo):
            if start * 1000 >= until:
                break
            starts.append(start)
            if len(starts) > bound:
                field = "from" if step == "day" else f"by_{step}"
                raise InvalidPeriod(field, f"needs a period of at most {bound} {step.replace('_', ' ')}s")
        return tuple(starts)

    def days(self, now_ms: int) -> int:
        """Return the number of days of the period, today included if it has no end."""
        last = now_ms if self.until is None else self.until - 1
        zone = self.tzinfo
        return max(1, (day_of(last, zone) - day_of(self.since or EARLIEST_MS, zone)).days + 1)


def day_of(ms: int, zone: datetime.tzinfo) -> datetime.date:
    """Return the date at a time in milliseconds since the epoch."""
    return datetime.datetime.fromtimestamp(ms // 1000, zone).date()


def parse_period(since: str | None, until: str | None, zone: str | None) -> Period:
    """Parse dates or timestamps; a date as the end includes that day. Raises `InvalidPeriod`."""
    tzinfo = None if zone is None else time_zone(zone)
    ends = []
    for field, text in (("from", since), ("to", until)):
        try:
            parsed = None if text is None else parse_timestamp(text, end_of_day=field == "to", zone=tzinfo)
        except ValueError:
            raise InvalidPeriod(
                field, "must be a date such as 2026-01-31 or a time with a UTC offset such as 2026-01-31T12:00:00Z"
            ) from None
        ends.append(parsed)
    if ends[0] is not None and ends[1] is not None and ends[0] >= ends[1]:
        raise InvalidPeriod("from", "must be before to")
    first, last = (None if end is None else min(max(end, EARLIEST_MS), LATEST_MS) for end in ends)
    return Period(first, last, zone or "UTC")


def statistics_period(days: int | None, since: str | None, until: str | None, zone: str | None, now_ms: int) -> Period:
    """Parse the period of statistics: from `since`, or of so many days up to `until` or now. Raises `InvalidPeriod`."""
    if days is not None and since is not None:
        raise InvalidPeriod("days", "must not be combined with from")
    period = parse_period(since, until, zone)
    if period.since is not None:
        return period
    return last_days(DEFAULT_DAYS if days is None else days, now_ms, period)


def last_days(days: int, now_ms: int, period: Period = Period()) -> Period:  # noqa: B008 - immutable
    """Return a period of days that ends with the given one, or today. Raises `ValueError` for an invalid number."""
    if not 1 <= days <= MAX_STATISTICS_DAYS:
        raise ValueError(f"days must be between 1 and {MAX_STATISTICS_DAYS}")
    last = day_of(now_ms if period.until is None else period.until - 1, period.tzinfo)
    first = start_of_day(last - datetime.timedelta(days=days - 1), period.tzinfo)
    return msgspec.structs.replace(period, since=max(first, EARLIEST_MS))


def _day_starts(since: int, zone: datetime.tzinfo) -> Iterator[int]:
    day = day_of(since * 1000, zone)
    previous = None
    while True:
        start = start_of_day(day, zone) // 1000
        # A skipped day has the start of the next one.
        if start != previous:
            yield start
        previous = start
        day += datetime.timedelta(days=1)


def _hour_starts(since: int, zone: datetime.tzinfo) -> Iterator[int]:
    start = since // _QUARTER_HOUR_SECONDS * _QUARTER_HOUR_SECONDS
    while not _is_hour_start(start, zone):
        start -= _QUARTER_HOUR_SECONDS
    while True:
        yield start
        local = datetime.datetime.fromtimestamp(start, zone)
        if local.minute == 0 and local.utcoffset() == _offset(start + 3600, zone):
            start += 3600
            continue
        # Where the offset changes, an hour may be shorter, or begin anew.
        start += _QUARTER_HOUR_SECONDS
        while not _is_hour_start(start, zone):
            start += _QUARTER_HOUR_SECONDS


def _is_hour_start(seconds: int, zone: datetime.tzinfo) -> bool:
    local = datetime.datetime.fromtimestamp(seconds, zone)
    return local.minute == 0 or _offset(seconds - 1, zone) != local.utcoffset()


def _offset(seconds: int, zone: datetime.tzinfo) -> datetime.timedelta | None:
    return datetime.datetime.fromtimestamp(seconds, zone).utcoffset()


def _regular(seconds: int) -> Callable[[int, datetime.tzinfo], Iterator[int]]:
    def starts(since: int, zone: datetime.tzinfo) -> Iterator[int]:
        start = since // seconds * seconds
        while True:
            yield start
            start += seconds

    return starts


_STARTS: dict[Step, Callable[[int, datetime.tzinfo], Iterator[Any]]] = {
    "day": _day_starts,
    "hour": _hour_starts,
    "quarter_hour": _regular(_QUARTER_HOUR_SECONDS),
    "minute": _regular(60),
}
