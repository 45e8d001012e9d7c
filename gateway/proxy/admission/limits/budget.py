"""The state of a demand in one worker: the units that it has taken ahead, and what is left of the limits.

A busy worker takes units ahead, so that most of its requests need no reply from Redis:

- A lease is taken with a check, in the same round trip, once there were `_BUSY_USES` within a bucket. It grows with
  what these have consumed; all leases of a worker together take at most 1/`_SHARES` of a limit.
- It is valid until the end of its bucket, so that it is exact: a unit counts in the bucket in which it is used.
- What is left of it then is given back. A worker that is killed loses it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from gateway.keys.limits import Limit, period_end
from gateway.proxy.admission.limits.demand import Demand
from gateway.proxy.admission.limits.script import Bucket, Operation
from gateway.proxy.admission.limits.status import LimitStatus, header_template

_BUSY_USES = 8
"""Requests or results."""
_SHARES = 200
_MAX_LEASE = 1_000_000
_MIN_SHARE_LEFT = 0.1
"""The share of each limit that is not taken ahead, so that its last part is admitted exactly."""


class Lease(NamedTuple):
    """Units that were taken ahead."""

    units: int
    bucket: Bucket
    taken_at: int
    """Seconds since the epoch; counters are named after it."""
    valid_until: float
    """Monotonic time."""


class Budget:
    """The state of a demand."""

    __slots__ = (
        *("_bucket", "_consumed", "_granted", "_lease", "_left", "_status", "_template", "_uses"),
        *("demand", "is_leasing", "leasable"),
    )

    def __init__(self, demand: Demand, leasable: Demand | None = None) -> None:
        """`leasable` is what a unit of a lease consumes; by default, what a unit of the demand does."""
        self.demand = demand
        self.leasable = demand.leasable if leasable is None else leasable
        self._lease: Lease | None = None
        self._granted = self._left = 0
        """Units of the lease, and how many of them are left."""
        self._bucket = -1
        self._uses = self._consumed = 0
        """Requests or results in that bucket, and the units that they have consumed."""
        self._status: LimitStatus | None = None
        """The limit with the smallest share left, at the last check."""
        self._template = b""
        self.is_leasing = False
        """True while a check takes a lease."""

    def take_leased(self, units: int, monotonic: float) -> bool:
        """Consume units of the lease, if it has them. A demand without anything to lease needs no lease."""
        if self._left < units or self._lease is None or monotonic >= self._lease.valid_until:
            return not self.leasable.costs
        self._left -= units
        self._consumed += units
        self._uses += 1
        return True

    def wanted(self, units: int) -> int:
        """Return the units to take ahead with a check of these units, if all limits have enough of them."""
        has_enough_left = self._status is not None and self._status.share >= _MIN_SHARE_LEFT
        if self._left or self._uses < _BUSY_USES or not has_enough_left:
            return 0
        return min(_MAX_LEASE, self._consumed + units)

    def grant(self, lease: Lease) -> None:
        """Take a lease. The last one has no units left."""
        self._lease = lease
        self._granted = self._left = lease.units

    @property
    def lease(self) -> Lease | None:
        """The current lease, which may have ended."""
        return self._lease

    def consumed(self, bucket: Bucket, units: int, uses: int) -> None:
        """Count units that a check has consumed, for so many requests or results."""
        if bucket.number != self._bucket:
            self._bucket, self._uses, self._consumed = bucket.number, 0, 0
        self._uses += uses
        self._consumed += units

    def end_lease(self) -> Operation | None:
        """End the lease; return the operation that gives back what is left of it."""
        lease, units = self._lease, self._left
        self._lease, self._left = None, 0
        return self.leasable.give_back(units, lease.taken_at, lease.bucket) if lease is not None and units else None

    def header_lines(self, now: float) -> bytes:
        """Return the header lines that say what is left of the limit with the smallest share left."""
        status = self._status
        if status is None:
            return b""
        left = status.left
        if status.limit.unit != "records":
            left -= self._granted - self._left
        return self._template % (max(0, left), max(0, math.ceil(status.resets_at - now)))

    def observe(self, now: int, used: Iterator[int], demand: Demand) -> None:
        """Note the state of the limits from the reply to a `take` of a demand: used and milliseconds, for each."""
        found = []
        for cost in demand.costs:
            limit, amount, reset_ms = cost.limit, next(used), next(used)
            if limit.period is not None:
                resets_at = now - (-reset_ms // 1000) if limit.period == "minute" else period_end(limit.period, now)
                found.append(LimitStatus(limit, max(0, limit.cap - amount), resets_at))
        self._granted = self._left
        self._status = min(found, key=lambda status: status.share, default=None)
        if self._status is not None:
            self._template = header_template(self._status.limit, now)


class Leases:
    """The leases of a worker."""

    def __init__(self) -> None:
        self._budgets: set[Budget] = set()
        self._taken: dict[Limit, int] = defaultdict(int)
        """How much of each limit the leases have taken."""

    def wanted(self, budget: Budget, units: int) -> int:
        """Return the units that a budget may take ahead with a check of these units."""
        wanted = 0 if budget.is_leasing else budget.wanted(units)
        if wanted and budget.lease is not None:
            # It is used up.
            self._end(budget)
        for cost in budget.leasable.costs:
            share = cost.limit.cap // _SHARES - self._taken.get(cost.limit, 0)
            wanted = min(wanted, share // max(cost.amount, 1))
        return wanted if wanted > 1 and budget.leasable.costs else 0

    def grant(self, budget: Budget, lease: Lease) -> None:
        """Give a budget a lease."""
        budget.grant(lease)
        self._budgets.add(budget)
        self._count(budget, lease.units)

    def end(self, monotonic: float | None = None) -> list[Operation]:
        """End the leases that are no longer valid, or all; return the operations that give back their rest."""
        ended = [
            budget
            for budget in self._budgets
            if monotonic is None or (budget.lease is not None and monotonic >= budget.lease.valid_until)
        ]
        return [operation for budget in ended if (operation := self._end(budget)) is not None]

    def _end(self, budget: Budget) -> Operation | None:
        self._budgets.discard(budget)
        if budget.lease is not None:
            self._count(budget, -budget.lease.units)
        return budget.end_lease()

    def _count(self, budget: Budget, units: int) -> None:
        for cost in budget.leasable.costs:
            if cost.amount:
                self._taken[cost.limit] += units * cost.amount
                if not self._taken[cost.limit]:
                    del self._taken[cost.limit]
