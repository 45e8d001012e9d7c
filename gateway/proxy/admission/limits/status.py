"""The rest of a limit: the header fields that report it (draft-ietf-httpapi-ratelimit-headers-10), and the rejection.

Pure: does no I/O.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import NamedTuple

from gateway.keys.limits import DAY, MINUTE, Limit, period_end
from gateway.protocol.errors import DENIED
from gateway.proxy.admission.rejections import Deny


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


def limit_exceeded(limit: Limit, now: int, resets_at: int, header_lines: bytes = b"", *, left: int = 0) -> Deny:
    """Return the rejection of a request that needs more than is left of a limit; times are seconds since the epoch."""
    if limit.period is None:
        what = limit.describe()
        text = f"This API key has reached its limit of {what}; try again when one has ended"
        if limit.of == "owner":
            text = f"The owner of this API key has reached the limit of {what}; try again when one has ended"
        return _exceeded(text, resets_at - now, header_lines, "concurrency")
    text = _used_up_text(limit, left, datetime.fromtimestamp(resets_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    if limit.glob is not None:
        return _exceeded(text, resets_at - now, header_lines, "tool_rate")
    if limit.unit == "requests":
        return _exceeded(text, resets_at - now, header_lines, "rate")
    if limit.unit == "calls":
        return _exceeded(text, resets_at - now, header_lines, "calls")
    return _exceeded(text, resets_at - now, header_lines, "records")


def _used_up_text(limit: Limit, left: int, when: str) -> str:
    what = limit.describe()
    if limit.of == "owner" and left:
        return (
            f"The owner of this API key has only {left} left of the limit of {what} for all keys; it resets at {when}"
        )
    if limit.of == "owner":
        return f"The owner of this API key has used up the limit of {what} for all keys; it resets at {when}"
    if left:
        return f"This API key has only {left} left of its limit of {what}; it resets at {when}"
    return f"This API key has used up its limit of {what}; it resets at {when}"


def _exceeded(message: str, retry_after: int, header_lines: bytes, reason: str) -> Deny:
    return Deny(
        status=429,
        code=DENIED,
        message=message,
        reason=reason,
        retry_after=max(1, retry_after),
        header_lines=header_lines,
    )
