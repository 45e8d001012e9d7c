"""Two proxies are compared within each round; the median of the rounds counts."""

from __future__ import annotations

from bench.calls import LOAD_CONNECTIONS
from bench.results import Results, latency_us, overhead, ratio, system_us, user_us, worker_us
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


def test_runs_with_the_neighbour_are_selected_apart() -> None:
    alone, busy = run("nginx"), run("nginx", neighbour_share=0.2)
    results = Results("a machine", [alone, busy])
    assert results.select("nginx", "1kb-json", LOAD_CONNECTIONS) == [alone]
    assert results.select("nginx", "1kb-json", LOAD_CONNECTIONS, is_busy=True) == [busy]


def test_user_and_system_time_add_up_to_the_time_of_the_worker() -> None:
    one = run("nginx", worker=10.0, system=4.0)
    assert (user_us(one), system_us(one)) == (6.0, 4.0)
