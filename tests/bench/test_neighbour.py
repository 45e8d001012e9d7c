"""The neighbour exists only while the benchmark runs."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bench import c_programs, machine
from bench.neighbour import start_neighbour

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="needs a C compiler")


def neighbours() -> list[int]:
    return [pid for pid in machine.children(os.getpid()) if "/neighbour " in machine.command_line(pid)]


def test_a_neighbour_runs_on_each_core_and_none_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    c_programs.compile_into(tmp_path)
    cores = machine.two_cores()
    monkeypatch.setattr(machine, "cache_bytes", lambda _: (1 << 20, 1 << 20))
    with start_neighbour(tmp_path, cores) as neighbour:
        assert [os.sched_getaffinity(pid) for pid in neighbours()] == [{core} for core in cores]
        with neighbour.running() as share:
            assert share() >= 0
    assert neighbours() == []
