"""The machine: its description and cores, and the CPU time and memory of its processes."""

from __future__ import annotations

import datetime
import os
import platform
import re
import resource
import time
from pathlib import Path


class TooFewCoresError(Exception):
    """The machine has fewer than two cores."""


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


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process in ns, including ended threads (`clock_getcpuclockid(3)`)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


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
