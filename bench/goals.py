"""The performance goals of the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bench.calls import LOAD_CONNECTIONS, PROGRESS
from bench.results import Measure, Results, first_byte_us, latency_us, overhead, ratio, total_us, worker_us

_WORKER_BOUNDS = {"1kb": 3.2, "100kb": 4.5, "2mb": 3.5}
"""Multiples of nginx's CPU time."""
_BARE_BOUND = 1.8
_BUSY_BOUND = 4.0
_FAST_PATH_OFF_BOUND = 8.0
_PLAIN_BOUND = 1.0
_ALL_BOUND = 5.0
_LATENCY_BOUND = 2.3
_LIMITED_BOUND = 1.3
"""Multiples of what a call with an unlimited key costs."""
_FIRST_EVENT_MS = 0.5
_IDLE_STREAM_KIB = 25.0
_LOOP_ITERATION_MS = 3.0
_METERING_US = 3.0
_HOSTILE_MS = 6.0
_TIMES_NGINX = "times nginx"
_TIMES_UNLIMITED = "times an unlimited key"


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
            call = f"{size}-{kind}"
            yield _worker_goal(results, "gateway", call, "nginx", bound)
        yield from _usual_call(results, f"1kb-{kind}")
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


def _usual_call(results: Results, call: str) -> Iterator[Goal]:
    yield _worker_goal(results, "gateway", call, "bare", _BARE_BOUND)
    yield _worker_goal(results, "scoped-key", call, "nginx", _WORKER_BOUNDS["1kb"])
    yield _worker_goal(results, "scoped-key", call, "bare", _BARE_BOUND)
    yield _worker_goal(results, "fast-path-off", call, "nginx", _FAST_PATH_OFF_BOUND)
    yield _worker_goal(results, "fast-path-off", call, "plain", _PLAIN_BOUND)
    yield _worker_goal(results, "gateway", call, "nginx", _BUSY_BOUND, is_busy=True)
    ours, nginx = (results.select(proxy, call, LOAD_CONNECTIONS) for proxy in ("gateway", "nginx"))
    total = ratio(total_us, ours, nginx)
    yield Goal(f"CPU time of worker, Valkey and usage writer, {call}", total, _ALL_BOUND, _TIMES_NGINX)
    added = relative_overhead(results, "gateway", call)
    yield Goal(f"added median latency, {call}", added, _LATENCY_BOUND, _TIMES_NGINX)
    yield from _limited_key(results, call)


def _limited_key(results: Results, call: str) -> Iterator[Goal]:
    measures = (
        (f"CPU time of worker, Valkey and usage writer at {LOAD_CONNECTIONS} connections", total_us, LOAD_CONNECTIONS),
        ("CPU time of worker, Valkey and usage writer at one connection", total_us, 1),
        ("median latency at one connection", latency_us, 1),
    )
    for name, measure, connections in measures:
        limited, unlimited = (results.select(proxy, call, connections) for proxy in ("limited-key", "gateway"))
        multiple = ratio(measure, limited, unlimited)
        yield Goal(f"{name}, {call}, limited-key", multiple, _LIMITED_BOUND, _TIMES_UNLIMITED)


def _worker_goal(results: Results, proxy: str, call: str, base: str, bound: float, *, is_busy: bool = False) -> Goal:
    ours, others = (results.select(name, call, LOAD_CONNECTIONS, is_busy=is_busy) for name in (proxy, base))
    variant = "" if proxy == "gateway" else f", {proxy}"
    name = f"CPU time of the worker, {call}{variant}{', with the neighbour' if is_busy else ''}"
    return Goal(name, ratio(worker_us, ours, others), bound, f"times {base}")


def relative_overhead(
    results: Results,
    proxy: str,
    call: str,
    measure: Measure = latency_us,
    base: str = "nginx",
    *,
    is_busy: bool = False,
) -> float | None:
    """Return the latency that a proxy adds at one connection, as a multiple of what another proxy adds."""
    direct, ours, others = (results.select(name, call, 1, is_busy=is_busy) for name in ("direct", proxy, base))
    added, base_added = overhead(measure, ours, direct), overhead(measure, others, direct)
    return added / base_added if added is not None and base_added else None
