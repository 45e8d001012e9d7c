"""Goals are compared with measured values, and with other proxies of the same run."""

from __future__ import annotations

import pytest

from bench.goals import Goal, measured_goals, relative_overhead
from bench.measurements.runs import Run
from bench.results import Results
from tests.bench.runs import run

WORKER = "CPU time of the worker, 1kb-json"


def goals(*runs: Run) -> dict[tuple[str, str], Goal]:
    """Return the measured goals by name and unit."""
    return {(goal.name, goal.unit): goal for goal in measured_goals(Results("a machine", list(runs)))}


@pytest.mark.parametrize(("worker", "is_met"), [(32.0, True), (32.1, False)])
def test_a_goal_is_met_up_to_its_bound(worker: float, is_met: bool) -> None:
    found = goals(run("nginx", worker=10.0), run("gateway", worker=worker))
    assert found[WORKER, "times nginx"].is_met is is_met


def test_the_usual_call_is_compared_with_both_yardsticks() -> None:
    found = goals(run("nginx", worker=10.0), run("bare", worker=20.0), run("gateway", worker=40.0))
    assert found[WORKER, "times nginx"].measured == 4
    assert found[WORKER, "times bare"].measured == 2


def test_a_scoped_key_has_the_goals_of_an_unrestricted_one() -> None:
    yardsticks = (run("nginx", worker=10.0), run("bare", worker=20.0))
    found = goals(*yardsticks, run("scoped-key", worker=30.0))
    unrestricted = goals(*yardsticks, run("gateway", worker=30.0))
    for unit in ("times nginx", "times bare"):
        assert found[f"{WORKER}, scoped-key", unit][1:] == unrestricted[WORKER, unit][1:]


@pytest.mark.parametrize(("limited", "is_met"), [(130.0, True), (131.0, False)])
def test_a_limited_key_costs_at_most_1_3_times_an_unlimited_one(limited: float, is_met: bool) -> None:
    found = goals(
        *(run("gateway", worker=100.0, latency=100.0, connections=count) for count in (64, 1)),
        *(run("limited-key", worker=limited, latency=limited, connections=count) for count in (64, 1)),
    )
    assert [goal.is_met for (_, unit), goal in found.items() if unit == "times an unlimited key"] == [is_met] * 3


@pytest.mark.parametrize(("worker", "is_met"), [(70.0, True), (71.0, False)])
def test_the_general_path_costs_at_most_as_much_as_a_plain_proxy(worker: float, is_met: bool) -> None:
    found = goals(run("nginx", worker=10.0), run("plain", worker=70.0), run("fast-path-off", worker=worker))
    assert found[f"{WORKER}, fast-path-off", "times plain"].is_met is is_met
    assert found[f"{WORKER}, fast-path-off", "times nginx"].is_met


def test_with_the_neighbour_both_proxies_have_it() -> None:
    alone = (run("nginx", worker=10.0), run("gateway", worker=30.0))
    busy = (run("nginx", worker=20.0, neighbour_share=0.2), run("gateway", worker=90.0, neighbour_share=0.2))
    found = goals(*alone, *busy)
    assert found[WORKER, "times nginx"].measured == 3
    assert found[f"{WORKER}, with the neighbour", "times nginx"].measured == 4.5


def test_a_goal_without_a_measured_value_is_omitted() -> None:
    assert goals(run("gateway")) == {}


@pytest.mark.parametrize(("base", "multiple"), [("nginx", 2), ("bare", 4)])
def test_added_latency_is_a_multiple_of_the_latency_that_a_yardstick_adds(base: str, multiple: float) -> None:
    latencies = {"direct": 20, "nginx": 120, "bare": 70, "gateway": 220}
    runs = [run(proxy, latency=us, connections=1) for proxy, us in latencies.items()]
    assert relative_overhead(Results("a machine", runs), "gateway", "1kb-json", base=base) == multiple
