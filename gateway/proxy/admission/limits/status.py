"""The rest of a limit, and the header fields that report it (draft-ietf-httpapi-ratelimit-headers-10).

Pure: does no I/O.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.keys.limits import DAY, MINUTE, Limit, period_end


class LimitStatus(NamedTuple):
    """The rest of a limit per minute, day or month."""

    limit: Limit
    left: int
    resets_at: float
    """Seconds since the epoch."""

    @property
    def share(self) -> float:
        """The share of the limit that is left, from 0 to 1."""
        return self.left / self.limit.cap

    def header_lines(self, now: float) -> bytes:
        """Return the fields `RateLimit-Policy` and `RateLimit`, with one item each."""
        return header_template(self.limit, int(now)) % (self.left, max(0, math.ceil(self.resets_at - now)))


def header_template(limit: Limit, now: int) -> bytes:
    """Return the header lines of a limit, with `%d` for what is left and for the seconds until it resets."""
    name = f'"owner-{limit.field}"' if limit.of == "owner" else f'"{limit.field}"'
    policy = f"RateLimit-Policy: {name};q={limit.cap};w={_window(limit, now)}\r\n"
    return f"{policy}RateLimit: {name};r=%d;t=%d\r\n".encode()


def _window(limit: Limit, now: int) -> int:
    """Return the length of the limit's period in seconds."""
    if limit.period == "minute":
        return MINUTE
    if limit.period == "day":
        return DAY
    start = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0)
    return period_end("month", now) - int(start.timestamp())
