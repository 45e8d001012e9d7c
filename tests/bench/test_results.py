from __future__ import annotations

from bench.results import added, latency_us, ratio, worker_us
from tests.bench.runs import run


def test_a_ratio_is_the_median_of_the_rounds_ratios() -> None:
    nginx = [run("nginx", worker=us) for us in (10, 30, 20)]
    gateway = [run("gateway", worker=us) for us in (30, 60, 20)]
    assert ratio(worker_us, gateway, nginx) == 2


def test_what_is_added_is_the_median_of_what_each_round_adds() -> None:
    direct = [run("direct", latency=us) for us in (10, 50, 20)]
    gateway = [run("gateway", latency=us) for us in (40, 60, 40)]
    assert added(latency_us, gateway, direct) == 20


def test_what_was_not_measured_has_no_ratio() -> None:
    assert ratio(worker_us, [run("gateway")], []) is None
    assert added(latency_us, [], [run("direct")]) is None
