"""The state of a demand in one worker: the units that it has taken ahead, and what is left of the limits.

A busy worker takes units ahead, so that most of its requests need no reply from Redis:

- A lease is taken with a check, in the same round trip, once there were `_BUSY_USES` within a bucket. It grows with
  what these have consumed, up to 1/`_SHARES` of the smallest limit.
- It is valid until the end of its bucket, so that it is exact: a unit counts in the bucket in which it is used.
- What is left of it then is given back. A worker that is killed loses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.keys.limits import period_end
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

    bucket: Bucket
    taken_at: int
    """Seconds since the epoch; counters are named after it."""
    valid_until: float
    """Monotonic time."""


class Budget:
    """The state of a demand."""

    __slots__ = (
        *("_bucket", "_consumed", "_granted", "_lease", "_left", "_share", "_status", "_template", "_uses"),
        *("demand", "is_leasing", "leasable"),
    )

    def __init__(self, demand: Demand, leasable: Demand | None = None) -> None:
        """`leasable` is what a unit of a lease consumes; by default, what a unit of the demand does."""
        self.demand = demand
        self.leasable = demand.leasable if leasable is None else leasable
        caps = [cost.limit.cap // max(cost.amount, 1) for cost in self.leasable.costs]
        self._share = min(min(caps, default=0) // _SHARES, _MAX_LEASE)
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
        """Return the units to take ahead with a check of these units."""
        if (
            self._left
            or self._uses < _BUSY_USES
            or self._share < 2
            or self._status is None
            or self._status.share < _MIN_SHARE_LEFT
        ):
            return 0
        return min(self._share, self._consumed + units)

    def grant(self, bucket: Bucket, units: int, taken_at: int, valid_until: float) -> None:
        """Take a lease. The last one has no units left."""
        self._lease = Lease(bucket, taken_at, valid_until)
        self._granted = self._left = units

    def consumed(self, bucket: Bucket, units: int, uses: int) -> None:
        """Count units that a check has consumed, for so many requests or results."""
        if bucket.number != self._bucket:
            self._bucket, self._uses, self._consumed = bucket.number, 0, 0
        self._uses += uses
        self._consumed += units

    def end_lease(self, monotonic: float | None = None) -> Operation | None:
        """End a lease, by default even if it is valid at that time; return the operation that gives its rest back."""
        lease = self._lease
        if lease is None or (monotonic is not None and monotonic < lease.valid_until):
            return None
        units, self._left, self._lease = self._left, 0, None
        return self.leasable.give_back(units, lease.taken_at, lease.bucket) if units else None

    def header_lines(self, now: float) -> bytes:
        """Return the header lines that say what is left of the limit with the smallest share left."""
        status = self._status
        if status is None:
            return b""
        left = status.left
        if status.limit.unit != "records":
            left -= self._granted - self._left
        return self._template % (max(0, left), max(0, -int(now - status.resets_at)))

    @property
    def has_lease(self) -> bool:
        """True until the lease has ended."""
        return self._lease is not None

    def observe(self, now: int, used: Iterator[int], demand: Demand) -> None:
        """Note the state of the limits from the reply to a `take` of a demand: used and milliseconds, for each."""
        found = []
        for cost in demand.costs:
            limit, amount, reset_ms = cost.limit, next(used), next(used)
            if limit.period is not None:
                resets_at = now + reset_ms / 1000 if limit.period == "minute" else period_end(limit.period, now)
                found.append(LimitStatus(limit, max(0, limit.cap - amount), resets_at))
        self._granted = self._left
        self._status = min(found, key=lambda status: status.share, default=None)
        if self._status is not None:
            self._template = header_template(self._status.limit, now)
