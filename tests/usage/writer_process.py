"""A usage writer as a process of its own, which a test kills. Arguments: Redis URL, ClickHouse URL, fault point.

Fault points: `before-insert`, `after-insert`, `after-second-insert`, `after-settle`, where it prints `there` and stops;
`amid-insert`, where it prints `there` and goes on; `none` runs on, and `report` prints what the table holds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from gateway.redis import client as redis_client
from gateway.usage.consumer.writer import UsageWriter
from gateway.usage.event import UsageEvent
from gateway.usage.store.table import UsageTable


async def stop_here() -> None:
    print("there", flush=True)
    await asyncio.Event().wait()


class StoppingTable(UsageTable):
    point = "none"
    inserts = 0

    async def insert_async(self, events: Sequence[UsageEvent], token: str) -> None:
        if self.point == "before-insert":
            await stop_here()
        if self.point == "amid-insert":
            print("there", flush=True)
        await super().insert_async(events, token)
        self.inserts += 1
        if self.point == {1: "after-insert", 2: "after-second-insert"}.get(self.inserts):
            await stop_here()


async def main(redis_url: str, clickhouse_url: str, point: str) -> None:
    table = StoppingTable(clickhouse_url)
    table.point = point
    if point == "report":
        ids = table.query("SELECT event_id FROM mcp_tool_usage_log ORDER BY event_id")
        calls = table.query("SELECT sum(calls) FROM mcp_tool_usage_daily")
        print(json.dumps([[row[0] for row in ids], calls[0][0]]))
        table.close()
        return
    writer = UsageWriter(redis_client.connect(redis_url), table, linger=0, lease_seconds=0.3)
    if point == "after-settle":
        settle = writer._batches.settle

        async def settle_and_stop(*arguments: Any) -> Any:
            await settle(*arguments)
            await stop_here()

        writer._batches.settle = settle_and_stop  # type: ignore[assignment, method-assign]
    await writer.run()


asyncio.run(main(*sys.argv[1:]))
