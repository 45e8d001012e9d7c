"""A gateway in front of a scripted upstream."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.support.gateway import Gateway, running_gateway
from tests.support.scripted_upstream import ScriptedUpstream, scripted_upstream


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    """An upstream that records what it is sent."""
    async with scripted_upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway with default settings in front of it."""
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path) as gateway:
        yield gateway
