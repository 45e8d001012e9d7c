"""Goals are compared with measured values, and with nginx."""

from __future__ import annotations

import pytest

from bench.goals import measured_goals, relative_overhead
from bench.results import Results
from tests.bench.runs import run


@pytest.mark.parametrize(("worker", "is_met"), [(35.0, True), (35.1, False)])
def test_a_goal_is_met_up_to_its_bound(worker: float, is_met: bool) -> None:
    results = Results("a machine", [run("nginx", worker=10.0), run("gateway", worker=worker)])
    goal = next(goal for goal in measured_goals(results) if goal.name == "CPU time of the worker, 1kb-json")
    assert goal.is_met is is_met


def test_a_goal_without_a_measured_value_is_omitted() -> None:
    assert measured_goals(Results("a machine", [run("gateway")])) == []


def test_added_latency_is_a_multiple_of_the_latency_that_nginx_adds() -> None:
    runs = [run(proxy, latency=us, connections=1) for proxy, us in (("direct", 20), ("nginx", 120), ("gateway", 220))]
    assert relative_overhead(Results("a machine", runs), "gateway", "1kb-json") == 2
