"""A faulty ClickHouse, a Redis that loses writes, and short-hands."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.event import UsageEvent
from gateway.usage.producer.stream import UsageStream
from gateway.usage.store.errors import UsageRefused, UsageTableUnavailable
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.table import UsageTable
from tests.support.valkey import Valkey
from tests.usage.support import RunningWriter, entries

Start = Callable[..., RunningWriter]


class FaultyTable(UsageTable):
    """The real table behind a faulty connection: `faults` has the outcomes of the next inserts."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self.faults: list[str] = []
        self.log_faults: list[str] = []
        """The outcomes of the next inserts into other tables than that of the calls."""
        self.inserting = asyncio.Event()
        """Set while an insert hangs."""

    async def insert_async(self, events: Sequence[UsageEvent], token: str) -> None:
        async with self._next_of(self.faults, LOG_TABLE, QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE):
            await super().insert_async(events, token)

    async def insert_columns_async(
        self, name: str, types: Mapping[str, str], data: Sequence[Sequence[Any]], token: str
    ) -> None:
        async with self._next_of(self.log_faults, name):
            await super().insert_columns_async(name, types, data, token)

    @asynccontextmanager
    async def _next_of(self, faults: list[str], *tables: str) -> AsyncIterator[None]:
        """Let the next of these faults happen to an insert into these tables."""
        fault = faults.pop(0) if faults else "none"
        if fault == "content refused":
            raise UsageRefused("odd")
        if fault == "refused":
            raise UsageTableUnavailable("away")
        yield
        if "rows lost" in fault:
            for name in tables:
                # A mutation keeps the token.
                self.write(f"ALTER TABLE {name} DELETE WHERE 1 SETTINGS mutations_sync = 1", {})
        if fault.startswith("reply lost"):
            raise UsageTableUnavailable("away")
        if fault.startswith("hangs"):
            self.inserting.set()
            await asyncio.Event().wait()


class Snapshot:
    """A copy of the data of a Valkey, to be restored: what a crash can do with `appendfsync everysec`."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._kept = valkey.folder / "kept"

    async def take(self, client: Any) -> None:
        assert await client.execute_command("WAITAOF", 1, 0, 5000) == [1, 0]
        shutil.copytree(self._valkey.folder / "appendonlydir", self._kept)

    def restore(self) -> None:
        self._valkey.kill()
        shutil.rmtree(self._valkey.folder / "appendonlydir")
        shutil.copytree(self._kept, self._valkey.folder / "appendonlydir")
        self._valkey.start()


async def interrupt(start_writer: Start, table: FaultyTable) -> None:
    """Run a writer until it hangs in an insert, and cancel it there."""
    running = start_writer(table=table)
    await table.inserting.wait()
    await running.cancel()


async def append(stream: UsageStream, *events: UsageEvent) -> list[UsageEvent]:
    await asyncio.gather(*(stream.submit(one) for one in events))
    return list(events)


async def dead_letters(client: redis.asyncio.Redis) -> list[tuple[bytes, str]]:
    letters = await entries(client, redis_names.USAGE_DEAD_LETTERS)
    return [(fields[b"e"], fields[b"reason"].decode()) for _, fields in letters]
