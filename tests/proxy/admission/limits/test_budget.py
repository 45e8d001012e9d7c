"""The header fields that a demand's state in a worker gives."""

from __future__ import annotations

from gateway.keys.limits import limits_of
from gateway.proxy.admission.limits.budget import Budget
from gateway.proxy.admission.limits.demand import request_demand
from tests.proxy.admission.limits.workers import NOON, key


def test_a_client_that_waits_until_the_limit_resets_never_comes_too_early() -> None:
    demand = request_demand(limits_of(key(rate_limit_per_minute=10)), 1, ())
    budget = Budget(demand)
    taken_at = NOON // 1000
    budget.observe(taken_at, iter([1, 60_500]), demand)
    # Redis replied late in that second, and its clock said how long it still is.
    lines = budget.header_lines(taken_at + 0.9)
    assert int(lines.rstrip().rpartition(b"t=")[2]) >= 60.5
