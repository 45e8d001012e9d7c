"""Counts of refused requests, for tests in which it does not matter who made them."""

from __future__ import annotations

import itertools
from typing import Any

import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.denial_count import STREAM_FIELD, DenialCount, pack
from gateway.usage.store.logs.log_table import DENIALS_LOG
from gateway.usage.store.table import UsageTable
from tests.usage.support import NOW_MS

_numbers = itertools.count()


def denial(**values: Any) -> DenialCount:
    """Return a count with a unique id."""
    number = next(_numbers)
    return DenialCount(
        **{
            "id": f"{number:032x}",
            "created_at": NOW_MS,
            "owner": "ada@example.com",
            "key_id": "key_1",
            "tool_name": "run_sql",
            "status": 403,
            "reason": "tool",
            "count": 1,
            "gateway_id": "g1",
            **values,
        }
    )


async def add_denials(client: redis.asyncio.Redis, *counts: DenialCount) -> None:
    """Add counts to the usage stream as one entry."""
    await client.xadd(redis_names.USAGE, {STREAM_FIELD: pack(counts)})


async def insert_denials(table: UsageTable, *counts: DenialCount) -> None:
    """Insert counts into the table."""
    await DENIALS_LOG.insert(table, counts, f"token {next(_numbers)}")


async def stored_denials(table: UsageTable) -> list[tuple[str, int]]:
    """Return the ids and numbers in the table, duplicates included."""
    return await table.query_async("SELECT id, count FROM mcp_denials_log ORDER BY id")
