"""What the gateway is to reach."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bench.calls import MANY, PROGRESS
from bench.results import Measure, Results, added, first_byte_us, latency_us, ratio, whole_us, worker_us

_WORKER_BOUNDS = {"1kb": 3.5, "100kb": 5.0, "2mb": 4.0}
"""Times nginx's."""
_ALL_BOUND = 5.0
_LATENCY_BOUND = 2.5
_FIRST_EVENT_MS = 0.5
_IDLE_STREAM_KIB = 25.0
_TURN_MS = 3.0
_METERING_US = 3.0
_TO_NGINX = "times nginx's"


class Goal(NamedTuple):
    """A bound, and where the gateway is."""

    what: str
    measured: float | None
    """`None` where it was not."""
    bound: float
    unit: str

    @property
    def is_met(self) -> bool:
        return self.measured is not None and self.measured <= self.bound


def measured_goals(results: Results) -> list[Goal]:
    """The goals that can be judged by these results."""
    return [goal for goal in _goals(results) if goal.measured is not None]


def _goals(results: Results) -> Iterator[Goal]:
    for kind in ("json", "sse"):
        for size, bound in _WORKER_BOUNDS.items():
            ours, nginx = (results.of(proxy, f"{size}-{kind}", MANY) for proxy in ("gateway", "nginx"))
            yield Goal(f"CPU of the worker, {size}-{kind}", ratio(worker_us, ours, nginx), bound, _TO_NGINX)
        ours, nginx = (results.of(proxy, f"1kb-{kind}", MANY) for proxy in ("gateway", "nginx"))
        all_of_it = ratio(whole_us, ours, nginx)
        yield Goal(f"CPU of worker, Valkey and writer, 1kb-{kind}", all_of_it, _ALL_BOUND, _TO_NGINX)
        yield Goal(
            f"added median latency, 1kb-{kind}",
            added_to_nginx(results, "gateway", f"1kb-{kind}"),
            _LATENCY_BOUND,
            _TO_NGINX,
        )
    ours, direct = (results.of(proxy, PROGRESS.name, 1) for proxy in ("gateway", "direct"))
    later_us = added(first_byte_us, ours, direct)
    later_ms = None if later_us is None else later_us / 1000
    yield Goal("first event of a stream, later than direct", later_ms, _FIRST_EVENT_MS, "ms")
    for streams in results.streams:
        if streams.proxy == "gateway":
            yield Goal("memory of an idle stream", streams.kib_each, _IDLE_STREAM_KIB, "KiB")
    yield Goal("metering of a declared result of 1 KB", results.metering_us, _METERING_US, "µs")
    for turns in results.turns:
        if turns.call.startswith("2mb"):
            yield Goal(f"longest turn of the loop, {turns.call}", turns.longest_ms, _TURN_MS, "ms")


def added_to_nginx(results: Results, proxy: str, call: str, measure: Measure = latency_us) -> float | None:
    """What a proxy adds to the latency at one connection, as times of what nginx adds."""
    direct = results.of("direct", call, 1)
    ours, nginx = (added(measure, results.of(name, call, 1), direct) for name in (proxy, "nginx"))
    return ours / nginx if ours is not None and nginx else None
