"""CPU time, divided into user and system time, and the sizes of caches."""

from __future__ import annotations

import os

from bench import machine
from bench.machine import CpuTime


def test_system_time_has_its_share_of_the_ticks() -> None:
    spent = CpuTime(ns=5_000, user_ticks=40, system_ticks=70) - CpuTime(ns=1_000, user_ticks=10, system_ticks=60)
    assert spent.ns == 4_000
    assert spent.system_ns == 1_000


def test_without_a_tick_there_is_no_system_time() -> None:
    assert CpuTime(ns=1_000, user_ticks=0, system_ticks=0).system_ns == 0


def test_cpu_time_of_a_process_is_read_although_its_name_has_spaces_and_parentheses() -> None:
    with open("/proc/self/comm", "r+") as name:
        before = name.read()
        name.write("a) b (c")
    try:
        assert machine.cpu_time(os.getpid()).ns > 0
    finally:
        with open("/proc/self/comm", "w") as name:
            name.write(before)


def test_the_last_level_cache_is_at_least_as_large_as_the_second() -> None:
    second_level, last_level = machine.cache_bytes(machine.two_cores()[0])
    assert 0 < second_level <= last_level
