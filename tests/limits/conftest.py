"""Two gateways, keys for them, and a day that does not end during a test."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from redis.asyncio import Redis

from gateway.redis.client import connect
from tests.limits.gateways import Gateways, LimitedKeys, running_gateways
from tests.limits.upstream import CallGroup, Upstream, running_upstream
from tests.support.valkey import Valkey, running_valkey

_DAY = 24 * 3600
_TEST_SECONDS = 30


@pytest.fixture(scope="package")
def engine() -> Iterator[Valkey]:
    """The Valkey of both gateways. It writes its file before it replies, so that a kill loses nothing."""
    with running_valkey(appendfsync="always") as valkey:
        yield valkey


@pytest.fixture(scope="package")
def upstream() -> Iterator[Upstream]:
    with running_upstream() as upstream:
        yield upstream


@pytest.fixture(scope="package")
def gateways(engine: Valkey, upstream: Upstream) -> Iterator[Gateways]:
    with running_gateways(engine, upstream) as gateways:
        yield gateways


@pytest.fixture
def group(request: pytest.FixtureRequest) -> str:
    """The argument `group` of the calls of a test."""
    return str(request.node.name)


@pytest.fixture
def calls(upstream: Upstream, group: str) -> Iterator[CallGroup]:
    """The calls of a test at the upstream."""
    calls = upstream.group(group)
    yield calls
    calls.release()


@pytest.fixture
async def gateways_to_kill(gateways: Gateways) -> AsyncIterator[Gateways]:
    """The gateways, of which a test may kill processes."""
    yield gateways
    if not gateways.valkey.is_running:
        gateways.valkey.start()
    await gateways.until_ready()


@pytest.fixture
async def redis(engine: Valkey) -> AsyncIterator[Redis]:
    client = connect(engine.url)
    yield client
    await client.aclose()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    timeout = aiohttp.ClientTimeout(total=30)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture
def keys(gateways: Gateways, redis: Redis, session: aiohttp.ClientSession) -> LimitedKeys:
    """Keys of both gateways."""
    return LimitedKeys(redis, session, gateways.urls)


@pytest.fixture(autouse=True)
def _within_one_day() -> None:
    """Wait for the next day if this one ends during the test."""
    left = _DAY - time.time() % _DAY
    if left < _TEST_SECONDS:
        time.sleep(left)
