"""A usage writer in a separate process that a test kills. Arguments: Redis URL, ClickHouse URL, fault point.

At `before-insert`, `after-insert`, `after-second-insert` and `after-ack` it prints `there` and stops; at
`during-insert` it prints `there` and continues. `none` runs on, and `report` prints what the table holds.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from typing import Any

from gateway.redis import client as redis_client
from gateway.usage.consumer.stream_consumer import StreamConsumer
from gateway.usage.consumer.writer import UsageWriter, WriterSettings
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
        if self.point == "during-insert":
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
    if point == "after-ack":
        ack = StreamConsumer.ack

        async def ack_and_stop(*arguments: Any) -> Any:
            await ack(*arguments)
            await stop_here()

        StreamConsumer.ack = ack_and_stop  # type: ignore[assignment, method-assign]
    settings = WriterSettings(linger_seconds=0, lease_seconds=0.3)
    await UsageWriter(redis_client.connect(redis_url), table, settings).run()


asyncio.run(main(*sys.argv[1:]))
