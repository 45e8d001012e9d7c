from __future__ import annotations

import pytest

from bench.goals import added_to_nginx, measured_goals
from bench.results import Results
from tests.bench.runs import run


@pytest.mark.parametrize(("worker", "is_met"), [(35.0, True), (35.1, False)])
def test_a_goal_is_met_up_to_its_bound(worker: float, is_met: bool) -> None:
    results = Results("a machine", [run("nginx", worker=10.0), run("gateway", worker=worker)])
    goal = next(goal for goal in measured_goals(results) if goal.what == "CPU of the worker, 1kb-json")
    assert goal.is_met is is_met


def test_what_was_not_measured_is_not_judged() -> None:
    assert measured_goals(Results("a machine", [run("gateway")])) == []


def test_added_latency_is_compared_with_what_nginx_adds() -> None:
    runs = [run(proxy, latency=us, connections=1) for proxy, us in (("direct", 20), ("nginx", 120), ("gateway", 220))]
    assert added_to_nginx(Results("a machine", runs), "gateway", "1kb-json") == 2
