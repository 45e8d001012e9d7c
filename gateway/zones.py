"""Time zones by their IANA names."""

from __future__ import annotations

import functools
import zoneinfo
from datetime import UTC, tzinfo


def time_zone(name: str) -> tzinfo:
    """Return a time zone. Raises `ValueError` for an unknown name."""
    if name == "UTC":
        return UTC
    # Opening a file of that name would also find other files, and ignore case on some systems.
    if name not in _names():
        raise ValueError("not an IANA time zone")
    return zoneinfo.ZoneInfo(name)


@functools.cache
def _names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones()) - {"localtime", "Factory"}
