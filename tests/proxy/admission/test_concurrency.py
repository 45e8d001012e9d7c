"""The number of concurrent requests, by type."""

from __future__ import annotations

import pytest

from gateway.proxy.admission.concurrency import ConcurrencyLimiter
from gateway.proxy.admission.rejections import OVERLOADED, RequestRejected


def test_requests_beyond_the_limit_are_rejected_until_one_is_released() -> None:
    limiter = ConcurrencyLimiter(2)
    limiter.acquire("request")
    assert limiter.is_sole("request")
    limiter.acquire("request")
    assert not limiter.is_sole("request")
    with pytest.raises(RequestRejected) as rejected:
        limiter.acquire("request")
    assert rejected.value.deny is OVERLOADED
    limiter.release("request")
    assert limiter.try_acquire("request")
    assert not limiter.try_acquire("request")


def test_each_type_has_a_separate_limit() -> None:
    limiter = ConcurrencyLimiter(8)
    assert sum(limiter.try_acquire("keyless") for _ in range(100)) == 2
    assert sum(limiter.try_acquire("listening") for _ in range(100)) == 8
    assert sum(limiter.try_acquire("request") for _ in range(100)) == 8
    assert limiter.active == {"request": 8, "listening": 8, "keyless": 2, "key_lookup": 0}
