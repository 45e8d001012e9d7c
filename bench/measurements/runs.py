"""Runs of the load generator."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec

from bench import calls, machine
from bench.calls import Call
from bench.neighbour import Neighbour
from bench.proxies.processes import BenchError
from bench.proxies.proxy import Proxy

_WARM_UP_SECONDS = 0.3
_IDS = range(100_000_000, 1_000_000_000, 1_000_000)
"""First JSON-RPC ids of the runs: nine digits, far enough apart that consecutive runs share none."""


class Quantiles(msgspec.Struct, frozen=True):
    """Quantiles of a duration, in microseconds."""

    p10: float
    median: float
    p99: float
    max: float


class Load(msgspec.Struct, frozen=True):
    """The output of `load.c`."""

    answered: int
    failed: int
    seconds: float
    body_bytes: float
    """Mean size of a response body."""
    latency_us: Quantiles
    first_byte_us: Quantiles


class Run(msgspec.Struct, frozen=True):
    """A run of one proxy under load."""

    proxy: str
    call: str
    round: int
    connections: int
    load: Load
    cpu_us: dict[str, float]
    """CPU time per call, by process."""
    system_us: dict[str, float]
    """The part of it that was spent in the kernel."""
    load_average: float
    """Load average of the machine after the run."""
    neighbour_share: float | None = None
    """Share of the proxy's core that the neighbour used; `None` if it did not run."""

    @property
    def is_busy(self) -> bool:
        return self.neighbour_share is not None


class LoadRunner:
    """Runs the load generator on its core."""

    def __init__(self, folder: Path, core: int) -> None:
        self._folder = folder
        self._core = core
        self._ids = cycle(_IDS)

    def run(
        self,
        proxy: Proxy,
        call: Call,
        round_: int,
        connections: int,
        seconds: float,
        neighbour: Neighbour | None = None,
    ) -> Run:
        """Put a proxy under load, alone or with the neighbour, and verify that every call is in the usage history."""
        with neighbour.running() if neighbour else contextlib.nullcontext() as share:
            before = {name: machine.cpu_time(pid) for name, pid in proxy.processes.items()}
            load = self.load(proxy, call, connections, seconds)
            neighbour_share = share() if share else None
            proxy.usage.wait_until_stored()
            spent = {name: machine.cpu_time(pid) - before[name] for name, pid in proxy.processes.items()}
        proxy.usage.verify()
        cpu_us = {name: time.ns / 1000 / load.answered for name, time in spent.items()}
        system_us = {name: time.system_ns / 1000 / load.answered for name, time in spent.items()}
        load_average = os.getloadavg()[0]
        return Run(proxy.name, call.name, round_, connections, load, cpu_us, system_us, load_average, neighbour_share)

    def warm_up(self, proxy: Proxy, call: Call, connections: int) -> None:
        """Make some calls, and wait until they are stored."""
        self.load(proxy, call, connections, _WARM_UP_SECONDS)
        proxy.usage.wait_until_stored()

    def load(self, proxy: Proxy, call: Call, connections: int, seconds: float) -> Load:
        """Put a proxy under load."""
        request = self._folder / "request"
        calls.write_request(request, call, proxy.key)
        command: list[Any] = ["taskset", "--cpu-list", str(self._core), self._folder / "load"]
        command += [proxy.port, connections, seconds, request, next(self._ids)]
        completed = subprocess.run([str(word) for word in command], capture_output=True, check=False)
        if completed.returncode != 0:
            raise BenchError(f"{proxy.name}, {call.name}: {completed.stderr.decode(errors='replace')}")
        load = msgspec.convert(json.loads(completed.stdout), Load)
        if load.failed:
            raise BenchError(f"{proxy.name}, {call.name}: {load.failed} responses had another id than their call")
        if load.body_bytes != (expected := calls.response_size(self._folder, call)):
            raise BenchError(f"{proxy.name}, {call.name}: responses have {load.body_bytes} bytes, expected {expected}")
        proxy.usage.add(load.answered, load.answered * calls.records(call))
        return load
