"""The spool: what it took outlives the process, is sent where Redis lacks it, and goes when Redis has it for good."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.usage.metrics_sink import UsageMetricsSink
from gateway.usage.producer.spool import SAFE_SECONDS, UNSURE_SECONDS, Spool, SpoolFull
from gateway.usage.producer.spool_file import SpoolRecord, encode
from tests.usage.support import finish, listing, run_python, start_python


def record(number: int = 1, lane: str = "lane", size: int = 10) -> SpoolRecord:
    return SpoolRecord(lane, number, 1, bytes(size))


class Receiver:
    """A Redis that keeps what it is sent, can fail, and can forget."""

    def __init__(self) -> None:
        self.records: list[SpoolRecord] = []
        self.fails_after: int | None = None
        self.gone: list[str] = []
        self.durable = True

    @property
    def numbers(self) -> list[int]:
        return [one.number for one in self.records]

    async def arrived(self, lanes: Sequence[str]) -> list[int]:
        return [max((one.number for one in self.records if one.lane == lane), default=0) for lane in lanes]

    async def is_durable(self) -> bool:
        return self.durable

    async def finished(self, process: str) -> None:
        self.gone.append(process)

    async def send(self, record: SpoolRecord, missing: int) -> None:
        if len(self.records) == self.fails_after:
            raise ConnectionError("away")
        self.records.append(record)


class Told(UsageMetricsSink):
    def __init__(self) -> None:
        self.torn = self.damaged = self.size = self.resends = 0

    def spool_torn(self, size: int) -> None:
        self.torn += size

    def spool_damaged(self, size: int) -> None:
        self.damaged += size

    def spool_size(self, size: int) -> None:
        self.size = size

    def resent(self, events: int) -> None:
        self.resends += events


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_safely(self) -> None:
        self.now += SAFE_SECONDS


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


def spooling_process(folder: Path, *, then: str = "time.sleep(60)") -> subprocess.Popen[bytes]:
    """Another process that spools three records, says so, and goes on with `then`."""
    program = f"""
        import os, signal, sys, time
        from gateway.usage.producer.spool import Spool
        from gateway.usage.producer.spool_file import SpoolRecord
        spool = Spool({str(folder)!r}, file_bytes=1)
        for number in range(1, 4):
            spool.append(SpoolRecord("other", number, 1, b"x"))
        print("written", flush=True)
        {then}
    """
    return start_python(program, says="written")


def dead_file(root: Path, data: bytes) -> None:
    """A spool file as a dead process left it."""
    folder = root / "1-dead"
    folder.mkdir()
    (folder / "00000000.spool").write_bytes(data)


async def test_what_redis_lacks_is_sent_in_order(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    spool = Spool(tmp_path, monotonic=clock)
    for number in range(1, 6):
        spool.append(record(number))
    receiver.records = [record(1), record(2)]
    spool.doubt()
    assert await spool.settle(receiver) == 3
    assert receiver.numbers == [1, 2, 3, 4, 5]
    assert await spool.settle(receiver) == 0
    spool.close()


async def test_a_file_goes_when_redis_has_known_all_of_it_for_long_enough(
    tmp_path: Path, clock: Clock, receiver: Receiver
) -> None:
    spool = Spool(tmp_path, monotonic=clock)
    spool.append(record(1))
    receiver.records = [record(1)]
    await spool.settle(receiver)
    clock.now += SAFE_SECONDS - 0.1
    await spool.settle(receiver)
    assert spool.size > 0
    clock.now += 0.1
    await spool.settle(receiver)
    assert spool.size == 0
    assert spool.is_empty
    spool.close()
    assert listing(tmp_path) == []


async def test_what_redis_forgot_after_acknowledging_it_is_sent_again(
    tmp_path: Path, clock: Clock, receiver: Receiver
) -> None:
    spool = Spool(tmp_path, monotonic=clock)
    for number in (1, 2):
        spool.append(record(number))
    await spool.settle(receiver)
    assert receiver.records == []
    receiver.records = [record(1)]
    clock.pass_safely()
    assert await spool.settle(receiver) == 1
    assert receiver.numbers == [1, 2]
    # Having been sent, it is watched as long again.
    receiver.records = [record(1)]
    clock.pass_safely()
    assert await spool.settle(receiver) == 1
    clock.pass_safely()
    assert await spool.settle(receiver) == 0
    assert spool.is_empty
    spool.close()


async def test_what_is_not_acknowledged_stays_and_is_sent_later(
    tmp_path: Path, clock: Clock, receiver: Receiver
) -> None:
    spool = Spool(tmp_path, monotonic=clock, file_bytes=1)
    for number in range(1, 6):
        spool.append(record(number))
    spool.doubt()
    receiver.fails_after = 2
    with pytest.raises(ConnectionError):
        await spool.settle(receiver)
    assert spool.doubtful_size > 0
    receiver.fails_after = None
    assert await spool.settle(receiver) == 3
    assert receiver.numbers == [1, 2, 3, 4, 5]
    assert spool.doubtful_size == 0
    spool.close()


async def test_records_spooled_while_it_is_settled_are_kept(tmp_path: Path, clock: Clock) -> None:
    class Appending(Receiver):
        async def send(self, one: SpoolRecord, missing: int) -> None:
            if one.number == 1:
                spool.append(record(2))
                spool.doubt()
            await super().send(one, missing)

    spool, receiver = Spool(tmp_path, monotonic=clock), Appending()
    spool.append(record(1))
    spool.doubt()
    await spool.settle(receiver)
    await spool.settle(receiver)
    assert receiver.numbers == [1, 2]
    spool.close()


async def test_a_killed_process_loses_nothing(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    finish(spooling_process(tmp_path))
    spool = Spool(tmp_path, monotonic=clock)
    receiver.records = [record(1, "other")]
    assert await spool.settle(receiver) == 2
    assert receiver.numbers == [1, 2, 3]
    clock.pass_safely()
    await spool.settle(receiver)
    assert listing(tmp_path) == []
    spool.close()


async def test_files_of_a_living_process_are_left_alone(tmp_path: Path, receiver: Receiver) -> None:
    process = spooling_process(tmp_path)
    try:
        await Spool(tmp_path).settle(receiver)
        assert receiver.records == []
        assert len(listing(tmp_path)) == 1
    finally:
        finish(process)


async def test_the_files_of_one_process_are_adopted_together(tmp_path: Path, receiver: Receiver) -> None:
    finish(spooling_process(tmp_path))
    spools = [Spool(tmp_path) for _ in range(4)]
    await asyncio.gather(*(spool.settle(receiver) for spool in spools))
    assert receiver.numbers == [1, 2, 3]
    assert [spool.is_empty for spool in spools].count(False) == 1
    for spool in spools:
        spool.close()


async def test_what_close_leaves_is_adopted(tmp_path: Path, receiver: Receiver) -> None:
    first, second = Spool(tmp_path), Spool(tmp_path)
    first.append(record(1))
    first.close()
    assert await second.settle(receiver) == 1
    second.close()


async def test_a_torn_tail_is_skipped_and_reported(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    dead_file(tmp_path, encode(record(1)) + encode(record(2))[:-4])
    told = Told()
    spool = Spool(tmp_path, metrics=told, monotonic=clock)
    await spool.settle(receiver)
    clock.pass_safely()
    await spool.settle(receiver)
    assert receiver.records == [record(1)]
    assert told.torn == len(encode(record(2))) - 4
    assert listing(tmp_path) == []
    spool.close()


async def test_a_damaged_file_is_kept_and_reported(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    data = bytearray(encode(record(1)) + encode(record(2)))
    data[15] ^= 0xFF
    dead_file(tmp_path, bytes(data))
    told = Told()
    spool = Spool(tmp_path, metrics=told, monotonic=clock)
    for _ in range(3):
        await spool.settle(receiver)
        clock.pass_safely()
    assert receiver.records == [record(2)]
    assert told.damaged == len(encode(record(1)))
    assert listing(tmp_path) == ["1-dead-00000000.damaged"]
    spool.close()


async def test_an_empty_file_and_an_empty_folder_of_a_dead_process_go(
    tmp_path: Path, clock: Clock, receiver: Receiver
) -> None:
    dead_file(tmp_path, b"")
    (tmp_path / "2-dead").mkdir()
    spool = Spool(tmp_path, monotonic=clock)
    await spool.settle(receiver)
    clock.pass_safely()
    await spool.settle(receiver)
    assert listing(tmp_path) == []
    spool.close()


async def test_what_follows_a_file_that_cannot_be_read_waits_for_it(
    tmp_path: Path, clock: Clock, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    spool = Spool(tmp_path, monotonic=clock, file_bytes=1)
    for number in (1, 2):
        spool.append(record(number))
    spool.doubt()
    (name,) = listing(tmp_path)
    hidden = tmp_path / name / "00000000.spool"
    hidden.rename(tmp_path / "elsewhere")
    with caplog.at_level(logging.ERROR):
        await spool.settle(receiver)
    assert receiver.records == []
    assert "cannot read" in caplog.text
    (tmp_path / "elsewhere").rename(hidden)
    await spool.settle(receiver)
    assert receiver.numbers == [1, 2]
    spool.close()


async def test_the_bound_is_kept_and_said(tmp_path: Path, clock: Clock, receiver: Receiver) -> None:
    told = Told()
    spool = Spool(tmp_path, limit_bytes=1000, metrics=told, monotonic=clock)
    for number in range(1, 8):
        spool.append(record(number, size=100))
    with pytest.raises(SpoolFull, match="bound of 1000 bytes"):
        spool.append(record(8, size=500))
    spool.doubt()
    assert 700 < told.size <= 1000
    await spool.settle(receiver)
    assert told.size == 0
    clock.pass_safely()
    await spool.settle(receiver)
    spool.append(record(8, size=500))
    spool.close()


async def test_long_spools_are_cut_into_files(tmp_path: Path, receiver: Receiver) -> None:
    spool = Spool(tmp_path, file_bytes=500)
    for number in range(1, 21):
        spool.append(record(number, size=100))
    (name,) = listing(tmp_path)
    assert len(listing(tmp_path / name)) > 3
    spool.doubt()
    await spool.settle(receiver)
    assert receiver.numbers == list(range(1, 21))
    spool.close()


def test_a_full_disk_is_said_and_costs_no_earlier_record(tmp_path: Path) -> None:
    # A limit on the size of files makes a write end half-way, as on a full disk; it is set for a process of its
    # own, because it holds for every file of a process.
    program = f"""
        import resource
        from gateway.usage.producer.spool import Spool, SpoolFull
        from gateway.usage.producer.spool_file import SpoolRecord, decode
        spool = Spool({str(tmp_path)!r})
        spool.append(SpoolRecord("lane", 1, 1, b"first"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (spool.size + 20, resource.RLIM_INFINITY))
        try:
            spool.append(SpoolRecord("lane", 2, 1, b"second"))
        except SpoolFull as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        spool.append(SpoolRecord("lane", 3, 1, b"third"))
        (path,) = spool.path.glob("*/*.spool")
        print(decode(path.read_bytes()))
    """
    said, contents = run_python(program).stdout.splitlines()
    assert "cannot be written" in said
    assert "number=1" in contents
    assert "number=2" not in contents
    assert "number=3" in contents
    assert "torn=0, damaged=0" in contents


async def test_what_was_spooled_can_be_had_on_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.sync()
    spool.append(record())
    await spool.sync()
    spool.close()


def test_folders_and_files_are_the_owners_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append(record())
    (file,) = spool.path.glob("*/*.spool")
    assert [path.stat().st_mode & 0o777 for path in (spool.path, file.parent, file)] == [0o700, 0o700, 0o600]
    spool.close()


async def test_a_process_that_is_gone_is_told_to_have_nothing_left(
    tmp_path: Path, clock: Clock, receiver: Receiver
) -> None:
    dead_file(tmp_path, encode(record(1)))
    receiver.records = [record(1)]
    spool = Spool(tmp_path, monotonic=clock)
    await spool.settle(receiver)
    assert receiver.gone == []
    clock.pass_safely()
    await spool.settle(receiver)
    assert (receiver.gone, listing(tmp_path)) == (["1-dead"], [])
    spool.close()


@pytest.mark.parametrize("is_durable_at_last", [True, False])
async def test_a_file_stays_for_a_minute_while_redis_has_it_only_in_memory(
    tmp_path: Path, clock: Clock, receiver: Receiver, is_durable_at_last: bool
) -> None:
    spool = Spool(tmp_path, monotonic=clock)
    spool.append(record(1))
    receiver.records, receiver.durable = [record(1)], False
    await spool.settle(receiver)
    clock.pass_safely()
    await spool.settle(receiver)
    assert len(listing(tmp_path / spool.name)) == 1
    receiver.durable = is_durable_at_last
    clock.now += UNSURE_SECONDS - SAFE_SECONDS - is_durable_at_last
    await spool.settle(receiver)
    assert listing(tmp_path / spool.name) == []
    spool.close()
