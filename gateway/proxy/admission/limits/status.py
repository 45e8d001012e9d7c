"""The header fields that tell a client what is left of its limits (draft-ietf-httpapi-ratelimit-headers-10).

Pure: does no I/O.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from gateway.keys.limits import DAY, MINUTE, Limit, period_end


class LimitStatus(NamedTuple):
    """The state of a limit of a period."""

    limit: Limit
    left: int
    resets_at: float
    """Seconds since the epoch."""

    @property
    def share(self) -> float:
        """The share that is left."""
        return self.left / self.limit.cap

    def headers(self, now: float) -> tuple[tuple[bytes, bytes], ...]:
        """Return the fields `RateLimit-Policy` and `RateLimit`, with one item each."""
        limit = self.limit
        name = b'"%b%b"' % (b"owner-" if limit.of == "owner" else b"", limit.field.encode())
        seconds = max(0, -int(now - self.resets_at))
        return (
            (b"RateLimit-Policy", b"%b;q=%d;w=%d" % (name, limit.cap, _window(limit, int(now)))),
            (b"RateLimit", b"%b;r=%d;t=%d" % (name, self.left, seconds)),
        )


def _window(limit: Limit, now: int) -> int:
    """Return the length of the limit's period in seconds."""
    if limit.period == "minute":
        return MINUTE
    if limit.period == "day":
        return DAY
    start = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0)
    return period_end("month", now) - int(start.timestamp())
