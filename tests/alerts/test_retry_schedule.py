"""The times of attempts."""

from __future__ import annotations

import pytest

from gateway.alerts.retry_schedule import RETRY_SECONDS, next_attempt
from gateway.alerts.service import POLL_SECONDS
from gateway.alerts.webhook import TIMEOUT_SECONDS

DAY_MS = RETRY_SECONDS * 1000


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_the_first_retry_begins_within_ten_seconds_even_after_a_time_out(jitter: float) -> None:
    at = next_attempt(1, raised_at=0, now_ms=1000, jitter=jitter)
    assert at is not None
    assert 1000 < at <= 1000 + 1000 * (10 - TIMEOUT_SECONDS - POLL_SECONDS)


def test_pauses_double_up_to_a_quarter_of_an_hour() -> None:
    pauses = [next_attempt(attempts, 0, 0, jitter=1.0) for attempts in (1, 2, 3, 9, 10, 500)]
    assert pauses == [2_000, 4_000, 8_000, 512_000, 900_000, 900_000]


@pytest.mark.parametrize("jitter", [0.0, 1.0])
def test_attempts_end_after_a_day(jitter: float) -> None:
    attempts, now = 0, 0
    while True:
        attempts += 1
        at = next_attempt(attempts, 0, now, jitter)
        if at is None:
            break
        now = at
    assert DAY_MS - 900_000 <= now <= DAY_MS
    assert attempts < 250
