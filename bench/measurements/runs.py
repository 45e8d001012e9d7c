"""Runs of the load generator."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import cycle
from pathlib import Path
from typing import Any

import msgspec

from bench import calls, machine
from bench.calls import Call
from bench.proxies import BenchError, Proxy

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
    load_average: float
    """Load average of the machine after the run."""


class LoadRunner:
    """Runs the load generator on its core, and counts the calls sent to each proxy."""

    def __init__(self, folder: Path, core: int) -> None:
        self._folder = folder
        self._core = core
        self._ids = cycle(_IDS)
        self._sent: dict[str, int] = {}
        self._records: dict[str, int] = {}

    def run(self, proxy: Proxy, call: Call, round_: int, connections: int, seconds: float) -> Run:
        """Put a proxy under load, and verify that every call is in the usage history."""
        before = {name: machine.cpu_ns(pid) for name, pid in proxy.processes.items()}
        load = self.load(proxy, call, connections, seconds)
        proxy.wait_until_stored(self._sent[proxy.name])
        spent = {name: machine.cpu_ns(pid) - before[name] for name, pid in proxy.processes.items()}
        proxy.verify_usage(self._sent[proxy.name], self._records[proxy.name])
        cpu_us = {name: ns / 1000 / load.answered for name, ns in spent.items()}
        return Run(proxy.name, call.name, round_, connections, load, cpu_us, os.getloadavg()[0])

    def warm_up(self, proxy: Proxy, call: Call, connections: int) -> None:
        """Make some calls, and wait until they are stored."""
        self.load(proxy, call, connections, _WARM_UP_SECONDS)
        proxy.wait_until_stored(self._sent[proxy.name])

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
        self._sent[proxy.name] = self._sent.get(proxy.name, 0) + load.answered
        self._records[proxy.name] = self._records.get(proxy.name, 0) + load.answered * calls.records(call)
        return load
