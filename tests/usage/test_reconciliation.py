"""Reconciliation: every place is counted independently, and a difference is found wherever it is."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.consumer.dead_letters import DeadLetters
from gateway.usage.event import pack
from gateway.usage.producer.spool import Spool
from gateway.usage.producer.stream import UsageStream
from gateway.usage.reconciliation import MONITOR_SECONDS, Balance, BalanceReporter, monitor_balance, reconcile
from gateway.usage.store.names import BY_DIMENSION_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.table import UsageTable
from tests.support.clock import Clock
from tests.support.valkey import Valkey
from tests.usage.support import DAY_MS, NOW_MS, RecordedMetrics, RunningWriter, add, drained, event, until

Start = Callable[..., RunningWriter]


async def append(stream: UsageStream, count: int, **values: Any) -> None:
    await asyncio.gather(*(stream.submit(event(**values)) for _ in range(count)))


def numbers(balance: Balance) -> dict[str, int]:
    names = ("accepted", "written", "waiting", "spooled", "dead_lettered")
    return {name: value for name in names if (value := getattr(balance, name))}


@pytest.fixture
def balance(redis: redis.asyncio.Redis, table: UsageTable) -> Callable[..., Any]:
    """Reconcile without retries: nothing moves in these tests."""

    async def balance(**options: Any) -> Balance:
        return await reconcile(options.pop("redis", redis), table, **{"patience": 0, **options})

    return balance


async def test_nothing_balances(balance: Callable[..., Any]) -> None:
    found = await balance()
    assert (numbers(found), found.balanced, found.since) == ({}, True, "2026-05-23")


async def test_events_are_counted_where_they_are(
    redis: redis.asyncio.Redis, stream: UsageStream, balance: Callable[..., Any], start_writer: Start
) -> None:
    await append(stream, 300)
    found = await balance()
    assert numbers(found) == {"accepted": 300, "waiting": 300}
    assert found.balanced
    running = start_writer()
    await append(stream, 5)
    await append(stream, 2, record_count=-1)
    await drained(redis)
    await running.cancel()
    await append(stream, 11)
    found = await balance()
    assert numbers(found) == {"accepted": 318, "written": 305, "waiting": 11, "dead_lettered": 2}
    assert found.balanced
    assert found.summed == 305


async def test_days_are_counted_separately(stream: UsageStream, balance: Callable[..., Any]) -> None:
    # Events of two days in one turn of the loop.
    await asyncio.gather(stream.submit(event()), stream.submit(event(created_at=NOW_MS - 3 * DAY_MS)))
    found = [await balance(days=days) for days in (4, 3)]
    # Waiting events count by their arrival, and these have just arrived.
    assert [one.accepted for one in found] == [2, 1]


async def test_dropped_dead_letters_stay_accounted_for(
    redis: redis.asyncio.Redis, stream: UsageStream, balance: Callable[..., Any], start_writer: Start
) -> None:
    start_writer()
    await append(stream, 3, record_count=-1)
    await drained(redis)
    letters = DeadLetters(redis)
    await letters.drop([letter async for letter in letters.all()][:2])
    found = await balance()
    assert numbers(found) == {"accepted": 3, "dead_lettered": 3}
    assert found.dropped == 2
    assert found.balanced


async def test_events_of_ended_processes_stay_accounted_for(
    redis: redis.asyncio.Redis, balance: Callable[..., Any], tmp_path: Path
) -> None:
    for number in range(3):
        stream = UsageStream(redis, Spool(tmp_path / str(number)))
        await append(stream, 10)
        await stream.close()
    assert numbers(await balance()) == {"accepted": 30, "waiting": 30}


async def test_a_removed_entry_is_a_difference(
    redis: redis.asyncio.Redis, stream: UsageStream, balance: Callable[..., Any]
) -> None:
    await append(stream, 4)
    await redis.xtrim(redis_names.USAGE, maxlen=0)
    found = await balance()
    assert (found.balanced, found.difference) == (False, 4)


async def test_a_removed_row_is_a_difference(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, balance: Callable[..., Any], start_writer: Start
) -> None:
    start_writer()
    await append(stream, 4)
    await drained(redis)
    await table.query_async("ALTER TABLE mcp_tool_usage_log DELETE WHERE record_count = 20 SETTINGS mutations_sync = 2")
    found = await balance()
    assert (found.balanced, found.difference) == (False, 4)


async def test_an_additional_row_is_a_difference(
    stream: UsageStream, table: UsageTable, balance: Callable[..., Any], redis: redis.asyncio.Redis, start_writer: Start
) -> None:
    running = start_writer()
    one = event()
    await stream.submit(one)
    await drained(redis)
    await running.cancel()
    # Not by the writer, and under another token.
    await table.insert_async([one], "another")
    found = await balance()
    assert (found.balanced, found.difference) == (False, -1)


@pytest.mark.parametrize("name", [QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE])
async def test_sums_that_differ_from_the_rows_are_found(
    redis: redis.asyncio.Redis,
    stream: UsageStream,
    table: UsageTable,
    balance: Callable[..., Any],
    start_writer: Start,
    name: str,
) -> None:
    start_writer()
    await append(stream, 4)
    await drained(redis)
    await table.query_async(f"TRUNCATE TABLE {name}")
    found = await balance()
    assert (found.balanced, found.difference, found.summed) == (False, 0, 0)


async def test_steady_load_is_no_difference(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    start_writer()

    async def load() -> None:
        while True:
            await append(stream, 7)

    loading = asyncio.create_task(load())
    for _ in range(10):
        assert (await reconcile(redis, table)).balanced
    loading.cancel()


async def test_events_that_only_the_spool_has_are_reported_until_they_are_sent(
    valkey: Valkey, client: redis.asyncio.Redis, balance: Callable[..., Any], tmp_path: Path
) -> None:
    assert valkey.process is not None
    spool = Spool(tmp_path, file_bytes=1)
    stream = UsageStream(client, spool, reply_timeout=1.0)
    await append(stream, 1)
    os.kill(valkey.process.pid, signal.SIGSTOP)
    for _ in range(5):
        await append(stream, 1)
    os.kill(valkey.process.pid, signal.SIGCONT)
    await stream.replay_task.report()
    found = await balance(redis=client)
    # The first of the five may have reached Redis, whose reply came too late.
    assert (found.accepted, found.waiting, found.spooled) in {(6, 1, 5), (6, 2, 5)}
    await spool.replay(stream.client)
    await stream.replay_task.report()
    found = await balance(redis=client)
    assert numbers(found) == {"accepted": 6, "waiting": 6}
    assert found.balanced
    assert await client.hgetall(redis_names.USAGE_SPOOLED_ONLY) == {}
    await stream.close()


async def test_accepted_counts_that_redis_lost_are_reported_again(
    redis: redis.asyncio.Redis, stream: UsageStream, balance: Callable[..., Any]
) -> None:
    await append(stream, 10)
    await redis.flushall()
    await append(stream, 1)
    await until(lambda: not stream.replay_task.redis_unavailable.is_set())
    assert numbers(await balance()) == {"accepted": 11, "waiting": 11}


async def test_a_difference_is_an_alarm(
    redis: redis.asyncio.Redis, table: UsageTable, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = RecordedMetrics()
    reporter = BalanceReporter(metrics)

    async def report(balance: Balance) -> None:
        reporter.report(balance)

    monitoring = asyncio.create_task(monitor_balance(redis, table, report, lambda: True, seconds=0.01, patience=0))
    await until(lambda: bool(metrics.differences))
    assert set(metrics.differences) == {0}
    with caplog.at_level(logging.ERROR):
        await add(redis, event())
        await until(lambda: bool(metrics.differences[-1]))
    monitoring.cancel()
    assert metrics.differences[-1] == -1
    assert "usage does not balance since" in caplog.text


def test_a_lasting_difference_is_logged_at_intervals(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    reporter = BalanceReporter(RecordedMetrics(), clock.monotonic)

    def logged(accepted: int) -> int:
        caplog.clear()
        reporter.report(unbalanced(accepted))
        return len(caplog.records)

    assert (logged(1), logged(1), logged(2), logged(0), logged(2)) == (1, 0, 1, 0, 1)
    clock.advance(MONITOR_SECONDS)
    assert logged(2) == 1


def unbalanced(accepted: int) -> Balance:
    """Return a balance of accepted events of which none is found."""
    return Balance(
        days=2,
        since="2026-01-01",
        accepted=accepted,
        written=0,
        waiting=0,
        spooled=0,
        dead_lettered=0,
        dropped=0,
        summed=0,
        balanced=not accepted,
    )


@pytest.mark.parametrize("days", [0, 366])
async def test_an_invalid_number_of_days_is_refused(balance: Callable[..., Any], days: int) -> None:
    with pytest.raises(ValueError, match="days"):
        await balance(days=days)


async def test_an_unreadable_entry_counts_as_one(redis: redis.asyncio.Redis, balance: Callable[..., Any]) -> None:
    await redis.xadd(redis_names.USAGE, {"e": b""})
    await add(redis, *(event() for _ in range(20)))
    await redis.xadd(redis_names.USAGE, {"e": pack((event(),))})
    assert (await balance()).waiting == 22


async def test_the_report_of_an_ended_process_is_removed_when_its_spool_is_empty(
    redis: redis.asyncio.Redis, balance: Callable[..., Any], tmp_path: Path
) -> None:
    # It reported five events, sent them, and was killed before it reported that.
    (tmp_path / "1-dead").mkdir()
    await redis.hset(redis_names.USAGE_SPOOLED_ONLY, "1-dead", "5")
    assert (await balance()).spooled == 5
    spool = Spool(tmp_path)
    stream = UsageStream(redis, spool)
    await spool.replay(stream.client)
    assert (await balance()).balanced
    await stream.close()
