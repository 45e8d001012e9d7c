"""A usage writer in a separate process that a test kills. Arguments: Redis URL, ClickHouse URL, fault point.

At `before-insert`, `after-insert`, `after-second-insert`, `before-log-insert`, `after-log-insert` and `after-ack` it
prints `there` and stops; at `during-insert` and `during-log-insert` it prints `there` and continues. With `none` it
ends when the stream is empty, and prints the contents of the tables; with `until-eof` not before the end of its
standard input.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gateway.redis import client as redis_client
from gateway.redis import names as redis_names
from gateway.usage.consumer.stream_consumer import StreamConsumer
from gateway.usage.consumer.writer import UsageWriter, WriterSettings
from gateway.usage.event import UsageEvent
from gateway.usage.store import roll_up
from gateway.usage.store.table import UsageTable
from tests.support.valkey import Valkey
from tests.usage.support import RunningWriter, finish


async def stop_here() -> None:
    print("there", flush=True)
    await asyncio.Event().wait()


class StoppingTable(UsageTable):
    point = "none"
    inserts = 0

    async def insert_async(self, events: Sequence[UsageEvent], token: str) -> None:
        if self.point == "before-insert":
            await stop_here()
        if self.point == "during-insert":
            print("there", flush=True)
        await super().insert_async(events, token)
        self.inserts += 1
        if self.point == {1: "after-insert", 2: "after-second-insert"}.get(self.inserts):
            await stop_here()

    async def insert_columns_async(
        self, name: str, types: Mapping[str, str], data: Sequence[Sequence[Any]], token: str
    ) -> None:
        if self.point == "before-log-insert":
            await stop_here()
        if self.point == "during-log-insert":
            print("there", flush=True)
        await super().insert_columns_async(name, types, data, token)
        if self.point == "after-log-insert":
            await stop_here()


async def main(redis_url: str, clickhouse_url: str, point: str) -> None:
    table = StoppingTable(clickhouse_url)
    table.point = point
    if point == "after-ack":
        ack = StreamConsumer.ack

        async def ack_and_stop(*arguments: Any) -> Any:
            await ack(*arguments)
            await stop_here()

        StreamConsumer.ack = ack_and_stop  # type: ignore[assignment, method-assign]
    redis = redis_client.connect(redis_url)
    writer = UsageWriter(redis, table, WriterSettings(linger_seconds=0, lease_seconds=0.3))
    running = RunningWriter(writer)
    if point == "until-eof":
        await asyncio.to_thread(sys.stdin.read)
    while await redis.xlen(redis_names.USAGE):  # noqa: ASYNC110 - Redis cannot wait for an empty stream.
        await asyncio.sleep(0.01)
    await running.cancel()
    await redis.aclose()
    ids = table.query("SELECT event_id FROM mcp_tool_usage_log ORDER BY event_id")
    calls = table.query("SELECT sum(calls + denied) FROM mcp_tool_usage_quarter_hourly")
    entries = table.query("SELECT id FROM mcp_audit_log ORDER BY id")
    print(json.dumps([[row[0] for row in ids], calls[0][0], [row[0] for row in entries]]))
    table.close()


def start_writer_process(valkey: Valkey, folder: Path, point: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start a writer on a chDB in the folder."""
    arguments = [sys.executable, "-m", "tests.usage.writer_process", valkey.url, f"chdb://{folder}/chdb", point]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, **options)


async def kill_writer_at(valkey: Valkey, folder: Path, point: str, seconds: float = 0) -> None:
    """Run a writer until it is at a fault point, and kill it there, or `seconds` later."""
    process = start_writer_process(valkey, folder, point)
    assert process.stdout is not None
    assert await asyncio.to_thread(process.stdout.readline) == b"there\n"
    await asyncio.sleep(seconds)
    await asyncio.to_thread(finish, process)


async def drain_with_new_process(valkey: Valkey, folder: Path) -> tuple[list[str], int]:
    """Have a new writer drain the stream; return the event ids in the table, and the calls in the roll-up."""
    return await contents_at_the_end(start_writer_process(valkey, folder, "none"))


async def drain_audit_log(valkey: Valkey, folder: Path) -> list[str]:
    """Have a new writer drain the stream; return the ids in the audit log."""
    _, _, entries = await _contents(start_writer_process(valkey, folder, "none"))
    return entries


async def contents_at_the_end(process: subprocess.Popen[bytes]) -> tuple[list[str], int]:
    """Wait until a writer process has drained the stream, and return the contents of its usage table."""
    ids, calls, _ = await _contents(process)
    return ids, calls


async def _contents(process: subprocess.Popen[bytes]) -> tuple[list[str], int, list[str]]:
    try:
        output, _ = await asyncio.to_thread(process.communicate, timeout=60)
    finally:
        finish(process)
    ids, calls, entries = json.loads(output)
    return ids, calls, entries


if __name__ == "__main__":
    roll_up.PAUSE_SECONDS = 0.05
    asyncio.run(main(*sys.argv[1:]))
