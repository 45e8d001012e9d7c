"""Two proxies are compared within each round; the median of the rounds counts."""

from __future__ import annotations

from bench.results import latency_us, overhead, ratio, worker_us
from tests.bench.runs import run


def test_a_ratio_is_the_median_of_the_ratios_of_the_rounds() -> None:
    nginx = [run("nginx", worker=us) for us in (10, 30, 20)]
    gateway = [run("gateway", worker=us) for us in (30, 60, 20)]
    assert ratio(worker_us, gateway, nginx) == 2


def test_overhead_is_the_median_of_the_overheads_of_the_rounds() -> None:
    direct = [run("direct", latency=us) for us in (10, 50, 20)]
    gateway = [run("gateway", latency=us) for us in (40, 60, 40)]
    assert overhead(latency_us, gateway, direct) == 20


def test_without_runs_there_is_no_ratio() -> None:
    assert ratio(worker_us, [run("gateway")], []) is None
    assert overhead(latency_us, [], [run("direct")]) is None
