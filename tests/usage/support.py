"""Shared helpers of the usage tests."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.consumer.read_your_writes import request_flush
from gateway.usage.consumer.writer import UsageWriter
from gateway.usage.event import UsageEvent, pack, unpack
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.store.connection import Connector, Timeouts
from gateway.usage.store.queries.filters import CallFilters
from gateway.usage.store.queries.models import Stats
from gateway.usage.store.queries.period import statistics_period
from gateway.usage.store.queries.statistics import StatsRequest, stats
from gateway.usage.store.table import UsageTable

NOW_MS = 1_782_000_000_000
"""2026-06-21T00:00:00Z."""
DAY_MS = 86_400_000
_numbers = itertools.count()


def event(**values: Any) -> UsageEvent:
    """Return an event with a unique id."""
    number = next(_numbers)
    return UsageEvent(
        **{
            "event_id": f"{number:032x}",
            "created_at": NOW_MS + number % 1000,
            "key_id": "key_1",
            "key_name": "Analytics",
            "owner": "ada@example.com",
            "tool_name": "query_stock_daily",
            "table_names": ("stock_daily",),
            "record_count": 20,
            "count_method": "structured",
            "is_error": False,
            "status": "ok",
            "duration_ms": 12.5,
            "response_bytes": 1234,
            "client_name": "curl",
            "client_version": "8",
            "session_id": "s1",
            "request_id": "1",
            "protocol_version": "2025-06-18",
            "client_ip": "127.0.0.1",
            "gateway_id": "g1",
            "arguments_hash": "0123456789abcdef",
            **values,
        }
    )


class RecordedMetrics(UsageMetricsSink):
    """Records every measurement, for assertions."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        """Events, or bytes, by the name of the measurement."""
        self.lengths: list[tuple[int, int]] = []
        self.batches: list[int] = []
        self.connected: list[bool] = []
        self.differences: list[int] = []
        self.spool_bytes = 0
        self.backlog = (0, 0)
        """Entries in the stream, and the age of the oldest in milliseconds."""

    def appended(self, events: int) -> None:
        self.counts["appended"] += events

    def spooled(self, events: int) -> None:
        self.counts["spooled"] += events

    def spool_failed(self, events: int) -> None:
        self.counts["spool_failed"] += events

    def resent(self, events: int) -> None:
        self.counts["resent"] += events

    def refused(self, events: int) -> None:
        self.counts["refused"] += events

    def dead_lettered(self, events: int) -> None:
        self.counts["dead_lettered"] += events

    def spool_torn(self, size: int) -> None:
        self.counts["torn_bytes"] += size

    def spool_damaged(self, size: int) -> None:
        self.counts["damaged_bytes"] += size

    def spool_size(self, size: int) -> None:
        self.spool_bytes = size

    def stream_length(self, entries: int, bound: int) -> None:
        self.lengths.append((entries, bound))

    def inserted(self, events: int, seconds: float) -> None:
        self.batches.append(events)

    def clickhouse_connected(self, connected: bool) -> None:
        self.connected.append(connected)

    def waiting(self, entries: int, oldest_ms: int) -> None:
        self.backlog = entries, oldest_ms

    def unbalanced(self, events: int) -> None:
        self.differences.append(events)


class RunningWriter:
    """A usage writer in a task."""

    def __init__(self, writer: UsageWriter) -> None:
        self.writer = writer
        self.task = asyncio.create_task(writer.run())

    async def cancel(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task


async def until(condition: Callable[[], Awaitable[bool]] | Callable[[], bool], seconds: float = 30) -> None:
    """Return when the condition holds; raise `TimeoutError` after `seconds`."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if found if isinstance(found, bool) else await found:
                return
            await asyncio.sleep(0.01)


async def entries(client: redis.asyncio.Redis, name: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Return all entries of a stream."""
    found: Any = await client.xrange(name)
    return list(found)


async def streamed(client: redis.asyncio.Redis) -> list[UsageEvent]:
    """Return all events of the usage stream, in order."""
    found = await entries(client, redis_names.USAGE)
    return [event for _, fields in found if b"e" in fields for event in unpack(fields[b"e"])]


async def add(client: redis.asyncio.Redis, *events: UsageEvent) -> bytes:
    """Add events to the stream as one entry, and return its id."""
    entry: Any = await client.xadd(redis_names.USAGE, {"e": pack(events)})
    return bytes(entry)


async def drained(client: redis.asyncio.Redis, seconds: float = 120) -> None:
    """Return when the stream is empty."""

    async def empty() -> bool:
        return int(await client.xlen(redis_names.USAGE)) == 0

    await until(empty, seconds)


async def flushed(client: redis.asyncio.Redis) -> None:
    """Request flushes until the stream is empty."""

    async def empty() -> bool:
        await request_flush(client)
        return int(await client.xlen(redis_names.USAGE)) == 0

    await until(empty)


async def gathering(client: redis.asyncio.Redis) -> None:
    """Return when a writer has seen an entry and waits for further ones, or for a flush."""

    async def waits_for_flush() -> bool:
        return any(connection["cmd"] == "blpop" for connection in await client.client_list())

    await until(waits_for_flush)


async def logged(table: UsageTable) -> list[str]:
    """Return the event ids in the table, duplicates included."""
    rows = await table.query_async("SELECT event_id FROM mcp_tool_usage_log ORDER BY event_id")
    return [row[0] for row in rows]


async def rolled_up(table: UsageTable) -> tuple[int, int]:
    """Return the calls and the records of the roll-up."""
    rows = await table.query_async("SELECT sum(calls), sum(records) FROM mcp_tool_usage_quarter_hourly")
    return rows[0]


async def last_days(table: UsageTable, days: int = 30, owner: str | None = None) -> Stats:
    """Return the statistics of the last days (UTC)."""
    period = statistics_period(days, None, None, None, table.now_ms())
    return await stats(table, StatsRequest(period=period, filters=CallFilters(owner=owner)))


def refuse_poison(table: UsageTable) -> None:
    """Have the table refuse every insert with a call of the tool `poison`."""
    constraint = "CONSTRAINT tame CHECK tool_name != 'poison'"
    table.write(f"ALTER TABLE mcp_tool_usage_log ADD {constraint} SETTINGS mutations_sync = 1", {})


def drop_database(chdb_url: str, database: str) -> None:
    """Drop a database, and wait until it is gone: chDB loads all databases of its folder whenever it starts."""
    connector = Connector(chdb_url, database=None, cluster=None, timeouts=Timeouts())
    client = connector.open_client()
    client.command(f"DROP DATABASE IF EXISTS {database} SYNC")
    client.close()


def listing(folder: Path) -> list[str]:
    """Return the names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def run_python(program: str) -> subprocess.CompletedProcess[str]:
    """Run a program in a separate Python process, to its end."""
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False)


def start_python(program: str, says: str) -> subprocess.Popen[bytes]:
    """Start a program in a separate Python process; return when it has printed `says` as its first line."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline().decode().strip() == says
    return process


def finish(process: subprocess.Popen[bytes]) -> None:
    """Kill a program with SIGKILL."""
    process.kill()
    process.communicate()


def ids(events: Sequence[UsageEvent]) -> list[str]:
    return sorted(event.event_id for event in events)
