"""The writer and a ClickHouse server that fails: whatever happens to its responses, every event is stored once."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator

import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.usage.consumer.stream_consumer import TAKE_ENTRIES
from gateway.usage.consumer.writer import BATCH_EVENTS
from gateway.usage.event import pack
from gateway.usage.store.connection import Timeouts
from gateway.usage.store.table import UsageTable
from tests.support.clickhouse_front import ClickHouseFront, clickhouse_front
from tests.usage.support import (
    DAY_MS,
    NOW_MS,
    RecordedMetrics,
    RunningWriter,
    add,
    drained,
    entries,
    event,
    ids,
    logged,
    rolled_up,
    until,
)

Start = Callable[..., RunningWriter]


@pytest.fixture
def front(chdb_url: str) -> Iterator[ClickHouseFront]:
    with clickhouse_front(chdb_url) as front:
        yield front


@pytest.fixture
def served(front: ClickHouseFront, table: UsageTable) -> Iterator[UsageTable]:
    """The database of `table`, through the front."""
    served = UsageTable(front.url, database=table.database, timeouts=Timeouts(read=1), now_ms=lambda: NOW_MS)
    served.open()
    yield served
    served.close()


@pytest.fixture
def start(start_writer: Start, served: UsageTable) -> Start:
    return lambda **options: start_writer(table=served, **options)


async def add_some(client: redis.asyncio.Redis) -> list[str]:
    """Add nine entries of one event each, in three months, and return the event ids."""
    events = [event(created_at=NOW_MS + number % 3 * 31 * DAY_MS) for number in range(9)]
    for one in events:
        await add(client, one)
    return ids(events)


# The client itself repeats an insert once if its connection breaks, so each fault is listed twice.
@pytest.mark.parametrize(
    "words",
    [
        ("refuses",) * 4,
        ("forgets",) * 4,
        ("commits",) * 4,
        ("cuts",) * 3,
        ("busy", "busy"),
        ("252", "159", "241", "999"),
        ("refuses", "commits", "commits", "cuts", "busy", "forgets", "commits"),
    ],
    ids=" ".join,
)
async def test_an_insert_is_repeated_until_it_is_acknowledged_and_counts_once(
    redis: redis.asyncio.Redis, table: UsageTable, front: ClickHouseFront, start: Start, words: tuple[str, ...]
) -> None:
    expected = await add_some(redis)
    front.inserts.extend(words)
    start()
    await drained(redis)
    assert not front.inserts
    assert await logged(table) == expected
    assert await rolled_up(table) == (9, 180)
    assert await entries(redis, redis_names.USAGE_DEAD_LETTERS) == []


@pytest.mark.parametrize("word", ["hangs", "commits and hangs"])
async def test_an_insert_that_hangs_is_abandoned_and_counts_once(
    redis: redis.asyncio.Redis, table: UsageTable, front: ClickHouseFront, start: Start, word: str
) -> None:
    expected = await add_some(redis)
    front.inserts.append(word)
    running = start()
    await until(front.reached.is_set)
    await until(lambda: not running.writer.state.connected)
    assert "cannot be reached" in running.writer.state.problem
    await drained(redis)
    front.released.set()
    assert await logged(table) == expected
    assert await rolled_up(table) == (9, 180)


async def test_a_server_that_is_away_and_returns_loses_and_duplicates_nothing(
    redis: redis.asyncio.Redis,
    table: UsageTable,
    front: ClickHouseFront,
    start: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    front.stop()
    expected = await add_some(redis)
    with caplog.at_level(logging.WARNING):
        running = start()
        await until(lambda: not running.writer.state.connected)
        expected += await add_some(redis)
        front.start()
        await drained(redis)
    assert await logged(table) == sorted(expected)
    assert running.writer.state.connected
    assert "the stream keeps the events meanwhile" in caplog.text
    assert "ClickHouse is back" in caplog.text
    assert "secret" not in caplog.text


async def test_content_that_the_server_refuses_becomes_dead_letters(
    redis: redis.asyncio.Redis, table: UsageTable, served: UsageTable, front: ClickHouseFront, start: Start
) -> None:
    served.write(
        "ALTER TABLE mcp_tool_usage_log ADD CONSTRAINT tame CHECK tool_name != 'poison' SETTINGS mutations_sync = 1", {}
    )
    expected = await add_some(redis)
    await add(redis, event(tool_name="poison"))
    # The responses of some halves are lost.
    front.inserts.extend(("", "commits", "commits", "cuts"))
    start()
    await drained(redis)
    assert await logged(table) == expected
    assert await rolled_up(table) == (9, 180)
    assert len(await entries(redis, redis_names.USAGE_DEAD_LETTERS)) == 1


@pytest.mark.parametrize("words", [("cuts",), ("refuses",) * 2, ("busy",), ("159",)], ids=" ".join)
async def test_replayed_events_wait_until_the_table_can_be_queried(
    redis: redis.asyncio.Redis, table: UsageTable, front: ClickHouseFront, start: Start, words: tuple[str, ...]
) -> None:
    one, another = event(), event()
    await table.insert_async([one], "by an earlier batch")
    await redis.xadd(redis_names.USAGE, {"e": pack([one, another]), "again": "1"})
    front.queries.extend(words)
    start()
    await drained(redis)
    assert not front.queries
    assert await logged(table) == ids([one, another])
    assert await rolled_up(table) == (2, 40)


async def test_a_server_that_fails_in_turns_loses_and_duplicates_nothing(
    redis: redis.asyncio.Redis, table: UsageTable, front: ClickHouseFront, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.usage.consumer.clickhouse_retry.PAUSES", (0.01, 0.05))
    words = itertools.cycle(("commits", "forgets", "", "cuts", "busy", "refuses", "", "252", "commits", "commits"))
    start()
    expected: list[str] = []
    for _ in range(12):
        front.inserts.extend(itertools.islice(words, 3))
        expected += await add_some(redis)
        await until(lambda: len(front.inserts) < 3)
    await drained(redis)
    assert await logged(table) == sorted(expected)
    assert await rolled_up(table) == (len(expected), 20 * len(expected))


async def test_the_backlog_of_an_outage_is_drained_in_bounded_batches(
    redis: redis.asyncio.Redis, table: UsageTable, front: ClickHouseFront, start: Start
) -> None:
    front.stop()
    metrics = RecordedMetrics()
    running = start(metrics=metrics, lease_seconds=0.5)
    entry = 50
    for _ in range(10):
        async with redis.pipeline(transaction=False) as pipe:
            for _ in range(60):
                pipe.xadd(redis_names.USAGE, {"e": pack([event() for _ in range(entry)])})
            await pipe.execute()
    await until(lambda: metrics.backlog[0] == 600 and not running.writer.state.connected)
    front.start()
    await drained(redis, seconds=60)
    assert await table.query_async("SELECT count(), uniqExact(event_id) FROM mcp_tool_usage_log") == [(30_000, 30_000)]
    assert await rolled_up(table) == (30_000, 600_000)
    assert sum(metrics.batches) == 30_000
    # The first batch was taken before the others arrived; the rest is neither one burst nor a thousand small ones.
    assert max(metrics.batches) <= BATCH_EVENTS + TAKE_ENTRIES * entry
    assert len(metrics.batches) <= 6
