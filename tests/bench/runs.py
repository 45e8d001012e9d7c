"""Runs with made-up measurements."""

from __future__ import annotations

from bench.calls import LOAD_CONNECTIONS
from bench.measurements.runs import Load, Quantiles, Run


def run(
    proxy: str,
    *,
    worker: float = 10.0,
    system: float = 4.0,
    latency: float = 100.0,
    p99: float | None = None,
    connections: int = LOAD_CONNECTIONS,
    neighbour_share: float | None = None,
) -> Run:
    """A run with small results; times in microseconds."""
    times = Quantiles(p10=latency, median=latency, p99=p99 or latency, max=p99 or latency)
    load = Load(answered=1, failed=0, seconds=1, body_bytes=1000, latency_us=times, first_byte_us=times)
    return Run(
        proxy,
        "1kb-json",
        round=0,
        connections=connections,
        load=load,
        cpu_us={"worker": worker},
        system_us={"worker": system},
        load_average=1.0,
        neighbour_share=neighbour_share,
    )
