"""The check that takes units of a demand, one for each waiting request."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from gateway.proxy.admission.limits.budget import Budget, Lease
from gateway.proxy.admission.limits.demand import Demand
from gateway.proxy.admission.limits.key_limits import KeyLimits
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.limits.script import Bucket, Operation
from gateway.proxy.admission.limits.state import LimitState, Uses
from gateway.proxy.admission.rejections import REDIS_UNAVAILABLE, Deny

OnChecked = Callable[[Permit | Deny], None]
"""Called with the outcome of a check, in a later turn of the event loop."""

log = logging.getLogger(__name__)


_NO_USES = Uses(0, 0)


class _Waiter(NamedTuple):
    on_checked: OnChecked
    uses: Uses


class TakeUnits:
    """Takes units of a demand, and a lease if the key is busy. See `checks.Check`."""

    def __init__(
        self,
        state: LimitState,
        key: KeyLimits,
        budget: Budget,
        demand: Demand,
        *,
        allows_unchecked: bool,
        lease_units: int = 1,
    ) -> None:
        """`lease_units`: the units of a lease that one unit of the demand equals, such as the records of a result."""
        self._state = state
        self._key = key
        self._budget = budget
        self._demand = demand
        self._allows_unchecked = allows_unchecked
        self._lease_units = lease_units
        self._waiters: list[_Waiter] = []
        self._prefix = ""
        self._leased = 0
        self._taken_at = 0
        self.is_sent = False
        """True once no further unit can join."""

    def add(self, on_checked: OnChecked, uses: Uses = _NO_USES) -> None:
        """Take one more unit, for a body with these uses; without any for a result."""
        self._waiters.append(_Waiter(on_checked, uses))

    def operations(self) -> list[Operation]:
        state, budget, units = self._state, self._budget, len(self._waiters)
        self.is_sent = True
        self._taken_at = state.now()
        self._prefix = state.slots.new_prefix()
        operations = [self._demand.take(units, self._taken_at, self._prefix)]
        # Only one of the checks in a command takes a lease.
        self._leased = state.leases.wanted(budget, units * self._lease_units)
        if self._leased:
            budget.is_leasing = True
            operations.append(budget.leasable.take(self._leased, self._taken_at, ""))
        return operations

    def complete(self, bucket: Bucket, sent_at: float, replies: Iterator[Any]) -> None:
        state, budget, demand = self._state, self._budget, self._demand
        admitted, exceeded, wait_ms, *used = next(replies)
        budget.consumed(bucket, admitted * self._lease_units, admitted)
        budget.observe(self._taken_at, iter(used), demand)
        if self._leased:
            budget.is_leasing = False
            if granted := next(replies)[0]:
                state.leases.grant(budget, Lease(granted, bucket, self._taken_at, sent_at + bucket.seconds_left))
        for unit, waiter in enumerate(self._waiters):
            if unit >= admitted:
                state.refused[demand.costs[exceeded - 1].limit] += 1
                self._tell(waiter, demand.deny(exceeded, wait_ms, used[2 * (exceeded - 1)], self._taken_at))
                continue
            slots = state.slots.hold(demand.costs, self._prefix, unit)
            give_back = partial(demand.give_back, 1, self._taken_at, bucket)
            self._tell(waiter, state.permit(self._key, budget, waiter.uses, slots, give_back))

    def fail(self) -> None:
        self.is_sent = True
        if self._leased:
            self._budget.is_leasing = False
        for waiter in self._waiters:
            if self._allows_unchecked:
                self._state.counts.add_unchecked(self._demand)
                self._state.counts.add(self._key, requests=waiter.uses.requests, calls=waiter.uses.calls)
                self._tell(waiter, Permit())
            else:
                self._tell(waiter, REDIS_UNAVAILABLE)

    def _tell(self, waiter: _Waiter, outcome: Permit | Deny) -> None:
        try:
            waiter.on_checked(outcome)
        except Exception:
            log.exception("a checked request failed")
