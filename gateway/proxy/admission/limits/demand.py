"""The limits that a request or a result needs and consumes.

Pure: does no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.keys.limits import DAY, MINUTE, Limit, period_end
from gateway.proxy.admission.limits.script import Bucket, Operation
from gateway.proxy.admission.limits.status import LimitStatus, limit_exceeded
from gateway.proxy.admission.rejections import Deny

_KEPT_SECONDS = {"minute": MINUTE + 4, "day": 2 * DAY, "month": 32 * DAY}
"""Seconds for which Redis keeps a window or counter after its last or first use."""
_LONGEST_FIRST = ("month", "day", "minute", None)
_SLOT_RETRY_SECONDS = 1
"""Seconds after which a request that found all slots in use may try again."""


class Cost(NamedTuple):
    """The part of one limit that a unit of a demand needs (`needed` must be left) and consumes (`amount`)."""

    limit: Limit
    needed: int
    amount: int


class Demand(NamedTuple):
    """The costs of one unit: a request, a call of a tool, or the records of a result."""

    costs: tuple[Cost, ...]

    @staticmethod
    def of(costs: Sequence[Cost]) -> Demand:
        """Return the demand with these costs, sorted so that the exceeded limit with the longest period is reported."""
        return Demand(tuple(sorted(costs, key=lambda cost: _LONGEST_FIRST.index(cost.limit.period))))

    def take(self, units: int, now: int, slots: str) -> Operation:
        """Return the operation that takes units; `slots` is the prefix of slots to take."""
        arguments: list[str | int] = [units]
        for cost in self.costs:
            limit = cost.limit
            extra = slots if limit.period is None else _KEPT_SECONDS[limit.period]
            arguments += (cost.limit.kind, limit.cap, cost.needed, cost.amount, extra)
        return Operation("take", [cost.limit.redis_key(now) for cost in self.costs], arguments)

    def give_back(self, units: int, now: int, bucket: Bucket) -> Operation:
        """Return the operation that gives back units that were taken at `now`, in a bucket."""
        consumed = [cost for cost in self.costs if cost.amount and cost.limit.kind != "slots"]
        arguments: list[str | int] = []
        for cost in consumed:
            arguments += (cost.limit.kind, cost.amount * units, bucket.number)
        return Operation("give_back", [cost.limit.redis_key(now) for cost in consumed], arguments)

    @property
    def leasable(self) -> Demand:
        """The demand without its slots, which calls hold and do not use up."""
        return Demand(tuple(cost for cost in self.costs if cost.limit.kind != "slots"))

    def deny(self, exceeded: int, wait_ms: int, used: int, now: int) -> Deny:
        """Return the rejection by a limit, numbered from 1; its window has enough left after `wait_ms`."""
        limit = self.costs[exceeded - 1].limit
        if limit.period is None:
            return limit_exceeded(limit, now, now + _SLOT_RETRY_SECONDS)
        resets_at = now - (-wait_ms // 1000) if limit.period == "minute" else period_end(limit.period, now)
        status = LimitStatus(limit, max(0, limit.cap - used), resets_at)
        return limit_exceeded(limit, now, resets_at, status.header_lines(now), left=status.left)


def request_demand(limits: Sequence[Limit], requests: int, tools: Sequence[str]) -> Demand:
    """Return the demand of a request body with this many JSON-RPC requests, among them calls of these tools."""
    costs = []
    for limit in limits:
        if limit.unit == "requests":
            amount = requests
        elif limit.unit == "records":
            if tools:
                costs.append(Cost(limit, needed=1, amount=0))
            continue
        else:
            amount = sum(limit.counts(tool) for tool in tools)
        if amount:
            costs.append(Cost(limit, amount, amount))
    return Demand.of(costs)


def record_demand(limits: Sequence[Limit], records: int) -> Demand:
    """Return the demand of a result. One record must be left of each limit, however many the result has."""
    return Demand.of([Cost(limit, 1, records) for limit in limits if limit.unit == "records"])
