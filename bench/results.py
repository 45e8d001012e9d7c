"""The measured results, and the comparison of two proxies.

In each round the proxies run one after the other, so that other load on the machine affects all of them alike. They are
compared within each round; the median of the rounds counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

import msgspec

from bench.measurements.loop_iterations import LoopIterations
from bench.measurements.metering import SlowestInput
from bench.measurements.runs import Run
from bench.measurements.streams import IdleStreams

Measure = Callable[[Run], float]


class Results(msgspec.Struct):
    """The results of all measurements."""

    machine: str
    runs: list[Run] = msgspec.field(default_factory=list)
    streams: list[IdleStreams] = msgspec.field(default_factory=list)
    loop_iterations: list[LoopIterations] = msgspec.field(default_factory=list)
    slowest_inputs: list[SlowestInput] = msgspec.field(default_factory=list)
    metering_us: float | None = None
    """CPU time of metering a structured result of 1 KB."""

    def select(self, proxy: str, call: str, connections: int, *, is_busy: bool = False) -> list[Run]:
        """Return the runs of one measurement by round, alone or with the neighbour; none if it was not measured."""
        wanted = (proxy, call, connections, is_busy)
        return [run for run in self.runs if (run.proxy, run.call, run.connections, run.is_busy) == wanted]


def worker_us(run: Run) -> float:
    """Return the CPU time per call of the proxy's own process."""
    return run.cpu_us["worker"]


def user_us(run: Run) -> float:
    """Return the user time per call of the proxy's own process."""
    return run.cpu_us["worker"] - run.system_us["worker"]


def system_us(run: Run) -> float:
    """Return the system time per call of the proxy's own process."""
    return run.system_us["worker"]


def total_us(run: Run) -> float:
    """Return the CPU time per call of all processes of the proxy: worker, Valkey and usage writer."""
    return sum(run.cpu_us.values())


def latency_us(run: Run) -> float:
    """Return the median latency."""
    return run.load.latency_us.median


def p10_latency_us(run: Run) -> float:
    """Return the 10th percentile of the latency: that of calls that other load on the machine did not delay."""
    return run.load.latency_us.p10


def p99_latency_us(run: Run) -> float:
    """Return the 99th percentile of the latency."""
    return run.load.latency_us.p99


def first_byte_us(run: Run) -> float:
    """Return the median time to the first byte of the body."""
    return run.load.first_byte_us.median


def ratio(measure: Measure, runs: Sequence[Run], base: Sequence[Run]) -> float | None:
    """Return the measure as a multiple of the base's; `None` if either was not measured."""
    if not (runs and base):
        return None
    return median(measure(run) / measure(other) for run, other in zip(runs, base, strict=True))


def overhead(measure: Measure, runs: Sequence[Run], direct: Sequence[Run]) -> float | None:
    """Return the measure minus that of the direct connection; `None` if either was not measured."""
    if not (runs and direct):
        return None
    return median(measure(run) - measure(other) for run, other in zip(runs, direct, strict=True))
