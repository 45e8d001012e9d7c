"""Full disks (real ones): nothing is lost, every fault is reported, and work resumes when there is space again."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis.asyncio

from gateway.redis import client as redis_client
from gateway.redis import names as redis_names
from gateway.usage.producer.spool import Spool, SpoolFull
from gateway.usage.producer.stream import UsageStream
from tests.support.valkey import Valkey
from tests.usage.support import RecordedMetrics, add, drained, event, ids, streamed, until
from tests.usage.writer_process import contents_at_the_end, start_writer_process


class Disk:
    """A small file system."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / "filler"

    def fill(self) -> None:
        """Leave no free byte."""
        with self._filler.open("ab", buffering=0) as filler:
            for size in (1 << 20, 4096, 1):
                try:
                    while filler.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        """Free the space again."""
        self._filler.unlink()


def mounted(megabytes: int) -> Iterator[Disk]:
    with tempfile.TemporaryDirectory(prefix="disk-") as folder:
        options = f"size={megabytes}m,mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("only root can mount a file system")
        try:
            yield Disk(Path(folder))
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def disk() -> Iterator[Disk]:
    yield from mounted(4)


@pytest.fixture
def large_disk() -> Iterator[Disk]:
    yield from mounted(96)


async def test_a_redis_with_a_full_disk_loses_no_event_even_if_it_is_killed(disk: Disk, tmp_path: Path) -> None:
    valkey = Valkey(disk.path)
    valkey.start()
    client = redis_client.connect(valkey.url)
    metrics = RecordedMetrics()
    stream = UsageStream(
        client, Spool(tmp_path, monotonic=lambda: asyncio.get_running_loop().time() * 20), metrics=metrics
    )
    await stream.start()
    events = [event()]
    await stream.submit(events[0])
    disk.fill()
    async with asyncio.timeout(30):
        while metrics.counts["spooled"] < 5:
            events.append(event())
            await stream.submit(events[-1])
            await asyncio.sleep(0.02)
    assert metrics.counts["spool_failed"] == metrics.counts["refused"] == 0
    # It loses what it acknowledged and has only in memory.
    valkey.kill()
    disk.free()
    valkey.start()
    await until(lambda: not stream.replay_task.redis_unavailable.is_set())
    assert ids(await streamed(client)) == ids(events)
    await stream.close()
    await client.aclose()
    valkey.kill()


async def test_a_spool_with_a_full_disk_refuses_events_only_while_redis_is_away(
    disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    with tempfile.TemporaryDirectory(prefix="valkey-") as folder:
        valkey = Valkey(Path(folder))
        valkey.start()
        client = redis_client.connect(valkey.url)
        metrics = RecordedMetrics()
        stream = UsageStream(client, Spool(disk.path / "spool"), metrics=metrics)
        await stream.start()
        events = [event()]
        await stream.submit(events[0])
        disk.fill()
        with caplog.at_level(logging.ERROR):
            # The last page of the file still has space.
            while not metrics.counts["spool_failed"] and len(events) < 100:
                events.append(event())
                await stream.submit(events[-1])
        assert (metrics.counts["spool_failed"], metrics.counts["refused"]) == (1, 0)
        assert "no copy on disk" in caplog.text
        valkey.kill()
        with pytest.raises(SpoolFull):
            await stream.submit(event())
        assert metrics.counts["refused"] == 1
        disk.free()
        without_copy = events[-1].event_id
        events.append(event())
        await stream.submit(events[-1])
        valkey.start()
        await until(lambda: not stream.replay_task.redis_unavailable.is_set())
        events.append(event())
        await stream.submit(events[-1])
        found = ids(await streamed(client))
        # Redis was killed and may have lost the event without a copy on disk.
        assert sorted({*found, without_copy}) == ids(events)
        assert len(found) == len(set(found))
        await stream.close()
        await client.aclose()
        valkey.kill()


async def test_a_clickhouse_with_a_full_disk_stores_everything_once_when_there_is_space(
    redis: redis.asyncio.Redis, valkey_url: str, large_disk: Disk
) -> None:
    shared = Valkey(Path(valkey_url.removeprefix("unix://")).parent)
    events = [event() for _ in range(20)]
    await add(redis, *events[:10])
    pipes = dict.fromkeys(("stdin", "stderr"), subprocess.PIPE)
    writer = start_writer_process(shared, large_disk.path, "until-eof", **pipes)
    await drained(redis)
    large_disk.fill()
    await add(redis, *events[10:])
    assert writer.stderr is not None
    while b"the stream keeps the events meanwhile" not in (line := await asyncio.to_thread(writer.stderr.readline)):
        assert line
    assert await redis.xlen(redis_names.USAGE) == 1
    large_disk.free()
    assert await contents_at_the_end(writer) == (ids(events), 20)
