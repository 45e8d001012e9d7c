"""A store of API keys on a real Redis, under a clock that stands still."""

from __future__ import annotations

import pytest
import redis.asyncio

from gateway.keys.store import KeyStore
from tests.support.clock import Clock


@pytest.fixture
def store(redis: redis.asyncio.Redis, clock: Clock) -> KeyStore:
    return KeyStore(redis, pepper=None, now_ms=clock.now_ms)
