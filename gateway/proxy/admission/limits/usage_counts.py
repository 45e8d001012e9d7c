"""Uses of keys and owners that are not in Redis yet: a worker adds them to the counters every second.

- A use that a limit covers is counted when it is consumed, not here. Requests that were admitted while Redis was
  unavailable are the exception.
- The uses of up to a second are lost if a worker is killed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from gateway.keys.limits import UNLIMITED, Limit
from gateway.proxy.admission.limits.demand import Cost, Demand
from gateway.proxy.admission.limits.key_limits import KeyLimits
from gateway.proxy.admission.limits.script import Bucket, Operation

_CHUNK = 200
"""Maximum number of counters in one operation."""


class UsageCounts:
    """The uses that a worker has yet to add."""

    def __init__(self) -> None:
        self._keys: list[KeyLimits] = []
        self._amounts: dict[Limit, int] = defaultdict(int)

    def add(self, key: KeyLimits, *, requests: int = 0, calls: int = 0, records: int = 0) -> None:
        """Count uses of a key for the counters that no limit covers."""
        key.requests += requests
        key.calls += calls
        key.records += records
        if not key.is_noted:
            key.is_noted = True
            self._keys.append(key)

    def add_unchecked(self, demand: Demand) -> None:
        """Count a unit of a demand that was admitted without a check."""
        for cost in demand.costs:
            if cost.amount and cost.limit.period is not None:
                self._amounts[cost.limit] += cost.amount

    def pop(self) -> Mapping[Limit, int]:
        """Return all uses by limit, once."""
        for key in self._keys:
            used = {"requests": key.requests, "calls": key.calls, "records": key.records}
            key.requests = key.calls = key.records = 0
            key.is_noted = False
            for counter in key.uncovered:
                if used[counter.unit]:
                    self._amounts[counter] += used[counter.unit]
        self._keys.clear()
        amounts = {limit: amount for limit, amount in self._amounts.items() if amount > 0}
        # What was cancelled after it was added is subtracted from the next uses.
        self._amounts = defaultdict(int, {limit: amount for limit, amount in self._amounts.items() if amount < 0})
        return amounts

    def put_back(self, amounts: Mapping[Limit, int]) -> None:
        """Keep uses that could not be added, for the next time."""
        for limit, amount in amounts.items():
            self._amounts[limit] += amount


class AddCounts:
    """Adds uses to the counters; see `checks.Check`."""

    def __init__(self, counts: UsageCounts, now: int) -> None:
        self._counts = counts
        self._now = now
        self._amounts: Mapping[Limit, int] = {}
        self._operations: list[Operation] = []

    def operations(self) -> list[Operation]:
        self._amounts = self._counts.pop()
        # Uses are counted even beyond a limit.
        costs = [Cost(limit._replace(cap=UNLIMITED), amount, amount) for limit, amount in self._amounts.items()]
        chunks = [Demand(tuple(costs[start : start + _CHUNK])) for start in range(0, len(costs), _CHUNK)]
        self._operations = [chunk.take(1, self._now, "") for chunk in chunks]
        return self._operations

    def complete(self, bucket: Bucket, sent_at: float, replies: Iterator[Any]) -> None:
        for _ in self._operations:
            next(replies)

    def fail(self) -> None:
        self._counts.put_back(self._amounts)
