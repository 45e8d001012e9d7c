"""Times as the API writes and reads them: RFC 3339, UTC, milliseconds.

Inside, a time is an integer of milliseconds since the epoch.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, date, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY_MS = 86_400_000
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})", re.ASCII)


def now_ms() -> int:
    """Return the current time in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def rfc3339(ms: int) -> str:
    """`2026-01-31T12:00:00.000Z` for milliseconds since the epoch."""
    return (_EPOCH + ms * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def rfc3339_or_none(ms: int | None) -> str | None:
    """Like `rfc3339`; a time that is not there stays `None`."""
    return None if ms is None else rfc3339(ms)


def parse_moment(text: str, *, end_of_day: bool = False) -> int:
    """Milliseconds since the epoch of an ISO date (UTC) or an RFC 3339 time.

    A date means the first moment of its day, or with `end_of_day` the first moment of the next one. Raises
    `ValueError` for anything else, also for a time without its offset, which would mean different moments.
    """
    if _DATE.fullmatch(text):
        day = date.fromisoformat(text)
        moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
        return _ms(moment) + (_DAY_MS if end_of_day else 0)
    if _DATE_AND_TIME.fullmatch(text):
        return _ms(datetime.fromisoformat(text.upper()))
    raise ValueError("neither a date nor a time with its offset")


def _ms(moment: datetime) -> int:
    try:
        return (moment.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except OverflowError:
        raise ValueError("out of range") from None
