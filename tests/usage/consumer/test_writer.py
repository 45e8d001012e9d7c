"""The writer: every event in the table exactly once, whatever is cut off when."""

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

from gateway.redis import client as redis_client
from gateway.redis import names as redis_names
from gateway.usage.consumer.batches import UsageBatches
from gateway.usage.consumer.lease import Lease
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.consumer.writer import BLOCK_MS
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
    ids,
    logged,
    rolled_up,
    until,
)

Start = Callable[..., RunningWriter]


class FaultyTable(UsageTable):
    """The real table behind a faulty connection: `faults` says what becomes of the next inserts."""

    faults: list[str]
    inserting: asyncio.Event

    async def insert_async(self, events: Sequence[UsageEvent], token: str) -> None:
        fault = self.faults.pop(0) if self.faults else "none"
        if fault == "refused":
            raise UsageTableUnavailable("away")
        await super().insert_async(events, token)
        if fault == "answer lost":
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
    """What holds of the writer holds on both ways to ClickHouse."""
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


async def cut_off(start_writer: Start, table: FaultyTable) -> None:
    """Run a writer until it hangs in an insert, and end it there."""
    running = start_writer(table=table)
    await table.inserting.wait()
    await running.cancel()


def refuse_poison(table: UsageTable) -> None:
    """From now on the table refuses any insert with a call of this tool."""
    constraint = "CONSTRAINT tame CHECK tool_name != 'poison'"
    table.write(f"ALTER TABLE mcp_tool_usage_log ADD {constraint} SETTINGS mutations_sync = 1", {})


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


async def test_a_single_event_shows_within_two_seconds(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    running = start_writer(linger=0.1)
    await append(stream, event())
    await drained(redis)
    started = time.monotonic()
    await append(stream, event())
    await drained(redis)
    assert time.monotonic() - started < 2
    assert running.writer.state.connected


async def test_events_wait_for_company_unless_somebody_asks_for_them(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    running = start_writer(linger=600)
    await until(lambda: running.writer.state.is_leading)
    for _ in range(2):
        await append(stream, event(), event())
        await asyncio.sleep(0.2)
        assert await redis.xlen(redis_names.USAGE) == 1
        assert await wait_until_stored(redis, patience=10)
        assert await redis.xlen(redis_names.USAGE) == 0
    assert len(await logged(table)) == 4


async def test_a_writer_that_is_behind_does_not_wait(redis: redis.asyncio.Redis, start_writer: Start) -> None:
    for _ in range(3):
        await add(redis, *(event() for _ in range(20)))
    metrics = RecordedMetrics()
    start_writer(linger=0.2, batch_events=10, metrics=metrics)
    await drained(redis)
    assert sum(metrics.batches) == 60


async def test_events_that_come_close_together_are_one_insert(
    redis: redis.asyncio.Redis, stream: UsageStream, start_writer: Start
) -> None:
    metrics = RecordedMetrics()
    running = start_writer(linger=0.7, metrics=metrics)
    await until(lambda: running.writer.state.is_leading)
    for _ in range(5):
        await append(stream, event())
    await drained(redis)
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
    faulty.faults = ["answer lost", "refused", "answer lost"]
    start_writer(table=faulty)
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (4, 80)


# Crashes.


async def test_a_writer_that_ends_between_insert_and_settling_doubles_nothing(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, *(event(created_at=NOW_MS + month * 31 * DAY_MS) for month in range(3)))
    faulty.faults = ["hangs after insert"]
    await cut_off(start_writer, faulty)
    assert await logged(table) == ids(events)
    # The successor finds the first batch pending, and entries that came meanwhile.
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
    """Run a writer until it is at a fault point, and kill it there, or so many seconds later."""
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


@pytest.mark.parametrize("points", [("before-insert",), ("after-insert",), ("after-settle",), ("after-insert",) * 2])
async def test_a_writer_killed_anywhere_loses_and_doubles_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path, points: tuple[str, ...]
) -> None:
    events = [event(created_at=NOW_MS + number % 3 * 31 * DAY_MS) for number in range(30)]
    for one in events:
        await add(client, one)
    for point in points:
        await asyncio.to_thread(kill_writer_at, valkey, tmp_path, point)
        # Entries that come between must not change the batch that is under way.
        events.append(event())
        await add(client, events[-1])
    last = writer_process(valkey, tmp_path, "none")
    await drained(client, seconds=30)
    finish(last)
    found, calls = await asyncio.to_thread(report, valkey, tmp_path)
    assert (found, calls) == (ids(events), len(events))


async def test_a_writer_killed_amid_inserts_into_many_months_loses_and_doubles_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path
) -> None:
    # Such an insert is one part for each month, in the log and in the sums, one after another.
    events = [event(created_at=NOW_MS + number % 24 * 31 * DAY_MS) for number in range(240)]
    await add(client, *events)
    for milliseconds in (5, 15, 30, 60, 100):
        await asyncio.to_thread(kill_writer_at, valkey, tmp_path, "amid-insert", milliseconds / 1000)
    last = writer_process(valkey, tmp_path, "none")
    await drained(client, seconds=30)
    finish(last)
    found, calls = await asyncio.to_thread(report, valkey, tmp_path)
    assert (found, calls) == (ids(events), len(events))


# What stores again may be killed as well.
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
async def test_what_a_killed_clickhouse_remembers_but_does_not_have_is_stored_again(
    valkey: Valkey, client: redis.asyncio.Redis, tmp_path: Path, lost_from: tuple[str, ...], points: tuple[str, ...]
) -> None:
    # It notes a part's token first and keeps the part second: killed between the two, it drops the repetition.
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


async def test_the_half_of_a_refused_batch_that_was_lost_is_stored_again(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    refuse_poison(table)
    events = await append(stream, *(event() for _ in range(8)))
    await append(stream, event(tool_name="poison"))
    faulty.faults = ["none", "none", "hangs, rows lost"]
    await cut_off(start_writer, faulty)
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (8, 160)


async def test_what_is_lost_again_and_again_is_stored_all_the_same(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, event(), event())
    faulty.faults = ["hangs, rows lost"]
    await cut_off(start_writer, faulty)
    faulty.faults = ["rows lost"] * 6
    start_writer(table=faulty)
    await drained(redis)
    assert faulty.faults == []
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (2, 40)


async def test_what_the_retention_has_removed_is_not_taken_for_lost(
    redis: redis.asyncio.Redis,
    make_table: Callable[..., UsageTable],
    usage_url: str,
    start_writer: Start,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # ClickHouse has a clock of its own.
    now_ms = time.time_ns() // 1_000_000
    table = make_table(ttl_days=3, now_ms=lambda: now_ms)
    table.open()
    faulty = FaultyTable(usage_url, database=table.database, ttl_days=3, now_ms=lambda: now_ms)
    faulty.faults, faulty.inserting = ["answer lost"], asyncio.Event()
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


async def test_an_event_that_came_twice_and_is_stored_with_its_second_time_is_taken_out_once(
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


async def test_redis_killed_under_a_writer_loses_and_doubles_nothing(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    running = start_writer(redis=client)
    events: list[UsageEvent] = []
    for _ in range(3):
        for _ in range(50):
            events.append(event())
            await add(client, events[-1])
        # No spool is here that would send again what Redis forgets.
        await redis_client.eval_durable(client, "return redis.call('SET', KEYS[1], 1)", ["mark"], [])
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
    # Of the first, Redis knows nothing any more: it is sent again, and not stored again.
    await until(lambda: not stream.is_redis_away)
    await drained(redis)
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (2, 40)


async def test_a_redis_without_the_writers_group_is_made_ready_again(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    start_writer()
    events = await append(stream, event())
    await drained(redis)
    await redis.xgroup_destroy(redis_names.USAGE, redis_names.USAGE_GROUP)
    # The writer finds out when it looks for more.
    await asyncio.sleep(BLOCK_MS / 1000 + 0.2)
    events += await append(stream, event())
    await drained(redis, seconds=5)
    assert await logged(table) == ids(events)


class Snapshot:
    """The data of a Valkey as they were, to be gone back to: what a crash can make of `appendfsync everysec`."""

    def __init__(self, valkey: Valkey) -> None:
        self._valkey = valkey
        self._kept = valkey.folder / "kept"

    async def take(self, client: Any) -> None:
        assert await client.execute_command("WAITAOF", 1, 0, 5000) == [1, 0]
        shutil.copytree(self._valkey.folder / "appendonlydir", self._kept)

    def go_back(self) -> None:
        self._valkey.kill()
        shutil.rmtree(self._valkey.folder / "appendonlydir")
        shutil.copytree(self._kept, self._valkey.folder / "appendonlydir")
        self._valkey.start()


@pytest.mark.parametrize("settled_before", [0, 4])
async def test_a_redis_that_forgot_what_was_settled_has_nothing_stored_twice(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start, settled_before: int
) -> None:
    running = start_writer(redis=client)
    events = [event() for _ in range(settled_before)]
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
    snapshot.go_back()
    # What was stored is there again, and goes together with others.
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


async def test_a_redis_that_forgot_under_a_running_writer_has_nothing_stored_twice(
    valkey: Valkey, client: redis.asyncio.Redis, table: UsageTable, start_writer: Start
) -> None:
    # While it waits for company, so that the entries are there and nobody has taken them.
    running = start_writer(redis=client, linger=1.5)
    await until(lambda: running.writer.state.is_leading)
    events = [event() for _ in range(3)]
    await add(client, *events)
    snapshot = Snapshot(valkey)
    await snapshot.take(client)
    await drained(client)
    snapshot.go_back()
    events.append(event())
    await add(client, events[-1])
    await drained(client)
    await running.cancel()
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (4, 80)


async def test_what_a_worker_sends_again_is_not_stored_again(
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
    snapshot.go_back()
    for _ in range(10):
        events += await append(stream, event())
    await until(lambda: not stream.is_redis_away)
    await drained(client)
    await stream.close()
    await running.cancel()
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (21, 420)


# ClickHouse away.


async def test_with_clickhouse_away_the_same_batch_waits_and_arrives_once(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    events = await append(stream, *(event() for _ in range(10)))
    faulty.faults = ["refused", "answer lost", "refused"]
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


async def test_an_event_that_clickhouse_refuses_goes_to_the_dead_letters_and_the_others_in(
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


async def test_of_a_refused_batch_nothing_that_is_stored_already_is_stored_again(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    events = await append(stream, *(event() for _ in range(6)), event(tool_name="poison"))
    await table.insert_async(events[:3], "an earlier way of cutting it")
    refuse_poison(table)
    start_writer()
    await drained(redis)
    assert await logged(table) == ids(events[:6])
    assert await rolled_up(table) == (6, 120)


async def test_a_refused_batch_that_was_cut_off_in_the_middle_doubles_nothing(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, faulty: FaultyTable, start_writer: Start
) -> None:
    refuse_poison(table)
    events = [event() for _ in range(8)]
    await append(stream, *events, event(tool_name="poison"))
    # The whole is refused; a half goes in, and there the writer ends.
    faulty.faults = ["none", "none", "hangs after insert"]
    await cut_off(start_writer, faulty)
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
    first = start_writer()
    await until(lambda: first.writer.state.is_leading)
    second = start_writer()
    events = await append(stream, *(event() for _ in range(10)))
    await drained(redis)
    assert (first.writer.state.is_leading, second.writer.state.is_leading) == (True, False)
    await first.cancel()
    events += await append(stream, event())
    await drained(redis)
    assert second.writer.state.is_leading
    assert await logged(table) == ids(events)


async def test_the_whole_batch_of_a_writer_that_stands_still_is_taken_over(
    redis: redis.asyncio.Redis, stream: UsageStream, table: UsageTable, start_writer: Start
) -> None:
    # A writer that took a batch, inserted it, and stands still: its lease ends.
    lease = Lease(redis, redis_names.USAGE_LEASE, "still", 0.3)
    await lease.acquire()
    still = UsageBatches(redis, "still")
    await still.prepare()
    events = await append(stream, *(event() for _ in range(5)))
    await still.take()
    batch = await still.pending()
    assert batch is not None
    await table.insert_async(batch.events, batch.token)
    events += await append(stream, event())
    start_writer(lease_seconds=0.3)
    await drained(redis)
    # It wakes up: what it still does has no effect.
    await table.insert_async(batch.events, batch.token)
    assert not await still.settle(batch, [])
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (6, 120)


async def test_a_writer_that_lost_its_lease_meanwhile_gives_way(
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


async def test_state_shows_how_long_entries_wait(
    redis: redis.asyncio.Redis, stream: UsageStream, faulty: FaultyTable, start_writer: Start
) -> None:
    faulty.faults = ["refused"] * 1000
    entry = await add(redis, event())
    added_at = int(entry.split(b"-")[0])
    running = start_writer(table=faulty, lease_seconds=0.2, now_ms=lambda: added_at + 7000)
    await until(lambda: running.writer.state.waiting_entries == 1)
    assert running.writer.state.oldest_waiting_ms == 7000


# Events that are made twice.


async def accounts(client: redis.asyncio.Redis, table: UsageTable) -> tuple[int, int, bool]:
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
    # As when a worker is killed between an event and what would have told the others of it.
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
    assert await accounts(redis, table) == (3, 3, True)
    await first.close()
    await second.close()


async def test_an_event_that_may_recur_and_does_not_is_counted_though_its_writer_is_killed(
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
    assert await accounts(redis, table) == (1, 1, True)
    await stream.close()
