"""The times of the attempts to send an alert: doubling pauses with jitter, for a day.

Pure: does no I/O.
"""

from __future__ import annotations

FIRST_PAUSE_SECONDS = 2
LONGEST_PAUSE_SECONDS = 900
RETRY_SECONDS = 86_400
"""Time after which an alert that could not be sent has failed."""


def next_attempt(attempts: int, raised_at: int, now_ms: int, jitter: float) -> int | None:
    """Return the time of the next attempt after `attempts` failed ones; `None` if it would be too late.

    `jitter` is from 0 to 1: a pause is between half its length and all of it. Times are in milliseconds.
    """
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(attempts - 1, 10))
    at = now_ms + int(pause * 1000 * (1 + jitter) / 2)
    return at if at <= raised_at + RETRY_SECONDS * 1000 else None
