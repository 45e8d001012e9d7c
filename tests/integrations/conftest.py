"""Fixtures: a gateway in front of a scripted upstream, as it is configured behind a reverse proxy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.integrations.reverse_proxies import GATEWAY_SETTINGS
from tests.proxy.conftest import upstream
from tests.support.gateway import Gateway, running_gateway
from tests.support.mcp_servers import running_mcp_server
from tests.support.scripted_upstream import ScriptedUpstream

__all__ = ["gateway", "upstream"]


@pytest.fixture
async def gateway(redis: Redis, valkey_url: str, upstream: ScriptedUpstream, tmp_path: Path) -> AsyncIterator[Gateway]:
    """A gateway that trusts a reverse proxy on this machine."""
    async with running_gateway(redis, valkey_url, upstream.url, tmp_path / "gateway", **GATEWAY_SETTINGS) as gateway:
        yield gateway


@pytest.fixture(scope="session")
def sdk_server_url() -> Iterator[str]:
    """A server on the official SDK, with sessions."""
    with running_mcp_server("-m", "tests.clients.sdk2_server") as server:
        yield server.url
