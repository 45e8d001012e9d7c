"""The spool: what it took outlives the process, is sent once it can be, and goes only when acknowledged."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from gateway.usage.observer import UsageObserver
from gateway.usage.spool import Spool, SpoolFull
from gateway.usage.spool_file import SpoolRecord, encode
from tests.usage.support import finish, listing, run_python, start_python


def record(number: int = 1, size: int = 10) -> SpoolRecord:
    return SpoolRecord("lane", str(number), 1, bytes(size))


class Sent(list[SpoolRecord]):
    """A receiver that can fail."""

    fails_at: int | None = None

    async def __call__(self, one: SpoolRecord) -> None:
        if len(self) == self.fails_at:
            raise ConnectionError("away")
        self.append(one)


class Told(UsageObserver):
    def __init__(self) -> None:
        self.torn = self.damaged = self.sizes = 0
        self.size = 0

    def spool_torn(self, size: int) -> None:
        self.torn += size

    def spool_damaged(self, size: int) -> None:
        self.damaged += size

    def spool_size(self, size: int) -> None:
        self.size = size


def spooling_process(folder: Path, *, then: str) -> subprocess.Popen[bytes]:
    """Another process that spools three records, says so, and goes on with `then`."""
    program = f"""
        import os, signal, sys, time
        from gateway.usage.spool import Spool
        from gateway.usage.spool_file import SpoolRecord
        spool = Spool({str(folder)!r})
        for number in range(3):
            spool.append(SpoolRecord("other", str(number), 1, b"x"))
        print("written", flush=True)
        {then}
    """
    return start_python(program, says="written")


async def test_records_are_sent_in_order_and_their_file_removed(tmp_path: Path) -> None:
    spool, sent = Spool(tmp_path), Sent()
    for number in range(5):
        spool.append(record(number))
    assert await spool.drain(sent) == 5
    assert sent == [record(number) for number in range(5)]
    assert listing(tmp_path) == []
    assert spool.is_empty
    assert spool.size == 0


async def test_what_is_not_acknowledged_stays_and_is_sent_later(tmp_path: Path) -> None:
    spool, sent = Spool(tmp_path), Sent()
    for number in range(5):
        spool.append(record(number))
    sent.fails_at = 2
    with pytest.raises(ConnectionError):
        await spool.drain(sent)
    assert not spool.is_empty
    sent.fails_at = None
    await spool.drain(sent)
    assert [one.batch for one in sent] == ["0", "1", "2", "3", "4"]
    assert listing(tmp_path) == []


async def test_records_spooled_during_a_drain_are_kept(tmp_path: Path) -> None:
    spool, sent = Spool(tmp_path), Sent()
    spool.append(record(0))

    async def send(one: SpoolRecord) -> None:
        if one.batch == "0":
            spool.append(record(1))
        await sent(one)

    await spool.drain(send)
    assert not spool.is_empty
    await spool.drain(send)
    assert [one.batch for one in sent] == ["0", "1"]


async def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    finish(spooling_process(tmp_path, then="time.sleep(60)"))
    sent = Sent()
    await Spool(tmp_path).drain(sent)
    assert [one.batch for one in sent] == ["0", "1", "2"]
    assert listing(tmp_path) == []


async def test_files_of_a_living_process_are_left_alone(tmp_path: Path) -> None:
    process = spooling_process(tmp_path, then="time.sleep(60)")
    try:
        sent = Sent()
        await Spool(tmp_path).drain(sent)
        assert sent == []
        assert len(listing(tmp_path)) == 1
    finally:
        finish(process)


async def test_two_who_drain_at_once_send_each_record_once(tmp_path: Path) -> None:
    finish(spooling_process(tmp_path, then="time.sleep(60)"))
    sent = Sent()
    await asyncio.gather(*(Spool(tmp_path).drain(sent) for _ in range(4)))
    assert [one.batch for one in sent] == ["0", "1", "2"]


async def test_a_torn_tail_is_skipped_and_reported(tmp_path: Path) -> None:
    (tmp_path / "1-dead-000000.spool").write_bytes(encode(record(0)) + encode(record(1))[:-4])
    told, sent = Told(), Sent()
    await Spool(tmp_path, observer=told).drain(sent)
    assert sent == [record(0)]
    assert told.torn == len(encode(record(1))) - 4
    assert listing(tmp_path) == []


async def test_a_damaged_file_is_kept_and_reported(tmp_path: Path) -> None:
    data = bytearray(encode(record(0)) + encode(record(1)))
    data[15] ^= 0xFF
    (tmp_path / "1-dead-000000.spool").write_bytes(data)
    told, sent = Told(), Sent()
    spool = Spool(tmp_path, observer=told)
    await spool.drain(sent)
    await spool.drain(sent)
    assert sent == [record(1)]
    assert told.damaged == len(encode(record(0)))
    assert listing(tmp_path) == ["1-dead-000000.damaged"]


async def test_the_bound_is_kept_and_said(tmp_path: Path) -> None:
    told = Told()
    spool = Spool(tmp_path, limit_bytes=1000, observer=told)
    for number in range(7):
        spool.append(record(number, size=100))
    with pytest.raises(SpoolFull, match="bound of 1000 bytes"):
        spool.append(record(size=500))
    assert 700 < told.size <= 1000
    await spool.drain(Sent())
    assert told.size == 0
    spool.append(record())
    spool.close()


async def test_long_spools_are_cut_into_files(tmp_path: Path) -> None:
    spool, sent = Spool(tmp_path, file_bytes=500), Sent()
    for number in range(20):
        spool.append(record(number, size=100))
    assert len(listing(tmp_path)) > 3
    await spool.drain(sent)
    assert [one.batch for one in sent] == [str(number) for number in range(20)]


def test_a_full_disk_is_said_and_costs_no_earlier_record(tmp_path: Path) -> None:
    # A limit on the size of files makes a write end half-way, as on a full disk; it is set for a process of its
    # own, because it holds for every file of a process.
    program = f"""
        import resource
        from gateway.usage.spool import Spool, SpoolFull
        from gateway.usage.spool_file import SpoolRecord, decode
        spool = Spool({str(tmp_path)!r})
        spool.append(SpoolRecord("lane", "0", 1, b"first"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (spool.size + 20, resource.RLIM_INFINITY))
        try:
            spool.append(SpoolRecord("lane", "1", 1, b"second"))
        except SpoolFull as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        spool.append(SpoolRecord("lane", "2", 1, b"third"))
        (path,) = spool.path.iterdir()
        print(decode(path.read_bytes()))
    """
    said, contents = run_python(program).stdout.splitlines()
    assert "cannot be written" in said
    assert "batch='0'" in contents
    assert "batch='1'" not in contents
    assert "batch='2'" in contents
    assert "torn=0, damaged=0" in contents


async def test_what_was_spooled_can_be_had_on_the_disk(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    await spool.sync()
    spool.append(record())
    await spool.sync()
    spool.close()


def test_the_folder_is_the_owners_alone(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    spool.append(record())
    (path,) = spool.path.iterdir()
    assert spool.path.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600
    spool.close()
