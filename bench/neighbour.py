"""The neighbour: `neighbour.c`, which makes the caches of the measured proxy cold.

It stands for the other work of a shared host. On the core of load generator and upstream it walks an array of several
times the last-level cache, which the cores share. On a processor with a large last-level cache and a second-level cache
for each core, this changes nothing: no core empties the cache of another. So a second process does the same on the
proxy's core, with an array of several times the second-level cache.

Both are the same for all proxies:

- Each burst has the same CPU time, in periods of the same length. A process of low priority would fill the time that a
  proxy leaves idle, and so disturb a cheap proxy less than an expensive one. The share of the proxy's core that the
  neighbour got is measured.
- The CPU time of a proxy is its own: on the same core, the neighbour's time is not in it, only the cache misses that
  follow. Calls per second and latency contain both.
- A burst is shorter than the work that 64 connections have waiting, and the load generator keeps three quarters of its
  core, so that the proxy stays saturated.
- Each proxy is measured alone and with the neighbour, one after the other, in each round.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import machine
from bench.proxies.processes import process, wait_until

_TIMES_CACHE = 4
_BURST_US = 100
_PERIOD_US = 500
_MEMORY_SHARE = 4
"""The array has at most this fraction of the memory."""


class Neighbour:
    """Processes that are stopped except during a measurement; the first one is on the proxy's core."""

    def __init__(self, pids: Sequence[int]) -> None:
        self._pids = pids

    @contextlib.contextmanager
    def running(self) -> Iterator[Callable[[], float]]:
        """Let it run; yield a function that returns the share of the proxy's core that it has used."""
        started, before = time.monotonic_ns(), machine.cpu_time(self._pids[0])
        self._signal(signal.SIGCONT)
        try:
            yield lambda: (machine.cpu_time(self._pids[0]) - before).ns / (time.monotonic_ns() - started)
        finally:
            self._signal(signal.SIGSTOP)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._pids:
            os.kill(pid, number)


@contextlib.contextmanager
def start_neighbour(folder: Path, cores: tuple[int, int]) -> Iterator[Neighbour]:
    """Start the neighbour, stopped."""
    second_level, last_level = machine.cache_bytes(cores[0])
    bound = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // _MEMORY_SHARE
    with contextlib.ExitStack() as stack:
        pids = []
        for core, cache in zip(cores, (second_level, last_level), strict=True):
            pids.append(stack.enter_context(_stopped(folder, core, min(_TIMES_CACHE * cache, bound))))
        yield Neighbour(pids)


@contextlib.contextmanager
def _stopped(folder: Path, core: int, size: int) -> Iterator[int]:
    log = folder / f"neighbour-{core}.log"
    with process([folder / "neighbour", size, _BURST_US, _PERIOD_US], core, log) as running:
        wait_until(lambda: _has_memory(running.pid, size), running, log)
        os.kill(running.pid, signal.SIGSTOP)
        try:
            yield running.pid
        finally:
            # A stopped process does not end on SIGTERM.
            os.kill(running.pid, signal.SIGCONT)


def _has_memory(pid: int, size: int) -> bool:
    try:
        return machine.memory_kib(pid) >= size >> 10
    except ProcessLookupError:
        # Between fork and exec, it has no memory of its own yet.
        return False
