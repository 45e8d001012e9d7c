"""The writer: every event is in the table exactly once, whatever is interrupted when."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis.asyncio

from gateway.redis import names as redis_names
from gateway.redis.durable_writes import eval_durable
from gateway.usage.consumer.lease import Lease
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.consumer.stream_consumer import StreamConsumer
from gateway.usage.event import UsageEvent, new_event_id, pack, unpack
from gateway.usage.producer.spool import Spool
from gateway.usage.producer.stream import UsageStream
from gateway.usage.reconciliation import reconcile
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.table import UsageTable
from tests.support.clickhouse_front import clickhouse_front
from tests.support.valkey import Valkey
from tests.usage.support import (
    DAY_MS,
    NOW_MS,
    RecordedMetrics,
    RunningWriter,
    add,
    drained,
    entries,
    event,
    finish,
    flushed,
    gathering,
    ids,
    logged,
    refuse_poison,
    rolled_up,
    until,
)

Start = Callable[..., RunningWriter]


class FaultyTable(UsageTable):
    """The real table behind a faulty connection: `faults` has the outcomes of the next inserts."""

    faults: list[str]
    inserting: asyncio.Event

    async def insert_async(self, events: Sequence[UsageEvent], token: str) -> None:
        fault = self.faults.pop(0) if self.faults else "none"
        if fault == "refused":
            raise UsageTableUnavailable("away")
        await super().insert_async(events, token)
        if fault == "reply lost":
            raise UsageTableUnavailable("away")
        if "rows lost" in fault:
            for name in ("log", "daily"):
                # A mutation keeps the token.
                self.write(f"ALTER TABLE mcp_tool_usage_{name} DELETE WHERE 1 SETTINGS mutations_sync = 1", {})
        if fault.startswith("hangs"):
            self.inserting.set()
            await asyncio.Event().wait()


@pytest.fixture(params=["chDB", "HTTP"])
def usage_url(request: pytest.FixtureRequest, chdb_url: str) -> Iterator[str]:
    """The writer behaves the same in both connection types."""
    if request.param == "chDB":
        yield chdb_url
    else:
        with clickhouse_front(chdb_url) as front:
            yield front.url


@pytest.fixture
def faulty(usage_url: str, table: UsageTable) -> Iterator[FaultyTable]:
    """A faulty connection to the database of `table`."""
    found = FaultyTable(usage_url, database=table.database)
    found.faults = []
    found.inserting = asyncio.Event()
    yield found
    found.close()


async def interrupt(start_writer: Start, table: FaultyTable) -> None:
    """Run a writer until it hangs in an insert, and cancel it there."""
    running = start_writer(table=table)
    await table.inserting.wait()
    await running.cancel()


async def append(stream: UsageStream, *events: UsageEvent) -> list[UsageEvent]:
    await asyncio.gather(*(stream.append(one) for one in events))
    return list(events)


async def dead_letters(client: redis.asyncio.Redis) -> list[tuple[bytes, str]]:
    letters = await entries(client, redis_names.USAGE_DEAD_LETTERS)
    return [(fields[b"e"], fields[b"reason"].decode()) for _, fields in letters]


# Draining.


async def test_appended_events_reach_the_table_and_the_roll_up(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    events = await append(stream, *(event() for _ in range(100)))
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (100, 2000)


async def test_a_batch_is_inserted_after_its_linger_time(
    redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start
) -> None:
    start_writer(linger_seconds=0.1)
    for _ in range(2):
        await append(stream, event())
        await drained(redis)


async def test_events_linger_until_a_reader_requests_a_flush(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    start_writer(linger_seconds=600)
    for _ in range(2):
        await append(stream, event(), event())
        await gathering(redis)
        assert await redis.xlen(redis_names.USAGE) == 1
        assert await wait_until_stored(redis, patience=10)
        assert await redis.xlen(redis_names.USAGE) == 0
    assert len(await logged(table)) == 4


async def test_a_writer_with_a_backlog_does_not_linger(redis: redis.asyncio.Redis, start_writer: Start) -> None:
    for _ in range(3):
        await add(redis, *(event() for _ in range(20)))
    metrics = RecordedMetrics()
    start_writer(linger_seconds=0.2, batch_events=10, metrics=metrics)
    await drained(redis)
    assert sum(metrics.batches) == 60


async def test_events_that_arrive_while_a_batch_lingers_are_one_insert(
    redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start
) -> None:
    metrics = RecordedMetrics()
    start_writer(linger_seconds=600, metrics=metrics)
    for _ in range(5):
        await append(stream, event())
        await gathering(redis)
    await flushed(redis)
    assert metrics.batches == [5]


async def test_a_batch_is_bounded(redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start) -> None:
    for _ in range(200):
        await append(stream, event())
    metrics = RecordedMetrics()
    start_writer(batch_events=60, metrics=metrics)
    await drained(redis)
    assert sum(metrics.batches) == 200
    assert max(metrics.batches) <= 60 + 50


async def test_a_batch_across_a_months_end_arrives_once(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, *(event(created_at=NOW_MS + month * 31 * DAY_MS) for month in range(4)))
    faulty.faults = ["reply lost", "refused", "reply lost"]
    start_writer(table=faulty)
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (4, 80)


# Crashes.


async def test_a_writer_that_ends_between_insert_and_ack_duplicates_nothing(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, *(event(created_at=NOW_MS + month * 31 * DAY_MS) for month in range(3)))
    faulty.faults = ["hangs after insert"]
    await interrupt(start_writer, faulty)
    assert await logged(table) == ids(events)
    # Its successor finds the first batch pending, and newer entries.
    events += await append(stream, event(), event())
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (5, 100)


def writer_process(valkey: Valkey, folder: Path, point: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.usage.writer_process", valkey.url, f"chdb://{folder}/chdb", point],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def kill_writer_at(valkey: Valkey, folder: Path, point: str, seconds: float = 0) -> None:
    """Run a writer until it is at a fault point, and kill it there, or `seconds` later."""
    process = writer_process(valkey, folder, point)
    assert process.stdout is not None
    assert process.stdout.readline() == b"there\n"
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    finish(process)


def report(valkey: Valkey, folder: Path) -> tuple[list[str], int]:
    process = writer_process(valkey, folder, "report")
    found, calls = json.loads(process.communicate(timeout=30)[0])
    return found, calls


@pytest.mark.parametrize("points", [("before-insert",), ("after-insert",), ("after-ack",), ("after-insert",) * 2])
async def test_a_writer_killed_at_any_point_loses_and_duplicates_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path, points: tuple[str, ...]
) -> None:
    events = [event(created_at=NOW_MS + number % 3 * 31 * DAY_MS) for number in range(30)]
    for one in events:
        await add(client, one)
    for point in points:
        await asyncio.to_thread(kill_writer_at, valkey, tmp_path, point)
        # Newer entries must not change the batch that was in progress.
        events.append(event())
        await add(client, events[-1])
    last = writer_process(valkey, tmp_path, "none")
    await drained(client, seconds=30)
    finish(last)
    found, calls = await asyncio.to_thread(report, valkey, tmp_path)
    assert (found, calls) == (ids(events), len(events))


async def test_a_writer_killed_during_inserts_into_many_months_loses_and_duplicates_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path
) -> None:
    # Such an insert writes one part for each month, to the log and to the daily sums, one after another.
    events = [event(created_at=NOW_MS + number % 24 * 31 * DAY_MS) for number in range(240)]
    await add(client, *events)
    for milliseconds in (5, 15, 30, 60, 100):
        await asyncio.to_thread(kill_writer_at, valkey, tmp_path, "during-insert", milliseconds / 1000)
    last = writer_process(valkey, tmp_path, "none")
    await drained(client, seconds=30)
    finish(last)
    found, calls = await asyncio.to_thread(report, valkey, tmp_path)
    assert (found, calls) == (ids(events), len(events))


# The writer that repeats the insert may be killed as well.
@pytest.mark.parametrize(
    ("lost_from", "points"),
    [
        (("log",), ("after-insert",)),
        (("log",), ("after-insert", "after-second-insert")),
        (("log", "daily"), ("after-insert",)),
        (("log", "daily"), ("after-insert", "after-second-insert")),
        (("daily",), ("after-insert",)),
    ],
)
async def test_rows_of_which_a_killed_clickhouse_has_only_the_token_are_inserted_again(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path, lost_from: tuple[str, ...], points: tuple[str, ...]
) -> None:
    # ClickHouse writes the token of a part first. Killed before it has the part, it ignores the repeated insert.
    events = [event(created_at=NOW_MS + number % 3 * 31 * DAY_MS) for number in range(30)]
    month = time.strftime("%Y%m", time.gmtime(events[1].created_at / 1000))
    await add(client, *events)
    for point in points:
        await asyncio.to_thread(kill_writer_at, valkey, tmp_path, point)
        for table in lost_from:
            for part in (tmp_path / "chdb" / "data" / "mcp_gateway" / f"mcp_tool_usage_{table}").glob(f"{month}_*"):
                shutil.rmtree(part)
    last = writer_process(valkey, tmp_path, "none")
    await drained(client, seconds=30)
    finish(last)
    found, calls = await asyncio.to_thread(report, valkey, tmp_path)
    assert (found, calls) == (ids(events), len(events))


async def test_a_lost_half_of_a_refused_batch_is_inserted_again(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    refuse_poison(table)
    events = await append(stream, *(event() for _ in range(8)))
    await append(stream, event(tool_name="poison"))
    faulty.faults = ["none", "none", "hangs, rows lost"]
    await interrupt(start_writer, faulty)
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (8, 160)


async def test_rows_that_are_lost_repeatedly_are_stored_in_the_end(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, event(), event())
    faulty.faults = ["hangs, rows lost"]
    await interrupt(start_writer, faulty)
    faulty.faults = ["rows lost"] * 6
    start_writer(table=faulty)
    await drained(redis)
    assert faulty.faults == []
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (2, 40)


async def test_expired_rows_do_not_count_as_lost(
    redis: redis.asyncio.Redis,
    make_table: Callable[..., UsageTable],
    usage_url: str,
    start_writer: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Retention uses ClickHouse's own clock.
    now_ms = time.time_ns() // 1_000_000
    table = make_table(ttl_days=3, now_ms=lambda: now_ms)
    table.open()
    faulty = FaultyTable(usage_url, database=table.database, ttl_days=3, now_ms=lambda: now_ms)
    faulty.faults, faulty.inserting = ["reply lost"], asyncio.Event()
    young = event(created_at=now_ms)
    await add(redis, event(created_at=now_ms - 10 * DAY_MS), young)
    metrics = RecordedMetrics()
    running = start_writer(table=faulty, metrics=metrics)
    await drained(redis)
    await running.cancel()
    faulty.close()
    assert young.event_id in await logged(table)
    assert "lost" not in caplog.text
    assert metrics.batches == [2]


async def test_a_duplicate_that_is_stored_with_its_second_time_is_counted_once(
    redis: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    made_at = NOW_MS - 1000
    first = event(event_id=f"{made_at:012x}7{5:019x}", created_at=NOW_MS)
    second = msgspec.structs.replace(first, created_at=NOW_MS + 1000)
    await table.insert_async([second], "before Redis forgot")
    for one in (first, second):
        await redis.xadd(redis_names.USAGE, {"e": pack([one]), "again": "1"})
    start_writer()
    await drained(redis)
    assert await logged(table) == [first.event_id]
    assert sum(map(int, (await redis.hgetall(redis_names.USAGE_DUPLICATES)).values())) == 1


async def test_killing_redis_under_a_writer_loses_and_duplicates_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    running = start_writer(redis=client)
    events: list[UsageEvent] = []
    for _ in range(3):
        for _ in range(50):
            events.append(event())
            await add(client, events[-1])
        # There is no spool here that would replay entries that Redis loses.
        await eval_durable(client, "return redis.call('SET', KEYS[1], 1)", ["mark"], [])
        valkey.kill()
        valkey.start()
    await drained(client)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (150, 3000)
    await running.cancel()


async def test_a_flushed_redis_does_not_stop_the_writer(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    start_writer()
    events = await append(stream, event())
    await drained(redis)
    await redis.flushall()
    events += await append(stream, event())
    # Redis has lost the first event: it is replayed, and not stored again.
    await until(lambda: not stream.is_redis_away)
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (2, 40)


async def test_a_lost_consumer_group_is_created_again(
    redis: redis.asyncio.Redis,
    stream: UsageStream,
    table: UsageTable,
    start_writer: Start,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.usage.consumer.writer.BLOCK_MS", 50)
    start_writer()
    events = await append(stream, event())
    await drained(redis)
    await redis.xgroup_destroy(redis_names.USAGE, redis_names.USAGE_GROUP)

    async def is_created() -> bool:
        return bool(await redis.xinfo_groups(redis_names.USAGE))

    # The writer notices it without a new entry.
    await until(is_created)
    events += await append(stream, event())
    await drained(redis)
    assert await logged(table) == ids(events)


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


@pytest.mark.parametrize("acknowledged_before", [0, 4])
async def test_acknowledgements_that_redis_lost_duplicate_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start, acknowledged_before: int
) -> None:
    running = start_writer(redis=client)
    events = [event() for _ in range(acknowledged_before)]
    for one in events:
        await add(client, one)
    await drained(client)
    await running.cancel()
    for _ in range(10):
        events.append(event())
        await add(client, events[-1])
    snapshot = Snapshot(valkey)
    await snapshot.take(client)
    running = start_writer(redis=client)
    await drained(client)
    await running.cancel()
    snapshot.restore()
    # Stored entries are there again, in batches with new ones.
    for _ in range(5):
        events.append(event())
        await add(client, events[-1])
    running = start_writer(redis=client)
    await drained(client)
    events.append(event())
    await add(client, events[-1])
    await drained(client)
    await running.cancel()
    assert await logged(table) == ids(events)
    assert (await rolled_up(table))[0] == len(events)


async def test_acknowledgements_that_redis_lost_under_a_running_writer_duplicate_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    running = start_writer(redis=client, linger_seconds=600)
    events = [event() for _ in range(3)]
    await add(client, *events)
    # Now the entries are there and not pending yet.
    await gathering(client)
    snapshot = Snapshot(valkey)
    await snapshot.take(client)
    await flushed(client)
    snapshot.restore()
    events.append(event())
    await add(client, events[-1])
    await flushed(client)
    await running.cancel()
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (4, 80)


async def test_entries_that_a_worker_replays_are_not_stored_again(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start, tmp_path: Path
) -> None:
    stream = UsageStream(client, Spool(tmp_path))
    await stream.start()
    running = start_writer(redis=client)
    events = await append(stream, event())
    snapshot = Snapshot(valkey)
    await snapshot.take(client)
    for _ in range(10):
        events += await append(stream, event())
    await drained(client)
    snapshot.restore()
    for _ in range(10):
        events += await append(stream, event())
    await until(lambda: not stream.is_redis_away)
    await drained(client)
    await stream.close()
    await running.cancel()
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (21, 420)


# ClickHouse away.


async def test_a_batch_is_repeated_while_clickhouse_is_away_and_arrives_once(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, *(event() for _ in range(10)))
    faulty.faults = ["refused", "reply lost", "refused"]
    metrics = RecordedMetrics()
    running = start_writer(table=faulty, metrics=metrics)
    await until(lambda: not running.writer.state.connected)
    assert running.writer.state.problem == "away"
    await drained(redis)
    assert await logged(table) == ids(events)
    assert metrics.connected.count(False) == 3
    assert metrics.connected[-1]
    assert running.writer.state.connected
    assert running.writer.state.problem == ""


async def test_an_unreachable_clickhouse_shows_in_the_state_and_keeps_the_stream(
    redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        table = UsageTable(f"http://127.0.0.1:{unused.getsockname()[1]}")
        await append(stream, event(), event())
        running = start_writer(table=table, lease_seconds=0.5)
        await until(lambda: running.writer.state.waiting_entries == 1 and not running.writer.state.connected)
        assert "cannot be reached, check GATEWAY_CLICKHOUSE_URL" in running.writer.state.problem
        assert await redis.xlen(redis_names.USAGE) == 1
        await running.cancel()
        table.close()


# Content.


async def test_events_that_the_table_cannot_hold_go_to_the_dead_letters(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    bad = event(created_at=1 << 60)
    good = [event(), event()]
    await append(stream, good[0], bad, good[1])
    await redis.xadd(redis_names.USAGE, {"e": b"junk"})
    metrics = RecordedMetrics()
    start_writer(metrics=metrics)
    await drained(redis)
    assert await logged(table) == ids(good)
    letters = dict(await dead_letters(redis))
    assert letters[pack((bad,))].startswith("created_at")
    assert "cannot be read" in letters[b"junk"]
    assert metrics.counts["dead_lettered"] == 2


async def test_events_that_clickhouse_refuses_go_to_the_dead_letters_and_the_others_are_stored(
    redis: redis.asyncio.Redis,
    stream: UsageStream,
    table: UsageTable,
    start_writer: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    refuse_poison(table)
    events = [event() for _ in range(40)]
    poison = [event(tool_name="poison") for _ in range(3)]
    mixed = [*events[:5], poison[0], *events[5:20], poison[1], poison[2], *events[20:]]
    await append(stream, *mixed)
    with caplog.at_level(logging.ERROR):
        start_writer()
        await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (40, 800)
    letters = await dead_letters(redis)
    assert [unpack(packed)[0] for packed, _ in letters] == poison
    assert all("tame" in reason for _, reason in letters)
    assert "3 events went to the dead letters" in caplog.text


async def test_stored_events_of_a_refused_batch_are_not_stored_again(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    events = await append(stream, *(event() for _ in range(6)), event(tool_name="poison"))
    await table.insert_async(events[:3], "an earlier split")
    refuse_poison(table)
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events[:6])
    assert await rolled_up(table) == (6, 120)


async def test_a_refused_batch_that_was_interrupted_duplicates_nothing(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    refuse_poison(table)
    events = [event() for _ in range(8)]
    await append(stream, *events, event(tool_name="poison"))
    # The whole batch is refused, one half is inserted, and there the writer ends.
    faulty.faults = ["none", "none", "hangs after insert"]
    await interrupt(start_writer, faulty)
    assert 0 < len(await logged(table)) < 8
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (8, 160)
    assert len(await dead_letters(redis)) == 1


# Two writers.


async def test_of_two_writers_one_drains_and_the_other_takes_over(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    writers = [start_writer(), start_writer()]

    def leading() -> list[RunningWriter]:
        return [one for one in writers if one.writer.state.is_leading]

    events = await append(stream, *(event() for _ in range(10)))
    await drained(redis)
    await until(lambda: bool(leading()))
    (leader,) = leading()
    await leader.cancel()
    events += await append(stream, event())
    await drained(redis)
    await until(lambda: bool(leading()))
    (successor,) = leading()
    assert successor is not leader
    assert await logged(table) == ids(events)


async def test_the_whole_batch_of_a_suspended_writer_is_taken_over(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    # A writer took a batch, inserted it, and was suspended: its lease ends.
    lease = Lease(redis, redis_names.USAGE_LEASE, "suspended", 0.3)
    await lease.acquire()
    suspended = StreamConsumer(redis, "suspended")
    await suspended.create_group()
    events = await append(stream, *(event() for _ in range(5)))
    await suspended.take()
    batch = await suspended.pending()
    assert batch is not None
    await table.insert_async(batch.events, batch.token)
    events += await append(stream, event())
    start_writer(lease_seconds=0.3)
    await drained(redis)
    # It continues: what it still does has no effect.
    await table.insert_async(batch.events, batch.token)
    assert not await suspended.ack(batch, [])
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (6, 120)


async def test_a_writer_that_lost_its_lease_stops_draining(
    redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start, caplog: pytest.LogCaptureFixture
) -> None:
    running = start_writer()
    await until(lambda: running.writer.state.is_leading)
    with caplog.at_level(logging.WARNING):
        await redis.set(redis_names.USAGE_LEASE, "another", px=400)
        entry = await add(redis, event())
        await until(lambda: not running.writer.state.is_leading)
        assert await redis.xrange(redis_names.USAGE, entry, entry)
        await drained(redis)
    assert "another writer has taken over" in caplog.text


async def test_the_state_has_the_age_of_the_oldest_entry(
    redis: redis.asyncio.Redis, stream: UsageStream, faulty: FaultyTable, start_writer: Start
) -> None:
    faulty.faults = ["refused"] * 1000
    entry = await add(redis, event())
    added_at = int(entry.split(b"-")[0])
    running = start_writer(table=faulty, lease_seconds=0.2, now_ms=lambda: added_at + 7000)
    await until(lambda: running.writer.state.waiting_entries == 1)
    assert running.writer.state.oldest_waiting_ms == 7000


# Events that are made twice.


async def balance(client: redis.asyncio.Redis, table: UsageTable) -> tuple[int, int, bool]:
    found = await reconcile(client, table, days=2, patience=2)
    return found.accepted, found.written, found.balanced


@pytest.mark.parametrize("drained_between", [True, False])
@pytest.mark.parametrize("later_ms", [7000, -7000])
async def test_an_event_that_two_workers_made_is_stored_once(
    redis: redis.asyncio.Redis,
    table: UsageTable,
    start_writer: Start,
    tmp_path: Path,
    drained_between: bool,
    later_ms: int,
) -> None:
    # A worker was killed after it made an event and before it told the others.
    made = event(event_id=new_event_id(NOW_MS - 60_000))
    again = msgspec.structs.replace(made, created_at=made.created_at + later_ms)
    first, second = (UsageStream(redis, Spool(tmp_path / name)) for name in ("first", "second"))
    await asyncio.gather(first.append(event()), first.append(made, possibly_duplicate=True))
    running = start_writer()
    if drained_between:
        await drained(redis)
    else:
        await running.cancel()
    await asyncio.gather(second.append(event()), second.append(again, possibly_duplicate=True))
    if not drained_between:
        start_writer()
    await drained(redis)
    assert len(await logged(table)) == 3
    assert await rolled_up(table) == (3, 60)
    assert await balance(redis, table) == (3, 3, True)
    await first.close()
    await second.close()


async def test_a_possible_duplicate_without_a_twin_is_counted_although_its_writer_is_killed(
    redis: redis.asyncio.Redis, table: UsageTable, faulty: FaultyTable, start_writer: Start, tmp_path: Path
) -> None:
    stream = UsageStream(redis, Spool(tmp_path))
    await stream.append(event(event_id=new_event_id(NOW_MS)), possibly_duplicate=True)
    faulty.faults = ["hangs after insert"]
    running = start_writer(table=faulty)
    await faulty.inserting.wait()
    await running.cancel()
    start_writer()
    await drained(redis)
    assert await balance(redis, table) == (1, 1, True)
    await stream.close()
