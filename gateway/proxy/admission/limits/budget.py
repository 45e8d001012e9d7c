"""The state of a demand in one worker: its lease, and what is left of its limits.

A lease is units that a worker takes in advance, so that most requests of a busy key need no reply from Redis:

- It is taken together with a check, once `_BUSY_USES` requests were admitted within a bucket. It has as many units as
  were consumed in that bucket; all leases of a worker together take at most 1/`_SHARES` of a limit.
- It ends with its bucket, so a unit counts in the bucket in which it is used, and windows stay exact.
- Its unused units are then given back. If the worker is killed, they count as used.
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
"""Requests or results within a bucket from which a key counts as busy."""
_SHARES = 200
_MAX_LEASE = 1_000_000
_MIN_SHARE_LEFT = 0.1
"""The share of each limit that is not leased, so that no worker is refused what another holds unused."""


class Lease(NamedTuple):
    """Units that were taken in advance."""

    units: int
    bucket: Bucket
    taken_at: int
    """Seconds since the epoch: the day and month of the counters from which it was taken."""
    valid_until: float
    """Monotonic time."""


class Budget:
    """The state of a demand."""

    __slots__ = (
        *("_bucket", "_consumed", "_granted", "_lease", "_left", "_status", "_template", "_uses"),
        *("demand", "is_leasing", "leasable"),
    )

    def __init__(self, demand: Demand, leasable: Demand | None = None) -> None:
        """`leasable` are the costs of a leased unit; by default, those of the demand without slots."""
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
        """Consume units of the lease; return False if it has too few. Without leasable costs, none is needed."""
        if self._left < units or self._lease is None or monotonic >= self._lease.valid_until:
            return not self.leasable.costs
        self._left -= units
        self._consumed += units
        self._uses += 1
        return True

    def put_back(self, lease: Lease | None) -> Operation | None:
        """Undo the consumption of a leased unit; return the operation that gives it back if the lease has ended."""
        if lease is None:
            return None
        if lease is self._lease:
            self._left += 1
            return None
        return self.leasable.give_back(1, lease.taken_at, lease.bucket)

    def wanted(self, units: int) -> int:
        """Return the units to lease with a check of these units, as far as all limits have them."""
        has_enough_left = self._status is not None and self._status.share >= _MIN_SHARE_LEFT
        if self._left or self._uses < _BUSY_USES or not has_enough_left:
            return 0
        return min(_MAX_LEASE, self._consumed + units)

    def grant(self, lease: Lease) -> None:
        """Begin a lease. The previous one must have no units left."""
        self._lease = lease
        self._granted = self._left = lease.units

    @property
    def lease(self) -> Lease | None:
        """The current lease, which may have ended."""
        return self._lease

    def consumed(self, bucket: Bucket, units: int, uses: int) -> None:
        """Count the units that a check has consumed for `uses` requests or results."""
        if bucket.number != self._bucket:
            self._bucket, self._uses, self._consumed = bucket.number, 0, 0
        self._uses += uses
        self._consumed += units

    def end_lease(self) -> Operation | None:
        """End the lease; return the operation that gives back its unused units, or `None`."""
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
        """Note the state of the limits; `used` has two numbers for each cost, as replied by `take` (`script`)."""
        statuses = []
        for cost in demand.costs:
            limit, amount, reset_ms = cost.limit, next(used), next(used)
            if limit.period is not None:
                resets_at = now - (-reset_ms // 1000) if limit.period == "minute" else period_end(limit.period, now)
                statuses.append(LimitStatus(limit, max(0, limit.cap - amount), resets_at))
        self._granted = self._left
        self._status = min(statuses, key=lambda status: status.share, default=None)
        if self._status is not None:
            self._template = header_template(self._status.limit, now)


class Leases:
    """The leases of a worker."""

    def __init__(self) -> None:
        self._budgets: set[Budget] = set()
        self._taken: dict[Limit, int] = defaultdict(int)
        """The amount of each limit that the leases have taken."""

    def wanted(self, budget: Budget, units: int) -> int:
        """Return the units that a budget may lease with a check of these units; ends a lease that is used up."""
        wanted = 0 if budget.is_leasing else budget.wanted(units)
        if wanted and budget.lease is not None:
            # It has no units left, so there is nothing to give back.
            self._end(budget)
        for cost in budget.leasable.costs:
            share = cost.limit.cap // _SHARES - self._taken.get(cost.limit, 0)
            wanted = min(wanted, share // max(cost.amount, 1))
        return wanted if wanted > 1 and budget.leasable.costs else 0

    def grant(self, budget: Budget, lease: Lease) -> None:
        """Begin the lease of a budget."""
        budget.grant(lease)
        self._budgets.add(budget)
        self._count(budget, lease.units)

    def end(self, monotonic: float | None = None) -> list[Operation]:
        """End the leases that have expired by then, or all; return the operations that give back their unused units."""
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
