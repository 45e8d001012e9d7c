"""What was measured, and how two proxies are compared.

In a round the proxies run one after the other, so that what else the machine does at that time weighs on all of them.
So a comparison is made within each round, and the median of the rounds counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from bench.runs import Run
from bench.streams import IdleStreams
from bench.turns import Turns

Measure = Callable[[Run], float]


class Results(msgspec.Struct):
    """All that was measured."""

    machine: str
    runs: list[Run] = msgspec.field(default_factory=list)
    streams: list[IdleStreams] = msgspec.field(default_factory=list)
    turns: list[Turns] = msgspec.field(default_factory=list)
    metering_us: float | None = None
    """For a declared result of 1 KB."""

    def of(self, proxy: str, call: str, connections: int) -> list[Run]:
        """The rounds of one thing, in their order; none where it was not measured."""
        return [run for run in self.runs if (run.proxy, run.call, run.connections) == (proxy, call, connections)]


def worker_us(run: Run) -> float:
    """CPU time a call of the proxy's own process."""
    return run.cpu_us["worker"]


def whole_us(run: Run) -> float:
    """CPU time a call of all that belongs to the proxy: its worker, Valkey, the usage writer."""
    return sum(run.cpu_us.values())


def latency_us(run: Run) -> float:
    """The median."""
    return run.load.latency_us.median


def undisturbed_us(run: Run) -> float:
    """The latency that nine calls of ten are above: that of calls that waited for nothing else on the machine."""
    return run.load.latency_us.p10


def first_byte_us(run: Run) -> float:
    """The median."""
    return run.load.first_byte_us.median


def ratio(measure: Measure, runs: Sequence[Run], base: Sequence[Run]) -> float | None:
    """How many times the base's; `None` where one of both was not measured."""
    if not (runs and base):
        return None
    return median(measure(run) / measure(other) for run, other in zip(runs, base, strict=True))


def added(measure: Measure, runs: Sequence[Run], direct: Sequence[Run]) -> float | None:
    """How much more than direct; `None` where one of both was not measured."""
    if not (runs and direct):
        return None
    return median(measure(run) - measure(other) for run, other in zip(runs, direct, strict=True))
