"""The usage stream: `append` returns when the event is durable, and every durable event is there once."""

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
from gateway.usage.producer.batch import BATCH_EVENTS
from gateway.usage.producer.spool import Spool, SpoolFull
from gateway.usage.producer.spool_format import decode
from gateway.usage.producer.stream import UsageStream
from tests.support.blocked import until_blocked
from tests.support.valkey import Valkey
from tests.usage.support import RecordedMetrics, entries, event, ids, listing, run_python, start_python, streamed, until


@pytest.fixture
async def make(valkey: Valkey, tmp_path: Path, metrics: RecordedMetrics) -> AsyncIterator[Callable[..., UsageStream]]:
    """Create streams to the Valkey of this test."""
    client = redis_client.connect(valkey.url)
    made = []

    def make(**options: Any) -> UsageStream:
        spool = options.pop("spool", None) or Spool(tmp_path / "spool", metrics=metrics)
        made.append(UsageStream(client, spool, **{"metrics": metrics, "reply_timeout": 1.0, **options}))
        return made[-1]

    yield make
    for stream in made:
        await stream.close()
    await client.aclose()


@pytest.fixture
def fast_clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[], float]:
    """A fast clock for spools, and a replay task that runs as often."""
    monkeypatch.setattr("gateway.usage.producer.replay_task.ADOPT_SECONDS", 0.05)
    monkeypatch.setattr("gateway.usage.producer.replay_task.REPLAY_SECONDS", 0.05)
    return lambda: time.monotonic() * 20


async def events_in(valkey: Valkey) -> list[UsageEvent]:
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        return await streamed(client)


def spooled(folder: Path) -> list[UsageEvent]:
    """Return the events in the files of a spool."""
    return [
        one
        for path in sorted(folder.glob("*/*.spool"))
        for record in decode(path.read_bytes()).records
        for one in unpack(record.packed)
    ]


async def test_append_returns_when_redis_has_the_event(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    one = event()
    await stream.submit(one)
    assert await streamed(redis) == [one]


@pytest.mark.parametrize("is_alone", [False, True])
async def test_the_callback_is_called_when_redis_and_the_spool_have_the_event(
    redis: redis.asyncio.Redis, tmp_path: Path, is_alone: bool
) -> None:
    stream, events = UsageStream(redis, Spool(tmp_path)), [event(), event()]
    # For the first event the connection is not open yet.
    for count, one in enumerate(events, start=1):
        result: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        stream.submit_callback(one, result.set_result, is_alone=is_alone)
        assert not result.done()
        assert await result is None
        assert spooled(tmp_path) == await streamed(redis) == events[:count]
    await stream.close()


async def test_a_callback_that_fails_does_not_affect_other_events(
    redis: redis.asyncio.Redis, stream: UsageStream, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(error: Exception | None) -> None:
        raise RuntimeError("a fault of the caller")

    for _ in range(2):
        stream.submit_callback(event(), fail)
        results: list[Exception | None] = []
        stream.submit_callback(event(), results.append)
        await stream.submit(event())
        assert results == [None]
    assert len(await streamed(redis)) == 6
    assert "RuntimeError" in caplog.text


async def test_an_event_that_is_alone_is_sent_immediately_and_others_at_the_end_of_their_turn(
    redis: redis.asyncio.Redis, stream: UsageStream
) -> None:
    await stream.submit(event())
    events = [event() for _ in range(6)]
    # The first event finds idle channels; those after the second join the batch that it waits in.
    stream.submit_callback(events[0], lambda error: None, is_alone=True)
    stream.submit_callback(events[1], lambda error: None)
    for one in events[2:5]:
        stream.submit_callback(one, lambda error: None, is_alone=True)
    await stream.submit(events[5])
    sizes = [len(unpack(fields[b"e"])) for _, fields in await entries(redis, redis_names.USAGE)]
    assert sorted(sizes) == [1, 1, 5]


@pytest.mark.parametrize("is_alone", [False, True])
async def test_the_callback_receives_the_error_of_a_refused_event(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, is_alone: bool
) -> None:
    stream = make(spool=Spool(tmp_path / "small", limit_bytes=10))
    valkey.kill()
    result: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
    stream.submit_callback(event(), result.set_result, is_alone=is_alone)
    assert isinstance(await result, SpoolFull)


async def test_a_connection_that_breaks_during_a_batch_is_reopened_and_nothing_is_duplicated(
    redis: redis.asyncio.Redis, stream: UsageStream
) -> None:
    await stream.submit(event())
    await redis.client_pause(60_000, all=False)
    waiters = [stream.submit(event()) for _ in range(3)]
    await until_blocked(redis, "evalsha")
    await redis.client_kill_filter(_type="normal", skipme=True)
    await redis.client_unpause()
    await asyncio.gather(*waiters)
    assert not stream.replay_task.redis_unavailable.is_set()
    assert len(await streamed(redis)) == 4


async def test_events_of_one_loop_turn_travel_in_one_entry(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    events = [event() for _ in range(64)]
    await asyncio.gather(*(stream.submit(one) for one in events))
    assert await redis.xlen(redis_names.USAGE) == 1
    assert await streamed(redis) == events


async def test_an_entry_is_bounded(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    events = [event() for _ in range(3 * BATCH_EVENTS)]
    await asyncio.gather(*(stream.submit(one) for one in events))
    assert await redis.xlen(redis_names.USAGE) == 3
    fat = [event(session_id="x" * 200_000) for _ in range(4)]
    await asyncio.gather(*(stream.submit(one) for one in fat))
    assert await redis.xlen(redis_names.USAGE) == 5
    assert ids(await streamed(redis)) == ids(events + fat)


async def test_turns_that_find_all_channels_busy_share_an_entry(redis: redis.asyncio.Redis, tmp_path: Path) -> None:
    stream = UsageStream(redis, Spool(tmp_path), channels=1)
    await redis.client_pause(60_000, all=False)
    tasks = []
    for _ in range(10):
        tasks.append(asyncio.ensure_future(stream.submit(event())))
        await asyncio.sleep(0)
    await redis.client_unpause()
    await asyncio.gather(*tasks)
    assert await redis.xlen(redis_names.USAGE) == 2
    await stream.close()


async def test_a_cancelled_caller_does_not_affect_its_batch(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    events = [event() for _ in range(3)]
    tasks = [asyncio.ensure_future(stream.submit(one)) for one in events]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.gather(tasks[0], tasks[2])
    assert tasks[1].cancelled()
    assert await streamed(redis) == events


async def test_a_batch_whose_callers_are_all_cancelled_arrives(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    one = event()
    task = asyncio.ensure_future(stream.submit(one))
    await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    await stream.close()
    assert await streamed(redis) == [one]


async def test_a_script_that_redis_lacks_is_loaded_again(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    await stream.submit(event())
    await redis.script_flush()
    await stream.submit(event())
    assert len(await streamed(redis)) == 2


async def test_with_redis_killed_events_are_in_the_spool_when_append_returns(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, metrics: RecordedMetrics
) -> None:
    stream = make()
    await stream.start()
    events = [event() for _ in range(21)]
    await stream.submit(events[0])
    valkey.kill()
    for one in events[1:4]:
        await stream.submit(one)
    await asyncio.gather(*(stream.submit(one) for one in events[4:]))
    assert spooled(tmp_path / "spool") == events
    assert metrics.counts["spooled"] == 20
    assert stream.replay_task.redis_unavailable.is_set()


async def test_spooled_events_arrive_once_when_redis_is_back(
    valkey: Valkey, make: Callable[..., UsageStream], metrics: RecordedMetrics
) -> None:
    stream = make()
    await stream.start()
    events = [event() for _ in range(30)]
    for one in events[:10]:
        await stream.submit(one)
    valkey.kill()
    for one in events[10:20]:
        await stream.submit(one)
    valkey.start()
    await until(lambda: not stream.replay_task.redis_unavailable.is_set())
    for one in events[20:]:
        await stream.submit(one)
    assert metrics.counts["resent"] >= 10
    assert ids(await events_in(valkey)) == ids(events)


async def test_killing_redis_repeatedly_under_load_loses_and_duplicates_nothing(
    valkey: Valkey, make: Callable[..., UsageStream]
) -> None:
    stream = make()
    await stream.start()
    durable: list[UsageEvent] = []
    stop = asyncio.Event()

    async def caller() -> None:
        while not stop.is_set():
            one = event()
            await stream.submit(one)
            durable.append(one)
            await asyncio.sleep(0.001)

    callers = [asyncio.create_task(caller()) for _ in range(16)]

    async def more_are_durable() -> None:
        count = len(durable)
        await until(lambda: len(durable) > count + 30)

    for _ in range(3):
        await more_are_durable()
        valkey.kill()
        await more_are_durable()
        valkey.start()
        await until(lambda: not stream.replay_task.redis_unavailable.is_set())
    stop.set()
    await asyncio.gather(*callers)
    await stream.close()
    assert ids(await events_in(valkey)) == ids(durable)
    assert len(durable) > 100


async def test_a_redis_that_hangs_delays_events_by_its_time_limit_and_duplicates_nothing(
    valkey: Valkey, make: Callable[..., UsageStream], metrics: RecordedMetrics
) -> None:
    stream = make(reply_timeout=0.5)
    await stream.start()
    await stream.submit(event())
    spooled_before = metrics.counts["spooled"]
    assert valkey.process is not None
    # A stopped Redis reads the batch later: it is in the socket buffer and in the spool.
    os.kill(valkey.process.pid, signal.SIGSTOP)
    events = [event() for _ in range(5)]
    async with asyncio.timeout(30):
        await asyncio.gather(*(stream.submit(one) for one in events))
    assert metrics.counts["spooled"] == spooled_before + 5
    os.kill(valkey.process.pid, signal.SIGCONT)
    await until(lambda: not stream.replay_task.redis_unavailable.is_set())
    assert len(await events_in(valkey)) == 6


async def test_a_batch_that_arrives_long_after_its_replay_is_not_added(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, metrics: RecordedMetrics
) -> None:
    stream = make(reply_timeout=0.5, channels=1)
    await stream.submit(event())
    assert valkey.process is not None
    os.kill(valkey.process.pid, signal.SIGSTOP)
    await stream.submit(event())
    (file,) = (tmp_path / "spool").glob("*/*.spool")
    late = decode(file.read_bytes()).records[-1]
    os.kill(valkey.process.pid, signal.SIGCONT)
    await stream.start()
    await until(lambda: not stream.replay_task.redis_unavailable.is_set())
    await stream.submit(event())
    # Like data that was stuck in the network.
    await stream.client.append(late)
    assert len(await events_in(valkey)) == 3


async def test_events_beyond_the_queue_limit_go_to_the_spool(
    redis: redis.asyncio.Redis, tmp_path: Path, metrics: RecordedMetrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.usage.producer.stream.MAX_QUEUED_EVENTS", 600)
    stream = UsageStream(redis, Spool(tmp_path, metrics=metrics), channels=1, metrics=metrics)
    await redis.client_pause(60_000, all=False)
    events = [event() for _ in range(2000)]
    waiters = [stream.submit(one) for one in events]
    await until(lambda: metrics.counts["spooled"] > 0)
    await redis.client_unpause()
    await asyncio.gather(*waiters)
    await stream.start()
    await until(lambda: metrics.counts["resent"] == metrics.counts["spooled"])
    assert ids(await streamed(redis)) == ids(events)
    await stream.close()


async def test_a_lost_reply_and_a_restart_of_the_gateway_duplicate_nothing(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, metrics: RecordedMetrics
) -> None:
    stream = make(reply_timeout=0.5)
    await stream.submit(event())
    assert valkey.process is not None
    os.kill(valkey.process.pid, signal.SIGSTOP)
    await stream.submit(event())
    # The spool of a killed worker, replayed by two successors.
    (name,) = listing(tmp_path / "spool")
    os.kill(valkey.process.pid, signal.SIGCONT)
    for number in range(2):
        shutil.copytree(tmp_path / "spool" / name, tmp_path / f"copy{number}" / "1-dead")
        spool = Spool(tmp_path / f"copy{number}", metrics=metrics)
        await spool.replay(make(spool=spool).client)
    assert len(await events_in(valkey)) == 2


async def test_entries_that_redis_lost_are_noticed_with_the_next_event_and_sent_again(
    redis: redis.asyncio.Redis, stream: UsageStream
) -> None:
    # Like a crash in which Redis loses entries that it acknowledged and did not write yet.
    events = [event() for _ in range(10)]
    for one in events:
        await stream.submit(one)
    await redis.flushall()
    for _ in range(4):
        events.append(event())
        await stream.submit(events[-1])
    # The last ones may be sent after Redis counts as available again.
    await stream.close()
    assert ids(await streamed(redis)) == ids(events)


async def test_entries_that_redis_lost_are_noticed_without_another_event(
    redis: redis.asyncio.Redis, tmp_path: Path, metrics: RecordedMetrics, fast_clock: Callable[[], float]
) -> None:
    stream = UsageStream(redis, Spool(tmp_path, monotonic=fast_clock, metrics=metrics))
    await stream.start()
    one = event()
    await stream.submit(one)
    await redis.flushall()
    await until(lambda: metrics.counts["resent"] == 1)
    assert await streamed(redis) == [one]
    await stream.close()


async def test_replayed_entries_are_marked(redis: redis.asyncio.Redis, stream: UsageStream) -> None:
    await stream.submit(event())
    assert [b"again" in fields for _, fields in await entries(redis, redis_names.USAGE)] == [False]
    await redis.flushall()
    await stream.submit(event())
    await until(lambda: not stream.replay_task.redis_unavailable.is_set())
    assert [b"again" in fields for _, fields in await entries(redis, redis_names.USAGE)] == [True, True]


async def test_spool_files_are_removed_soon_after_redis_has_their_events_on_disk(
    redis: redis.asyncio.Redis, tmp_path: Path, fast_clock: Callable[[], float]
) -> None:
    stream = UsageStream(redis, Spool(tmp_path, monotonic=fast_clock))
    await stream.start()
    await stream.submit(event())
    assert listing(tmp_path) != []
    await until(lambda: not list(tmp_path.glob("*/*")))
    await stream.close()
    assert listing(tmp_path) == []


async def test_a_full_disk_does_not_stop_events_to_redis(
    redis: redis.asyncio.Redis, tmp_path: Path, metrics: RecordedMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    stream = UsageStream(redis, Spool(tmp_path, limit_bytes=10), metrics=metrics)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            await stream.submit(event())
    assert len(await streamed(redis)) == 3
    assert (metrics.counts["spool_failed"], metrics.counts["refused"]) == (3, 0)
    assert caplog.text.count("no copy on disk") == 1
    await stream.close()


async def test_the_spool_of_a_worker_killed_while_redis_was_away_is_sent_by_the_next(
    valkey: Valkey, make: Callable[..., UsageStream], tmp_path: Path, metrics: RecordedMetrics
) -> None:
    program = f"""
        import asyncio, os, signal
        from gateway.redis import client as redis_client
        from gateway.usage.producer.spool import Spool
        from gateway.usage.producer.stream import UsageStream
        from tests.usage.support import event

        async def main():
            stream = UsageStream(redis_client.connect("unix:///nowhere"), Spool({str(tmp_path / "spool")!r}))
            await asyncio.gather(*(stream.submit(event()) for _ in range(50)))
            os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """
    assert run_python(program).returncode == -signal.SIGKILL
    await make().start()
    await until(lambda: metrics.counts["resent"] == 50)
    assert len(await events_in(valkey)) == 50


async def test_events_go_to_the_spool_when_redis_is_out_of_memory(
    valkey: Valkey, make: Callable[..., UsageStream], metrics: RecordedMetrics
) -> None:
    stream = make()
    await stream.start()
    async with redis.asyncio.Redis.from_url(valkey.url) as client:
        await client.config_set("maxmemory", "1")
        await stream.submit(event())
        assert metrics.counts["spooled"] == 1
        await client.config_set("maxmemory", "0")
        await until(lambda: metrics.counts["resent"] == 1)
        assert len(await streamed(client)) == 1


async def test_an_event_that_can_be_stored_nowhere_is_refused_and_logged(
    valkey: Valkey,
    make: Callable[..., UsageStream],
    tmp_path: Path,
    metrics: RecordedMetrics,
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream = make(spool=Spool(tmp_path / "small", limit_bytes=10))
    valkey.kill()
    with caplog.at_level(logging.ERROR):
        results = await asyncio.gather(*(stream.submit(event()) for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [SpoolFull] * 3
    assert metrics.counts["refused"] == 3
    assert "3 events could be stored neither in Redis nor on disk" in caplog.text


async def test_a_stream_beyond_its_bound_is_reported_and_not_trimmed(
    redis: redis.asyncio.Redis, tmp_path: Path, metrics: RecordedMetrics, caplog: pytest.LogCaptureFixture
) -> None:
    stream = UsageStream(redis, Spool(tmp_path), stream_bound=2, metrics=metrics)
    with caplog.at_level(logging.ERROR):
        for _ in range(4):
            await stream.submit(event())
    assert metrics.lengths == [(1, 2), (2, 2), (3, 2), (4, 2)]
    assert caplog.text.count("more than the bound of 2") == 1
    assert len(await streamed(redis)) == 4
    await stream.close()


async def test_close_waits_until_every_event_is_durable(redis: redis.asyncio.Redis, tmp_path: Path) -> None:
    stream = UsageStream(redis, Spool(tmp_path))
    await stream.start()
    tasks = [asyncio.ensure_future(stream.submit(event())) for _ in range(1000)]
    await asyncio.sleep(0)
    await stream.close()
    assert len(await streamed(redis)) == 1000
    await asyncio.gather(*tasks)


async def test_events_in_flight_are_in_the_spool_when_the_loop_ends(valkey: Valkey, tmp_path: Path) -> None:
    # The loop of a worker ends during a send: a batch that may or may not have arrived is in the spool.
    program = f"""
        import asyncio
        from gateway.redis import client as redis_client
        from gateway.usage.producer.spool import Spool
        from gateway.usage.producer.stream import UsageStream
        from tests.usage.support import event

        async def main():
            stream = UsageStream(redis_client.connect({valkey.url!r}), Spool({str(tmp_path / "spool")!r}))
            await stream.submit(event())
            print("stop", flush=True)
            input()
            asyncio.ensure_future(stream.submit(event()))
            await asyncio.sleep(0.05)

        asyncio.run(main())
    """
    process = start_python(program, says="stop")
    assert valkey.process is not None
    os.kill(valkey.process.pid, signal.SIGSTOP)
    process.communicate(b"\n", timeout=30)
    os.kill(valkey.process.pid, signal.SIGCONT)
    assert len(spooled(tmp_path / "spool")) == 2


def test_a_worker_does_not_import_the_libraries_of_the_admin_process() -> None:
    found = run_python("""
        import sys, gateway.usage.producer.stream, gateway.usage.producer.spool, gateway.usage.event
        print({"chdb", "clickhouse_connect", "pandas", "numpy", "pyarrow", "pydantic"} & set(sys.modules))
    """)
    assert found.stdout.strip() == "set()"
