"""The writer stores each count of refused requests once, whatever is killed when, and leaves usage in balance."""

from __future__ import annotations

import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.reconciliation import reconcile
from gateway.usage.store.table import UsageTable
from tests.usage.consumer.support import FaultyTable, Start, interrupt
from tests.usage.denials import add_denials, denial, stored_denials
from tests.usage.support import add, drained, event, flushed, ids, logged


async def test_counts_and_calls_of_one_batch_are_stored(
    redis: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    counts = [denial(count=number) for number in range(1, 5)]
    calls = [event(), event()]
    await add_denials(redis, *counts[:2])
    await add(redis, *calls)
    await add_denials(redis, *counts[2:])
    start_writer()
    await drained(redis)
    assert await stored_denials(table) == [(one.id, one.count) for one in counts]
    assert await logged(table) == ids(calls)


async def test_counts_whose_writer_ends_between_insert_and_acknowledgement_are_stored_once(
    redis: redis.asyncio.Redis, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    faulty.log_faults = ["hangs after insert"]
    counts = [denial(count=3), denial(count=4)]
    await add_denials(redis, *counts)
    await interrupt(start_writer, faulty)
    assert await redis.xlen(redis_names.USAGE) == 1
    counts.append(denial())
    await add_denials(redis, counts[-1])
    start_writer()
    await drained(redis)
    assert await stored_denials(table) == [(one.id, one.count) for one in counts]


async def test_counts_that_a_worker_sent_twice_in_one_batch_are_stored_once(
    redis: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    one = denial(count=3)
    await add_denials(redis, one)
    await add_denials(redis, one)
    start_writer()
    await drained(redis)
    assert await stored_denials(table) == [(one.id, 3)]


async def test_counts_that_cannot_be_read_go_to_the_dead_letters(
    redis: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    await redis.xadd(redis_names.USAGE, {"d": b"\xc1"})
    await add_denials(redis, denial(created_at=-1), kept := denial())
    start_writer()
    await drained(redis)
    assert await stored_denials(table) == [(kept.id, 1)]
    assert await redis.xlen(redis_names.USAGE_DEAD_LETTERS) == 2


async def test_counts_do_not_disturb_the_reconciliation_of_usage(
    redis: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    await add_denials(redis, denial(), denial())
    assert (await reconcile(redis, table, patience=0)).balanced
    start_writer()
    await flushed(redis)
    assert (await reconcile(redis, table, patience=0)).balanced
