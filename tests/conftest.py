"""The engines that the tests run on, started once per run on temporary folders."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio

from gateway.redis_client import connect
from tests.support.valkey import Valkey


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that start whole gateways stay together, one after another, where tests run side by side."""
    for item in items:
        for folder in ("end_to_end", "clients", "faults"):
            if folder in item.path.parts:
                item.add_marker(pytest.mark.xdist_group(folder))


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A real Valkey, shared by the run."""
    # Not pytest's tmp_path: a unix socket's path must stay under 108 bytes.
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        server = Valkey(Path(folder))
        server.start()
        yield server.url
        server.stop()


@pytest.fixture(scope="session")
def chdb_url() -> Iterator[str]:
    """A chDB folder; a process can have one only, so tests part by database."""
    with tempfile.TemporaryDirectory(prefix="chdb-") as folder:
        yield f"chdb://{folder}/chdb"


@pytest.fixture
async def redis_client(valkey_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the shared Valkey, emptied before each test."""
    client = connect(valkey_url)
    await client.flushall()
    yield client
    await client.aclose()


@pytest.fixture(name="redis")
def _redis(redis_client: redis.asyncio.Redis) -> redis.asyncio.Redis:
    return redis_client
