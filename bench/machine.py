"""The machine: its cores, the CPU time of its processes, and what to say of it beside a number."""

from __future__ import annotations

import datetime
import os
import platform
import re
import resource
import time
from pathlib import Path


class TooFewCoresError(Exception):
    """The proxy needs a core that neither load nor engines use."""


def two_cores() -> tuple[int, int]:
    """A core for the proxy that is measured, and another one for everything else."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise TooFewCoresError("the bench needs two cores: one for the proxy, one for load, upstream and engines")
    return cores[0], cores[1]


def pin(pid: int, core: int) -> None:
    """Keep a process with all its threads on one core."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def allow_open_files(count: int) -> None:
    """Let this process, and those that it starts from now on, have so many files open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, max(count, hard)))


def cpu_ns(pid: int) -> int:
    """CPU time of a process, in ns, its ended threads included (`clock_getcpuclockid(3)`)."""
    return time.clock_gettime_ns((~pid << 3) | 2)


def memory_kib(pid: int) -> int:
    """Memory that a process has to itself, plus its share of what it shares, in KiB."""
    return int(re.findall(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[0])


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command_line(pid: int) -> str:
    """How a process was started."""
    return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")


def description() -> str:
    """The date, processor, system and Python, in one line."""
    models = re.findall(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    now = datetime.datetime.now(datetime.UTC)
    return (
        f"{now:%Y-%m-%d %H:%M} UTC; {len(models)} cores of {models[0] if models else platform.machine()}; "
        f"Linux {platform.release()}; Python {platform.python_version()}"
    )
