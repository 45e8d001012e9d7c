"""The machine: its description and cores, and the CPU time and memory of its processes."""

from __future__ import annotations

import datetime
import os
import platform
import re
import resource
import time
from pathlib import Path
from typing import NamedTuple

_UNKNOWN_CACHES_KIB = {2: 2 << 10, 3: 32 << 10}
"""Assumed where the kernel does not describe the caches, as on some virtual machines."""


class TooFewCoresError(Exception):
    """The machine has fewer than two cores."""


class CpuTime(NamedTuple):
    """CPU time of a process, in ns, and its division into user and system time, in clock ticks.

    A tick is 10 ms, and the kernel divides by samples. So only the proportion of the ticks is used, over a run.
    """

    ns: int
    user_ticks: int
    system_ticks: int

    def __sub__(self, before: CpuTime) -> CpuTime:
        return CpuTime(*(after - each for after, each in zip(self, before, strict=True)))

    @property
    def system_ns(self) -> float:
        ticks = self.user_ticks + self.system_ticks
        return self.ns * self.system_ticks / ticks if ticks else 0.0


def two_cores() -> tuple[int, int]:
    """Return a core for the measured proxy, and another one for everything else."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise TooFewCoresError(
            "the benchmark needs two cores: one for the proxy, one for load generator, upstream and databases"
        )
    return cores[0], cores[1]


def pin(pid: int, core: int) -> None:
    """Pin all threads of a process to a core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def allow_open_files(count: int) -> None:
    """Raise the limit of open files for this process and its future children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))


def cpu_time(pid: int) -> CpuTime:
    """Return the CPU time of a process, including ended threads (`clock_getcpuclockid(3)`, `proc_pid_stat(5)`)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return CpuTime(time.clock_gettime_ns((~pid << 3) | 2), int(fields[11]), int(fields[12]))


def cache_bytes(core: int) -> tuple[int, int]:
    """Return the sizes of a core's second-level and last-level cache."""
    sizes = _cache_sizes_kib(core) or _UNKNOWN_CACHES_KIB
    return sizes.get(2, sizes[max(sizes)]) << 10, sizes[max(sizes)] << 10


def memory_kib(pid: int) -> int:
    """Return the proportional set size of a process in KiB."""
    return int(re.findall(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[0])


def children(pid: int) -> list[int]:
    """Return the ids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> str:
    """Return the command line of a process."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def description() -> str:
    """Return date, processor, kernel and Python version in one line."""
    models = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    now = datetime.datetime.now(datetime.UTC)
    return (
        f"{now:%Y-%m-%d %H:%M} UTC; {len(models)} cores of {models[0] if models else platform.machine()}; "
        f"Linux {platform.release()}; Python {platform.python_version()}"
    )


def _cache_sizes_kib(core: int) -> dict[int, int]:
    caches = Path(f"/sys/devices/system/cpu/cpu{core}/cache").glob("index*")
    found = (((cache / "level").read_text(), (cache / "size").read_text()) for cache in caches)
    return {int(level): int(size.strip().removesuffix("K")) for level, size in found if size.strip()}
