"""Timestamps: the clock, and their text forms.

Inside the product a timestamp is an integer, milliseconds since the Unix epoch. Texts are RFC 3339 in UTC.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import overload

DAY_MS = 86_400_000
"""Milliseconds of a day."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})?", re.ASCII)


def now_ms() -> int:
    """Return the current time, in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


@overload
def format_rfc3339(ms: int) -> str: ...
@overload
def format_rfc3339(ms: int | None) -> str | None: ...
def format_rfc3339(ms: int | None) -> str | None:
    """Format a timestamp like `2026-01-31T12:00:00.000Z`; `None` stays `None`."""
    if ms is None:
        return None
    return (_EPOCH + ms * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def format_minute(ms: int | None) -> str:
    """Format a timestamp for people, in UTC, like `2026-01-31 12:00`; `None` becomes `never`."""
    return "never" if ms is None else (_EPOCH + ms * _MILLISECOND).strftime("%Y-%m-%d %H:%M")


def parse_timestamp(text: str, *, end_of_day: bool = False, zone: tzinfo | None = None) -> int:
    """Parse an ISO 8601 date or an RFC 3339 timestamp into milliseconds since the epoch.

    A date stands for the start of its day or, with `end_of_day`, for the start of the next day. Dates, and times
    without a UTC offset, are those of `zone`. Without it, dates are in UTC, and a time without an offset is ambiguous.
    Raises `ValueError` for anything else.
    """
    if _DATE.fullmatch(text):
        day = date.fromisoformat(text)
        if not end_of_day:
            return start_of_day(day, zone or UTC)
        is_last = day == date.max
        return start_of_day(day if is_last else day + timedelta(days=1), zone or UTC) + (DAY_MS if is_last else 0)
    if match := _DATE_AND_TIME.fullmatch(text):
        timestamp = datetime.fromisoformat(text.upper())
        if match[2] is not None:
            return _ms(timestamp)
        if zone is not None:
            return _ms(timestamp.replace(tzinfo=zone))
    raise ValueError("neither a date nor a timestamp with a UTC offset")


def start_of_day(day: date, zone: tzinfo) -> int:
    """Return the first moment of a day, in milliseconds since the epoch.

    If midnight is skipped, it is the end of the gap; if it is repeated, the first of both.
    """
    return (datetime(day.year, day.month, day.day, tzinfo=zone) - _EPOCH) // _MILLISECOND


def _ms(timestamp: datetime) -> int:
    try:
        return (timestamp.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except OverflowError:
        raise ValueError("out of range") from None
