"""The spool: records survive the process, and are removed when Redis has them on disk; until then it replays them."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.usage.producer.spool import Spool, SpoolFull
from gateway.usage.producer.spool_format import SpoolRecord, encode
from gateway.usage.producer.spool_replay import CONFIRM_SECONDS, MAX_CONFIRM_SECONDS
from tests.usage.support import RecordedMetrics, finish, listing, run_python, start_python


def record(number: int = 1, channel: str = "channel", size: int = 10) -> SpoolRecord:
    return SpoolRecord(channel, number, 1, bytes(size))


class FakeRedis:
    """A replay target that keeps records, can fail, and can lose some."""

    def __init__(self) -> None:
        self.records: list[SpoolRecord] = []
        self.fails_after: int | None = None
        self.forgotten: list[str] = []
        self.durable = True

    @property
    def numbers(self) -> list[int]:
        return [one.number for one in self.records]

    async def last_numbers(self, channels: Sequence[str]) -> list[int]:
        return [max((one.number for one in self.records if one.channel == name), default=0) for name in channels]

    async def is_durable(self) -> bool:
        return self.durable

    async def forget_process(self, process: str) -> None:
        self.forgotten.append(process)

    async def replay(self, record: SpoolRecord, unsent_events: int) -> None:
        if len(self.records) == self.fails_after:
            raise ConnectionError("away")
        self.records.append(record)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_confirmation(self) -> None:
        self.now += CONFIRM_SECONDS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def target() -> FakeRedis:
    return FakeRedis()


def spooling_process(folder: Path, *, then: str = "time.sleep(60)") -> subprocess.Popen[bytes]:
    """Start a process that spools three records, prints `written`, and continues with `then`."""
    program = f"""
        import os, signal, sys, time
        from gateway.usage.producer.spool import Spool
        from gateway.usage.producer.spool_format import SpoolRecord
        spool = Spool({str(folder)!r}, file_bytes=1)
        for number in range(1, 4):
            spool.append(SpoolRecord("other", number, 1, b"x"))
        print("written", flush=True)
        {then}
    """
    return start_python(program, says="written")


def dead_file(root: Path, data: bytes) -> None:
    """Write a spool file as a dead process leaves it."""
    folder = root / "1-dead"
    folder.mkdir()
    (folder / "00000000.spool").write_bytes(data)


async def test_records_that_redis_lacks_are_sent_in_order(tmp_path: Path, clock: Clock, target: FakeRedis) -> None:
    spool = Spool(tmp_path, monotonic=clock)
    for number in range(1, 6):
        spool.append(record(number))
    target.records = [record(1), record(2)]
    spool.mark_unconfirmed()
    assert await spool.replay(target) == 3
    assert target.numbers == [1, 2, 3, 4, 5]
    assert await spool.replay(target) == 0
    spool.close()


async def test_a_file_is_removed_when_redis_has_known_its_records_long_enough(
    tmp_path: Path, clock: Clock, target: FakeRedis
) -> None:
    spool = Spool(tmp_path, monotonic=clock)
    spool.append(record(1))
    target.records = [record(1)]
    await spool.replay(target)
    clock.now += CONFIRM_SECONDS - 0.1
    await spool.replay(target)
    assert spool.size > 0
    clock.now += 0.1
    await spool.replay(target)
    assert spool.size == 0
    assert spool.is_empty
    spool.close()
    assert listing(tmp_path) == []


async def test_records_that_redis_lost_after_acknowledging_them_are_sent_again(
    tmp_path: Path, clock: Clock, target: FakeRedis
) -> None:
    spool = Spool(tmp_path, monotonic=clock)
    for number in (1, 2):
        spool.append(record(number))
    await spool.replay(target)
    assert target.records == []
    target.records = [record(1)]
    clock.pass_confirmation()
    assert await spool.replay(target) == 1
    assert target.numbers == [1, 2]
    # After it was sent, the confirmation time starts again.
    target.records = [record(1)]
    clock.pass_confirmation()
    assert await spool.replay(target) == 1
    clock.pass_confirmation()
    assert await spool.replay(target) == 0
    assert spool.is_empty
    spool.close()


async def test_records_that_are_not_acknowledged_stay_and_are_sent_later(
    tmp_path: Path, clock: Clock, target: FakeRedis
) -> None:
    spool = Spool(tmp_path, monotonic=clock, file_bytes=1)
    for number in range(1, 6):
        spool.append(record(number))
    spool.mark_unconfirmed()
    target.fails_after = 2
    with pytest.raises(ConnectionError):
        await spool.replay(target)
    assert spool.unconfirmed_size > 0
    target.fails_after = None
    assert await spool.replay(target) == 3
    assert target.numbers == [1, 2, 3, 4, 5]
    assert spool.unconfirmed_size == 0
    spool.close()


async def test_records_appended_during_a_replay_are_kept(tmp_path: Path, clock: Clock) -> None:
    class Appending(FakeRedis):
        async def replay(self, one: SpoolRecord, unsent_events: int) -> None:
            if one.number == 1:
                spool.append(record(2))
                spool.mark_unconfirmed()
            await super().replay(one, unsent_events)

    spool, target = Spool(tmp_path, monotonic=clock), Appending()
    spool.append(record(1))
    spool.mark_unconfirmed()
    await spool.replay(target)
    await spool.replay(target)
    assert target.numbers == [1, 2]
    spool.close()


async def test_a_killed_process_loses_nothing(tmp_path: Path, clock: Clock, target: FakeRedis) -> None:
    finish(spooling_process(tmp_path))
    spool = Spool(tmp_path, monotonic=clock)
    target.records = [record(1, "other")]
    assert await spool.replay(target) == 2
    assert target.numbers == [1, 2, 3]
    clock.pass_confirmation()
    await spool.replay(target)
    assert listing(tmp_path) == []
    spool.close()


async def test_files_of_a_running_process_are_not_touched(tmp_path: Path, target: FakeRedis) -> None:
    process = spooling_process(tmp_path)
    try:
        await Spool(tmp_path).replay(target)
        assert target.records == []
        assert len(listing(tmp_path)) == 1
    finally:
        finish(process)


async def test_the_files_of_one_process_are_adopted_together(tmp_path: Path, target: FakeRedis) -> None:
    finish(spooling_process(tmp_path))
    spools = [Spool(tmp_path) for _ in range(4)]
    await asyncio.gather(*(spool.replay(target) for spool in spools))
    assert target.numbers == [1, 2, 3]
    assert [spool.is_empty for spool in spools].count(False) == 1
    for spool in spools:
        spool.close()


async def test_files_left_by_close_are_adopted(tmp_path: Path, target: FakeRedis) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.append(record(1))
    first.close()
    assert await second.replay(target) == 1
    second.close()


async def test_a_torn_tail_is_skipped_and_reported(tmp_path: Path, clock: Clock, target: FakeRedis) -> None:
    dead_file(tmp_path, encode(record(1)) + encode(record(2))[:-4])
    metrics = RecordedMetrics()
    spool = Spool(tmp_path, metrics=metrics, monotonic=clock)
    await spool.replay(target)
    clock.pass_confirmation()
    await spool.replay(target)
    assert target.records == [record(1)]
    assert metrics.counts["torn_bytes"] == len(encode(record(2))) - 4
    assert listing(tmp_path) == []
    spool.close()


async def test_a_damaged_file_is_kept_and_reported(tmp_path: Path, clock: Clock, target: FakeRedis) -> None:
    data = bytearray(encode(record(1)) + encode(record(2)))
    data[15] ^= 0xFF
    dead_file(tmp_path, bytes(data))
    metrics = RecordedMetrics()
    spool = Spool(tmp_path, metrics=metrics, monotonic=clock)
    for _ in range(3):
        await spool.replay(target)
        clock.pass_confirmation()
    assert target.records == [record(2)]
    assert metrics.counts["damaged_bytes"] == len(encode(record(1)))
    assert listing(tmp_path) == ["1-dead-00000000.damaged"]
    spool.close()


async def test_an_empty_file_and_an_empty_folder_of_a_dead_process_are_removed(
    tmp_path: Path, clock: Clock, target: FakeRedis
) -> None:
    dead_file(tmp_path, b"")
    (tmp_path / "2-dead").mkdir()
    spool = Spool(tmp_path, monotonic=clock)
    await spool.replay(target)
    clock.pass_confirmation()
    await spool.replay(target)
    assert listing(tmp_path) == []
    spool.close()


async def test_files_after_an_unreadable_one_are_not_sent_before_it(
    tmp_path: Path, clock: Clock, target: FakeRedis, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path, monotonic=clock, file_bytes=1)
    for number in (1, 2):
        spool.append(record(number))
    spool.mark_unconfirmed()
    (name,) = listing(tmp_path)
    hidden = tmp_path / name / "00000000.spool"
    hidden.rename(tmp_path / "moved")
    with caplog.at_level(logging.ERROR):
        await spool.replay(target)
    assert target.records == []
    assert "cannot read" in caplog.text
    (tmp_path / "moved").rename(hidden)
    await spool.replay(target)
    assert target.numbers == [1, 2]
    spool.close()


async def test_the_bound_is_enforced_and_named(tmp_path: Path, clock: Clock, target: FakeRedis) -> None:
    metrics = RecordedMetrics()
    spool = Spool(tmp_path, limit_bytes=1000, metrics=metrics, monotonic=clock)
    for number in range(1, 8):
        spool.append(record(number, size=100))
    with pytest.raises(SpoolFull, match="bound of 1000 bytes"):
        spool.append(record(8, size=500))
    spool.mark_unconfirmed()
    assert 700 < metrics.spool_bytes <= 1000
    await spool.replay(target)
    assert metrics.spool_bytes == 0
    clock.pass_confirmation()
    await spool.replay(target)
    spool.append(record(8, size=500))
    spool.close()


async def test_a_long_spool_is_split_into_files(tmp_path: Path, target: FakeRedis) -> None:
    spool = Spool(tmp_path, file_bytes=500)
    for number in range(1, 21):
        spool.append(record(number, size=100))
    (name,) = listing(tmp_path)
    assert len(listing(tmp_path / name)) > 3
    spool.mark_unconfirmed()
    await spool.replay(target)
    assert target.numbers == list(range(1, 21))
    spool.close()


def test_a_full_disk_raises_and_keeps_earlier_records(tmp_path: Path) -> None:
    # A limit on the file size makes a write end half-way, as on a full disk. It applies to all files of a process,
    # so that it needs a separate one.
    program = f"""
        import resource
        from gateway.usage.producer.spool import Spool, SpoolFull
        from gateway.usage.producer.spool_format import SpoolRecord, decode
        spool = Spool({str(tmp_path)!r})
        spool.append(SpoolRecord("channel", 1, 1, b"first"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (spool.size + 20, resource.RLIM_INFINITY))
        try:
            spool.append(SpoolRecord("channel", 2, 1, b"second"))
        except SpoolFull as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        spool.append(SpoolRecord("channel", 3, 1, b"third"))
        (path,) = spool.path.glob("*/*.spool")
        print(decode(path.read_bytes()))
    """
    error, contents = run_python(program).stdout.splitlines()
    assert "cannot be written" in error
    assert "number=1" in contents
    assert "number=2" not in contents
    assert "number=3" in contents
    assert "torn=0, damaged=0" in contents


async def test_sync_flushes_new_records_and_may_be_repeated(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.sync()
    spool.append(record())
    await spool.sync()
    spool.close()


def test_folders_and_files_are_accessible_to_their_owner_only(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append(record())
    (file,) = spool.path.glob("*/*.spool")
    assert [path.stat().st_mode & 0o777 for path in (spool.path, file.parent, file)] == [0o700, 0o700, 0o600]
    spool.close()


async def test_a_dead_process_is_forgotten_when_its_files_are_removed(
    tmp_path: Path, clock: Clock, target: FakeRedis
) -> None:
    dead_file(tmp_path, encode(record(1)))
    target.records = [record(1)]
    spool = Spool(tmp_path, monotonic=clock)
    await spool.replay(target)
    assert target.forgotten == []
    clock.pass_confirmation()
    await spool.replay(target)
    assert (target.forgotten, listing(tmp_path)) == (["1-dead"], [])
    spool.close()


@pytest.mark.parametrize("becomes_durable", [True, False])
async def test_a_file_stays_for_a_minute_while_redis_has_its_records_only_in_memory(
    tmp_path: Path, clock: Clock, target: FakeRedis, becomes_durable: bool
) -> None:
    spool = Spool(tmp_path, monotonic=clock)
    spool.append(record(1))
    target.records, target.durable = [record(1)], False
    await spool.replay(target)
    clock.pass_confirmation()
    await spool.replay(target)
    assert len(listing(tmp_path / spool.name)) == 1
    target.durable = becomes_durable
    clock.now += MAX_CONFIRM_SECONDS - CONFIRM_SECONDS - becomes_durable
    await spool.replay(target)
    assert listing(tmp_path / spool.name) == []
    spool.close()
