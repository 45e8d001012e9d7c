"""Fixtures that all tests share: engines, started once per run, and clocks and passwords."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Iterator

import pytest
import redis.asyncio
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from gateway.accounts.passwords import Passwords
from gateway.redis.client import connect
from tests.support import ports
from tests.support.clock import Clock
from tests.support.passwords import CountingHasher
from tests.support.valkey import Valkey, running_valkey

GATEWAY_FOLDERS = frozenset({"clients", "conformance", "end_to_end", "faults", "limits"})
"""Folders whose tests start whole gateways."""


class FolderScheduling(LoadScopeScheduling):  # type: ignore[misc]
    """With several test processes, runs the tests of such a folder one after another in one of them.

    Each gateway of their fixtures is started once. Other tests run one by one in any process.
    """

    # `--dist loadgroup` of xdist 3.8 has no effect with pytest 9.2.
    def _split_scope(self, nodeid: str) -> str:
        folder = nodeid.removeprefix("tests/").partition("/")[0]
        return folder if folder in GATEWAY_FOLDERS else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FolderScheduling:
    return FolderScheduling(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip slow tests unless `SLOW_TESTS` is set."""
    for item in items:
        if item.get_closest_marker("slow") and "SLOW_TESTS" not in os.environ:
            item.add_marker(pytest.mark.skip(reason="slow; `make faults` runs it"))


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until it is advanced."""
    return Clock()


@pytest.fixture
def free_port() -> int:
    """A port of the loopback interface on which nothing listens."""
    return ports.free_port()


@pytest.fixture
def hasher() -> CountingHasher:
    """Real argon2id with parameters that take little time."""
    return CountingHasher()


@pytest.fixture
def cheap_passwords(hasher: CountingHasher) -> Iterator[Passwords]:
    passwords = Passwords(hasher=hasher)
    yield passwords
    passwords.close()


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """A Valkey that all tests share."""
    with running_valkey() as server:
        yield server.url


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    """A Valkey for one test, which can be stopped and killed."""
    with running_valkey() as server:
        yield server
        # A stopped process handles no other signal.
        server.kill()


@pytest.fixture(scope="session")
def chdb_url() -> Iterator[str]:
    """A chDB folder. A process can open only one, so tests use separate databases in it."""
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
