"""The usage stream: `append` returns when the event is safe, and what is safe is there once."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio

from gateway.redis import client as redis_client
from gateway.redis import names as redis_names
from gateway.usage.event import UsageEvent, unpack
from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer.channels import BATCH_EVENTS
from gateway.usage.producer.spool import Spool, SpoolFull
from gateway.usage.producer.spool_file import decode
from gateway.usage.producer.stream import UsageStream
from tests.support.valkey import Valkey
from tests.usage.support import entries as all_entries
from tests.usage.support import event, ids, listing, run_python, start_python, streamed, until


class Told(UsageMetricsSink):
    def __init__(self) -> None:
        self.appends = self.spools = self.resends = self.refusals = self.unspools = 0
        self.lengths: list[tuple[int, int]] = []

    def appended(self, events: int) -> None:
        self.appends += events

    def spooled(self, events: int) -> None:
        self.spools += events

    def resent(self, events: int) -> None:
        self.resends += events

    def unspooled(self, events: int) -> None:
        self.unspools += events

    def refused(self, events: int) -> None:
        self.refusals += events

    def stream_length(self, entries: int, bound: int) -> None:
        self.lengths.append((entries, bound))


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def make(valkey: Valkey, tmp_path: Path, told: Told) -> AsyncIterator[Callable[..., UsageStream]]:
    """Makes streams to the Valkey of this test."""
    client = redis_client.connect(valkey.url)
    made = []

    def make(**options: Any) -> UsageStream:
        spool = options.pop("spool", None) or Spool(tmp_path / "spool", metrics=told)
        made.append(UsageStream(client, spool, **{"observer": told, "reply_timeout": 1.0, **options}))
        return made[-1]

    yield make
    for stream in made:
        await stream.close()
    await client.aclose()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A clock for spools that runs fast; the stream looks after them as often."""
    monkeypatch.setattr("gateway.usage.producer.stream.ADOPT_SECONDS", 0.05)
    monkeypatch.setattr("gateway.usage.producer.stream.SETTLE_SECONDS", 0.05)
    return lambda: time.monotonic() * 20


async def entries(valkey: Valkey) -> list[UsageEvent]:
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        return await streamed(client)


def spooled(folder: Path) -> list[UsageEvent]:
    """What the files of a spool hold."""
    return [
        one
        for path in sorted(folder.glob("*/*.spool"))
        for record in decode(path.read_bytes()).records
        for one in unpack(record.packed)
    ]


async def test_append_returns_when_redis_has_the_event(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    one = event()
    await stream.append(one)
    assert await streamed(redis) == [one]


@pytest.mark.parametrize("is_alone", [False, True])
async def test_what_follows_an_event_is_called_when_redis_and_the_spool_have_it(
    redis: redis.asyncio.Redis, tmp_path: Path, is_alone: bool
) -> None:
    stream, events = UsageStream(redis, Spool(tmp_path)), [event(), event()]
    # The first on a connection that is yet to be opened.
    for count, one in enumerate(events, start=1):
        heard: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        stream.append_callback(one, heard.set_result, is_alone=is_alone)
        assert not heard.done()
        assert await heard is None
        assert spooled(tmp_path) == await streamed(redis) == events[:count]
    await stream.close()


async def test_what_follows_an_event_and_fails_takes_nothing_with_it(
    redis: redis.asyncio.Redis, stream: UsageStream, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(problem: Exception | None) -> None:
        raise RuntimeError("of no matter to others")

    for _ in range(2):
        stream.append_callback(event(), fail)
        heard: list[Exception | None] = []
        stream.append_callback(event(), heard.append)
        await stream.append(event())
        assert heard == [None]
    assert len(await streamed(redis)) == 6
    assert "RuntimeError" in caplog.text


async def test_an_event_that_is_alone_leaves_at_once_and_others_with_those_of_their_turn(
    redis: redis.asyncio.Redis, stream: UsageStream
) -> None:
    await stream.append(event())
    events = [event() for _ in range(6)]
    # The first finds both ways free; the last two follow one that waits for company.
    stream.append_callback(events[0], lambda problem: None, is_alone=True)
    stream.append_callback(events[1], lambda problem: None)
    for one in events[2:5]:
        stream.append_callback(one, lambda problem: None, is_alone=True)
    await stream.append(events[5])
    sizes = [len(unpack(fields[b"e"])) for _, fields in await all_entries(redis, redis_names.USAGE)]
    assert sorted(sizes) == [1, 1, 5]


@pytest.mark.parametrize("is_alone", [False, True])
async def test_what_follows_an_event_hears_that_it_could_be_made_safe_nowhere(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, is_alone: bool
) -> None:
    stream = make(spool=Spool(tmp_path / "small", limit_bytes=10))
    valkey.kill()
    heard: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    stream.append_callback(event(), heard.set_result, is_alone=is_alone)
    assert isinstance(await heard, SpoolFull)


async def test_a_connection_that_breaks_amid_a_batch_is_made_anew_and_doubles_nothing(
    redis: redis.asyncio.Redis, stream: UsageStream
) -> None:
    await stream.append(event())
    await redis.client_pause(200)
    waiters = [stream.append(event()) for _ in range(3)]
    await asyncio.sleep(0.05)
    for lane in stream._lanes:
        if lane.connection._transport is not None:
            lane.connection._transport.abort()
    await asyncio.gather(*waiters)
    assert not stream.redis_away
    assert len(await streamed(redis)) == 4


async def test_events_of_one_loop_turn_travel_in_one_entry(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    events = [event() for _ in range(64)]
    await asyncio.gather(*(stream.append(one) for one in events))
    assert await redis.xlen(redis_names.USAGE) == 1
    assert await streamed(redis) == events


async def test_an_entry_is_bounded(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    events = [event() for _ in range(3 * BATCH_EVENTS)]
    await asyncio.gather(*(stream.append(one) for one in events))
    assert await redis.xlen(redis_names.USAGE) == 3
    fat = [event(session_id="x" * 200_000) for _ in range(4)]
    await asyncio.gather(*(stream.append(one) for one in fat))
    assert await redis.xlen(redis_names.USAGE) == 5
    assert ids(await streamed(redis)) == ids(events + fat)


async def test_turns_that_find_every_lane_busy_share_the_next_entry(redis: redis.asyncio.Redis, tmp_path: Path) -> None:
    stream = UsageStream(redis, Spool(tmp_path), lanes=1)
    await redis.client_pause(100)
    tasks = []
    for _ in range(10):
        tasks.append(asyncio.ensure_future(stream.append(event())))
        await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert await redis.xlen(redis_names.USAGE) == 2
    await stream.close()


async def test_a_cancelled_waiter_takes_nothing_with_it(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    events = [event() for _ in range(3)]
    tasks = [asyncio.ensure_future(stream.append(one)) for one in events]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(tasks[0], tasks[2])
    assert tasks[1].cancelled()
    assert await streamed(redis) == events


async def test_a_batch_whose_waiters_are_all_cancelled_arrives(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    one = event()
    task = asyncio.ensure_future(stream.append(one))
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await stream.close()
    assert await streamed(redis) == [one]


async def test_a_forgotten_script_is_sent_again(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    await stream.append(event())
    await redis.script_flush()
    await stream.append(event())
    assert len(await streamed(redis)) == 2


async def test_with_redis_killed_events_are_in_the_spool_when_append_returns(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, told: Told
) -> None:
    stream = make()
    await stream.start()
    events = [event() for _ in range(21)]
    await stream.append(events[0])
    valkey.kill()
    for one in events[1:4]:
        await stream.append(one)
    await asyncio.gather(*(stream.append(one) for one in events[4:]))
    assert spooled(tmp_path / "spool") == events
    assert told.spools == 20
    assert stream.redis_away


async def test_spooled_events_arrive_once_when_redis_is_back(
    valkey: Valkey, make: Callable[..., UsageStream], told: Told
) -> None:
    stream = make()
    await stream.start()
    events = [event() for _ in range(30)]
    for one in events[:10]:
        await stream.append(one)
    valkey.kill()
    for one in events[10:20]:
        await stream.append(one)
    valkey.start()
    await until(lambda: not stream.redis_away)
    for one in events[20:]:
        await stream.append(one)
    assert told.resends >= 10
    assert ids(await entries(valkey)) == ids(events)


async def test_redis_killed_again_and_again_under_load_loses_and_doubles_nothing(
    valkey: Valkey, make: Callable[..., UsageStream]
) -> None:
    stream = make()
    await stream.start()
    safe: list[UsageEvent] = []
    stop = asyncio.Event()

    async def caller() -> None:
        while not stop.is_set():
            one = event()
            await stream.append(one)
            safe.append(one)
            await asyncio.sleep(0.001)

    callers = [asyncio.create_task(caller()) for _ in range(16)]
    for _ in range(3):
        await asyncio.sleep(0.2)
        valkey.kill()
        await asyncio.sleep(0.2)
        valkey.start()
        await until(lambda: not stream.redis_away)
    stop.set()
    await asyncio.gather(*callers)
    await stream.close()
    assert ids(await entries(valkey)) == ids(safe)
    assert len(safe) > 100


async def test_a_redis_that_hangs_is_not_waited_for_and_doubles_nothing(
    valkey: Valkey, make: Callable[..., UsageStream], told: Told
) -> None:
    stream = make(reply_timeout=0.5)
    await stream.start()
    await stream.append(event())
    assert valkey.process is not None
    # Stopped, it takes what is sent and answers later: the batch is under way and in the spool.
    os.kill(valkey.process.pid, signal.SIGSTOP)
    events = [event() for _ in range(5)]
    async with asyncio.timeout(5):
        await asyncio.gather(*(stream.append(one) for one in events))
    assert told.spools == 5
    os.kill(valkey.process.pid, signal.SIGCONT)
    await until(lambda: not stream.redis_away)
    assert len(await entries(valkey)) == 6


async def test_a_batch_that_arrives_long_after_it_was_sent_again_is_not_added(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, told: Told
) -> None:
    stream = make(reply_timeout=0.5, lanes=1)
    await stream.append(event())
    assert valkey.process is not None
    os.kill(valkey.process.pid, signal.SIGSTOP)
    await stream.append(event())
    (file,) = (tmp_path / "spool").glob("*/*.spool")
    late = decode(file.read_bytes()).records[-1]
    os.kill(valkey.process.pid, signal.SIGCONT)
    await stream.start()
    await until(lambda: not stream.redis_away)
    await stream.append(event())
    # As from a connection whose data was stuck in the network.
    await stream._add(stream._redis.execute_command, late, "live")
    assert len(await entries(valkey)) == 3


async def test_events_that_find_too_many_waiting_go_to_the_spool(
    redis: redis.asyncio.Redis, tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.usage.producer.stream.WAITING_EVENTS", 600)
    stream = UsageStream(redis, Spool(tmp_path, metrics=told), lanes=1, metrics=told)
    await redis.client_pause(200)
    events = [event() for _ in range(2000)]
    await asyncio.gather(*(stream.append(one) for one in events))
    assert told.spools > 0
    await stream.start()
    await until(lambda: told.resends == told.spools)
    assert ids(await streamed(redis)) == ids(events)
    await stream.close()


async def test_a_lost_answer_and_a_restart_of_the_gateway_double_nothing(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, told: Told
) -> None:
    stream = make(reply_timeout=0.5)
    await stream.append(event())
    assert valkey.process is not None
    os.kill(valkey.process.pid, signal.SIGSTOP)
    await stream.append(event())
    # The spool as a killed worker leaves it, sent twice over by its successors.
    (name,) = listing(tmp_path / "spool")
    os.kill(valkey.process.pid, signal.SIGCONT)
    for number in range(2):
        shutil.copytree(tmp_path / "spool" / name, tmp_path / f"copy{number}" / "1-dead")
        spool = Spool(tmp_path / f"copy{number}", metrics=told)
        await spool.settle(make(spool=spool))
    assert len(await entries(valkey)) == 2


async def test_what_redis_forgets_is_noticed_with_the_next_event_and_sent_again(
    redis: redis.asyncio.Redis, stream: UsageStream
) -> None:
    # As after a crash, in which Redis loses what it acknowledged but did not write yet.
    events = [event() for _ in range(10)]
    for one in events:
        await stream.append(one)
    await redis.flushall()
    for _ in range(4):
        events.append(event())
        await stream.append(events[-1])
    await until(lambda: not stream.redis_away)
    assert ids(await streamed(redis)) == ids(events)


async def test_what_redis_forgets_is_noticed_without_another_event(
    redis: redis.asyncio.Redis, tmp_path: Path, told: Told, quick: Callable[[], float]
) -> None:
    stream = UsageStream(redis, Spool(tmp_path, monotonic=quick, metrics=told))
    await stream.start()
    one = event()
    await stream.append(one)
    await redis.flushall()
    await until(lambda: told.resends == 1)
    assert await streamed(redis) == [one]
    await stream.close()


async def test_entries_that_are_sent_again_say_so(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    await stream.append(event())
    assert [b"again" in fields for _, fields in await all_entries(redis, redis_names.USAGE)] == [False]
    await redis.flushall()
    await stream.append(event())
    await until(lambda: not stream.redis_away)
    assert [b"again" in fields for _, fields in await all_entries(redis, redis_names.USAGE)] == [True, True]


async def test_spool_files_go_soon_after_their_events_are_safe_in_redis(
    redis: redis.asyncio.Redis, tmp_path: Path, quick: Callable[[], float]
) -> None:
    stream = UsageStream(redis, Spool(tmp_path, monotonic=quick))
    await stream.start()
    await stream.append(event())
    assert listing(tmp_path) != []
    await until(lambda: not list(tmp_path.glob("*/*")))
    await stream.close()
    assert listing(tmp_path) == []


async def test_a_disk_that_takes_nothing_does_not_stop_events_to_redis(
    redis: redis.asyncio.Redis, tmp_path: Path, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    stream = UsageStream(redis, Spool(tmp_path, limit_bytes=10), metrics=told)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            await stream.append(event())
    assert len(await streamed(redis)) == 3
    assert (told.unspools, told.refusals) == (3, 0)
    assert caplog.text.count("no copy on disk") == 1
    await stream.close()


async def test_the_spool_of_a_worker_killed_while_redis_was_away_is_sent_by_the_next(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, told: Told
) -> None:
    program = f"""
        import asyncio, os, signal
        from gateway import redis_client
        from gateway.usage.producer.spool import Spool
        from gateway.usage.producer.stream import UsageStream
        from tests.usage.support import event

        async def main():
            stream = UsageStream(redis_client.connect("unix:///nowhere"), Spool({str(tmp_path / "spool")!r}))
            await asyncio.gather(*(stream.append(event()) for _ in range(50)))
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """
    assert run_python(program).returncode == -signal.SIGKILL
    await make().start()
    await until(lambda: told.resends == 50)
    assert len(await entries(valkey)) == 50


async def test_a_redis_without_memory_for_more_sends_events_to_the_spool(
    valkey: Valkey, make: Callable[..., UsageStream], told: Told
) -> None:
    stream = make()
    await stream.start()
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.config_set("maxmemory", "1")
        await stream.append(event())
        assert told.spools == 1
        await client.config_set("maxmemory", "0")
        await until(lambda: told.resends == 1)
        assert len(await streamed(client)) == 1


async def test_an_event_that_can_be_made_safe_nowhere_is_refused_aloud(
    valkey: Valkey,
    make: Callable[..., UsageStream],
    tmp_path: Path,
    told: Told,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = make(spool=Spool(tmp_path / "small", limit_bytes=10))
    valkey.kill()
    with caplog.at_level(logging.ERROR):
        results = await asyncio.gather(*(stream.append(event()) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [SpoolFull] * 3
    assert told.refusals == 3
    assert "3 events could not be made safe" in caplog.text


async def test_a_stream_beyond_its_bound_is_reported_and_not_trimmed(
    redis: redis.asyncio.Redis, tmp_path: Path, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    stream = UsageStream(redis, Spool(tmp_path), stream_bound=2, metrics=told)
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            await stream.append(event())
    assert told.lengths == [(1, 2), (2, 2), (3, 2), (4, 2)]
    assert caplog.text.count("more than the bound of 2") == 1
    assert len(await streamed(redis)) == 4
    await stream.close()


async def test_close_sees_every_event_safe(redis: redis.asyncio.Redis, tmp_path: Path) -> None:
    stream = UsageStream(redis, Spool(tmp_path))
    await stream.start()
    tasks = [asyncio.ensure_future(stream.append(event())) for _ in range(1000)]
    await asyncio.sleep(0)
    await stream.close()
    assert len(await streamed(redis)) == 1000
    await asyncio.gather(*tasks)


async def test_a_loop_that_ends_leaves_its_events_in_the_spool(valkey: Valkey, tmp_path: Path) -> None:
    # A worker whose loop is ended in the middle of a send: what may or may not have arrived is spooled.
    program = f"""
        import asyncio
        from gateway import redis_client
        from gateway.usage.producer.spool import Spool
        from gateway.usage.producer.stream import UsageStream
        from tests.usage.support import event

        async def main():
            stream = UsageStream(redis_client.connect({valkey.url!r}), Spool({str(tmp_path / "spool")!r}))
            await stream.append(event())
            print("stop", flush=True)
            input()
            asyncio.ensure_future(stream.append(event()))
            await asyncio.sleep(0.05)

        asyncio.run(main())
    """
    process = start_python(program, says="stop")
    assert valkey.process is not None
    os.kill(valkey.process.pid, signal.SIGSTOP)
    process.communicate(b"\n", timeout=10)
    os.kill(valkey.process.pid, signal.SIGCONT)
    assert len(spooled(tmp_path / "spool")) == 2


def test_a_worker_does_not_import_what_only_the_admin_process_needs() -> None:
    found = run_python("""
        import sys, gateway.usage.producer.stream, gateway.usage.producer.spool, gateway.usage.event
        print({"chdb", "clickhouse_connect", "pandas", "numpy", "pyarrow", "pydantic"} & set(sys.modules))
    """)
    assert found.stdout.strip() == "set()"
