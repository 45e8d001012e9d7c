"""Single measurements."""

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
"""Where the ids of a run begin: nine digits, and none that was just used."""


class Quantiles(msgspec.Struct, frozen=True):
    """Of a time, in microseconds."""

    p10: float
    median: float
    p99: float
    max: float


class Load(msgspec.Struct, frozen=True):
    """What `load.c` says of its calls."""

    answered: int
    failed: int
    seconds: float
    body_bytes: float
    """Of the mean answer."""
    latency_us: Quantiles
    first_byte_us: Quantiles


class Run(msgspec.Struct, frozen=True):
    """One proxy under load for some seconds."""

    proxy: str
    call: str
    round: int
    connections: int
    load: Load
    cpu_us: dict[str, float]
    """CPU time a call, of each part."""
    load_average: float
    """Of the machine, after it."""


class Bench:
    """The load, on its core, and what it has sent so far."""

    def __init__(self, folder: Path, core: int) -> None:
        self._folder = folder
        self._core = core
        self._ids = cycle(_IDS)
        self._sent: dict[str, int] = {}
        self._records: dict[str, int] = {}

    def run(self, proxy: Proxy, call: Call, round_: int, connections: int, seconds: float) -> Run:
        """Put a proxy under load and see that every call is in the usage history."""
        before = {part: machine.cpu_ns(pid) for part, pid in proxy.parts.items()}
        load = self.load(proxy, call, connections, seconds)
        proxy.settle(self._sent[proxy.name])
        spent = {part: machine.cpu_ns(pid) - before[part] for part, pid in proxy.parts.items()}
        proxy.verify(self._sent[proxy.name], self._records[proxy.name])
        cpu_us = {part: ns / 1000 / load.answered for part, ns in spent.items()}
        return Run(proxy.name, call.name, round_, connections, load, cpu_us, os.getloadavg()[0])

    def warm_up(self, proxy: Proxy, call: Call, connections: int) -> None:
        """Make some calls, and wait until nothing of them is left to do."""
        self.load(proxy, call, connections, _WARM_UP_SECONDS)
        proxy.settle(self._sent[proxy.name])

    def load(self, proxy: Proxy, call: Call, connections: int, seconds: float) -> Load:
        """Put a proxy under load."""
        request = self._folder / "request"
        calls.write_request(request, call, proxy.key)
        command: list[Any] = ["taskset", "--cpu-list", str(self._core), self._folder / "load"]
        command += [proxy.port, connections, seconds, request, next(self._ids)]
        done = subprocess.run([str(word) for word in command], capture_output=True, check=False)
        if done.returncode != 0:
            raise BenchError(f"{proxy.name}, {call.name}: {done.stderr.decode(errors='replace')}")
        load = msgspec.convert(json.loads(done.stdout), Load)
        if load.failed:
            raise BenchError(f"{proxy.name}, {call.name}: {load.failed} answers had another id than their call")
        if load.body_bytes != (expected := calls.answer_size(self._folder, call)):
            raise BenchError(f"{proxy.name}, {call.name}: answers have {load.body_bytes} bytes, not {expected}")
        self._sent[proxy.name] = self._sent.get(proxy.name, 0) + load.answered
        self._records[proxy.name] = self._records.get(proxy.name, 0) + load.answered * calls.records(call)
        return load
