"""Runs with made-up measurements."""

from __future__ import annotations

from bench.calls import LOAD_CONNECTIONS
from bench.measurements.runs import Load, Quantiles, Run


def run(proxy: str, *, worker: float = 10.0, latency: float = 100.0, connections: int = LOAD_CONNECTIONS) -> Run:
    """A run with small results; times in microseconds."""
    times = Quantiles(p10=latency, median=latency, p99=latency, max=latency)
    load = Load(answered=1, failed=0, seconds=1, body_bytes=1000, latency_us=times, first_byte_us=times)
    return Run(proxy, "1kb-json", 0, connections, load, {"worker": worker}, load_average=1.0)
