"""A real chDB with a separate database for each test, streams, and writers."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from gateway.redis import client as redis_client
from gateway.usage.consumer.writer import UsageWriter, WriterSettings
from gateway.usage.producer.spool import Spool
from gateway.usage.producer.stream import UsageStream
from gateway.usage.store.table import UsageTable
from tests.support.valkey import Valkey
from tests.usage.support import NOW_MS, RecordedMetrics, RunningWriter, drop_database


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No insert goes on without its writer here, so that nothing is worth waiting for."""
    monkeypatch.setattr("gateway.usage.store.roll_up.PAUSE_SECONDS", 0.05)


@pytest.fixture
def metrics() -> RecordedMetrics:
    return RecordedMetrics()


@pytest.fixture
def usage_url(chdb_url: str) -> str:
    """The URL of the tables of a test."""
    return chdb_url


@pytest.fixture
def make_table(usage_url: str, chdb_url: str) -> Iterator[Callable[..., UsageTable]]:
    """Create tables, all in the database of this test."""
    database = f"test_{secrets.token_hex(6)}"
    made = []

    def make(**options: Any) -> UsageTable:
        table = UsageTable(usage_url, **{"database": database, "now_ms": lambda: NOW_MS, **options})
        made.append(table)
        return table

    yield make
    drop_database(chdb_url, database)
    for table in made:
        table.close()


@pytest.fixture
def table(make_table: Callable[..., UsageTable]) -> UsageTable:
    return make_table()


@pytest.fixture
async def client(valkey: Valkey) -> AsyncIterator[redis.asyncio.Redis]:
    """A client of the Valkey that belongs to this test alone."""
    client = redis_client.connect(valkey.url)
    yield client
    await client.aclose()


@pytest.fixture
async def stream(redis: redis.asyncio.Redis, tmp_path: Path) -> AsyncIterator[UsageStream]:
    stream = UsageStream(redis, Spool(tmp_path / "spool"))
    await stream.start()
    yield stream
    await stream.close()


@pytest.fixture
async def start_writer(redis: redis.asyncio.Redis, table: UsageTable) -> AsyncIterator[Callable[..., RunningWriter]]:
    """Start writers that end with the test."""
    running = []

    def start(**options: Any) -> RunningWriter:
        settings = {name: options.pop(name) for name in WriterSettings.__struct_fields__ if name in options}
        writer = UsageWriter(
            options.pop("redis", redis),
            options.pop("table", table),
            WriterSettings(**{"linger_seconds": 0.0, **settings}),
            **options,
        )
        running.append(RunningWriter(writer))
        return running[-1]

    yield start
    for one in running:
        await one.cancel()
