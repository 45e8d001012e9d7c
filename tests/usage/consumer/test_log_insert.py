"""The rows of other logs are inserted exactly once, whatever fails: here those of the audit log."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis.asyncio

from gateway.audit.audit_log import AuditLog
from gateway.audit.entry import STREAM_FIELD, AuditEntry, pack
from gateway.redis import names as redis_names
from gateway.redis.durable_writes import eval_durable
from gateway.usage.store.table import UsageTable
from tests.support.audit import audit_entries, audit_entry
from tests.support.valkey import Valkey
from tests.usage.consumer.support import FaultyTable, Snapshot, Start
from tests.usage.support import DAY_MS, NOW_MS, add, drained, entries, event
from tests.usage.writer_process import drain_audit_log, kill_writer_at


async def record(client: redis.asyncio.Redis, count: int, created_at: int = NOW_MS) -> list[str]:
    """Add entries of the audit log to the stream, each after a call; return their ids."""
    audit = AuditLog(client, now_ms=lambda: created_at)
    before = {entry.id for entry in await audit_entries(client)}
    for number in range(count):
        await add(client, event())
        await audit.record("key.create", f"key_{number}", after={"number": number})
    return [entry.id for entry in reversed(await audit_entries(client)) if entry.id not in before]


async def stored(table: UsageTable) -> list[str]:
    """Return the id of every row in the audit log."""
    return [row[0] for row in await table.query_async("SELECT id FROM mcp_audit_log ORDER BY id")]


@pytest.mark.parametrize("points", [("before-log-insert", "after-ack"), ("after-insert", "after-log-insert")])
async def test_a_writer_killed_at_any_point_stores_each_entry_once(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path, points: tuple[str, ...]
) -> None:
    recorded = await record(client, 5)
    for point in points:
        await kill_writer_at(valkey, tmp_path, point)
        # Newer entries must not change the batch that was in progress.
        recorded += await record(client, 1)
    assert await drain_audit_log(valkey, tmp_path) == sorted(recorded)


async def test_a_writer_killed_during_inserts_stores_each_entry_once(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path
) -> None:
    # Such an insert writes one part for each month.
    recorded = [one for month in range(12) for one in await record(client, 2, NOW_MS + month * 31 * DAY_MS)]
    for milliseconds in (5, 20):
        await kill_writer_at(valkey, tmp_path, "during-log-insert", milliseconds / 1000)
    assert await drain_audit_log(valkey, tmp_path) == sorted(recorded)


async def test_killing_redis_under_a_writer_stores_each_entry_once(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    start_writer(redis=client)
    recorded: list[AuditEntry] = []
    for _ in range(3):
        for _ in range(20):
            recorded.append(audit_entry())
            await client.xadd(redis_names.USAGE, {STREAM_FIELD: pack([recorded[-1]])})
        await eval_durable(client, "return redis.call('SET', KEYS[1], 1)", ["mark"], [])
        valkey.kill()
        valkey.start()
    await drained(client)
    assert await stored(table) == sorted(one.id for one in recorded)


async def test_acknowledgements_that_redis_lost_store_each_entry_once(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    recorded = await record(client, 6)
    snapshot = Snapshot(valkey)
    await snapshot.take(client)
    running = start_writer(redis=client)
    await drained(client)
    await running.cancel()
    snapshot.restore()
    # Stored entries are there again, in a batch with new ones.
    recorded += await record(client, 2)
    start_writer(redis=client)
    await drained(client)
    assert await stored(table) == sorted(recorded)


@pytest.mark.parametrize(
    "faults", [["refused"], ["reply lost"], ["reply lost", "reply lost"], ["reply lost and rows lost", "none"]]
)
async def test_an_insert_with_an_unknown_outcome_stores_each_entry_once(
    redis: redis.asyncio.Redis, table: UsageTable, faulty: FaultyTable, start_writer: Start, faults: list[str]
) -> None:
    recorded = await record(redis, 3)
    faulty.log_faults = list(faults)
    start_writer(table=faulty)
    await drained(redis)
    assert (await stored(table), faulty.log_faults) == (sorted(recorded), [])


async def test_an_entry_that_clickhouse_refuses_is_a_dead_letter_and_the_others_are_stored(
    redis: redis.asyncio.Redis, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    recorded = await record(redis, 2)
    # Both together, and the first one alone.
    faulty.log_faults = ["content refused", "content refused"]
    start_writer(table=faulty)
    await drained(redis)
    assert await stored(table) == recorded[1:]
    ((_, letter),) = await entries(redis, redis_names.USAGE_DEAD_LETTERS)
    assert (b"a" in letter, letter[b"reason"]) == (True, b"odd")
