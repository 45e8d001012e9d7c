"""The performance goals of the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bench.calls import LOAD_CONNECTIONS, PROGRESS
from bench.results import Measure, Results, first_byte_us, latency_us, overhead, ratio, total_us, worker_us

_WORKER_BOUNDS = {"1kb": 3.5, "100kb": 5.0, "2mb": 4.0}
"""Multiples of nginx's CPU time."""
_ALL_BOUND = 5.0
_LATENCY_BOUND = 2.5
_FIRST_EVENT_MS = 0.5
_IDLE_STREAM_KIB = 25.0
_LOOP_ITERATION_MS = 3.0
_METERING_US = 3.0
_HOSTILE_MS = 25.0
_TIMES_NGINX = "times nginx"


class Goal(NamedTuple):
    """An upper bound, and the measured value."""

    name: str
    measured: float | None
    """`None` if it was not measured."""
    bound: float
    unit: str

    @property
    def is_met(self) -> bool:
        return self.measured is not None and self.measured <= self.bound


def measured_goals(results: Results) -> list[Goal]:
    """Return the goals for which there is a measured value."""
    return [goal for goal in _goals(results) if goal.measured is not None]


def _goals(results: Results) -> Iterator[Goal]:
    for kind in ("json", "sse"):
        for size, bound in _WORKER_BOUNDS.items():
            ours, nginx = (results.select(proxy, f"{size}-{kind}", LOAD_CONNECTIONS) for proxy in ("gateway", "nginx"))
            yield Goal(f"CPU time of the worker, {size}-{kind}", ratio(worker_us, ours, nginx), bound, _TIMES_NGINX)
        ours, nginx = (results.select(proxy, f"1kb-{kind}", LOAD_CONNECTIONS) for proxy in ("gateway", "nginx"))
        total = ratio(total_us, ours, nginx)
        yield Goal(f"CPU time of worker, Valkey and usage writer, 1kb-{kind}", total, _ALL_BOUND, _TIMES_NGINX)
        yield Goal(
            f"added median latency, 1kb-{kind}",
            relative_overhead(results, "gateway", f"1kb-{kind}"),
            _LATENCY_BOUND,
            _TIMES_NGINX,
        )
    ours, direct = (results.select(proxy, PROGRESS.name, 1) for proxy in ("gateway", "direct"))
    delay_us = overhead(first_byte_us, ours, direct)
    delay_ms = None if delay_us is None else delay_us / 1000
    yield Goal("added delay of a stream's first event", delay_ms, _FIRST_EVENT_MS, "ms")
    for streams in results.streams:
        if streams.proxy == "gateway":
            yield Goal("memory of an idle stream", streams.kib_per_stream, _IDLE_STREAM_KIB, "KiB")
    yield Goal("metering of a structured result of 1 KB", results.metering_us, _METERING_US, "µs")
    for slowest in results.slowest_inputs:
        yield Goal(f"metering of the slowest hostile input, {slowest.group}", slowest.ms, _HOSTILE_MS, "ms")
    for iterations in results.loop_iterations:
        if iterations.call.startswith("2mb"):
            yield Goal(
                f"longest event loop iteration, {iterations.call}", iterations.longest_ms, _LOOP_ITERATION_MS, "ms"
            )


def relative_overhead(results: Results, proxy: str, call: str, measure: Measure = latency_us) -> float | None:
    """Return the latency that a proxy adds at one connection, as a multiple of what nginx adds."""
    direct = results.select("direct", call, 1)
    ours, nginx = (overhead(measure, results.select(name, call, 1), direct) for name in (proxy, "nginx"))
    return ours / nginx if ours is not None and nginx else None
