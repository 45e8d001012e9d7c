"""The limits of one key in one worker, their budgets, and the counts that no limit covers."""

from __future__ import annotations

from gateway.keys.limits import Limit, limits_of, uncovered_counters
from gateway.keys.record import KeyRecord
from gateway.proxy.admission.limits.budget import Budget
from gateway.proxy.admission.limits.demand import record_demand, request_demand

MAX_BUDGETS = 256
"""Maximum number of budgets of a key: one for each combination of entries of `tool_rate_limits` that tools match."""


class KeyLimits:
    """The state of a key."""

    __slots__ = (
        *("_budgets", "_tool_limits", "calls", "has_slots", "is_noted", "limits", "record", "record_budget", "records"),
        *("requests", "uncovered"),
    )

    def __init__(self, record: KeyRecord) -> None:
        self.record = record
        self.limits = limits_of(record)
        self.uncovered: tuple[Limit, ...] = uncovered_counters(record, self.limits)
        """Counters that no limit covers."""
        self.requests = self.calls = self.records = 0
        """Uses since they were last added to the uncovered counters."""
        self.is_noted = False
        """True if `UsageCounts` has this key in its list of keys with uses to add."""
        self.record_budget = Budget(record_demand(self.limits, 1))
        """The budget of single records."""
        self.has_slots = any(limit.period is None for limit in self.limits)
        self._tool_limits = tuple(limit for limit in self.limits if limit.glob is not None)
        self._budgets: dict[tuple[Limit, ...] | None, Budget] = {}

    def applies_to(self, record: KeyRecord) -> bool:
        """Return True if the record is unchanged, even if it was read again."""
        if self.record is record:
            return True
        if self.record != record:
            return False
        self.record = record
        return True

    def call_budget(self, tool: str) -> Budget:
        """Return the budget of single calls of a tool, shared by all tools with the same limits."""
        matching = tuple(limit for limit in self._tool_limits if limit.counts(tool)) if self._tool_limits else ()
        return self._budgets.get(matching) or self._add(matching, [tool])

    @property
    def request_budget(self) -> Budget:
        """The budget of single requests other than calls."""
        return self._budgets.get(None) or self._add(None, [])

    def _add(self, matching: tuple[Limit, ...] | None, tools: list[str]) -> Budget:
        if len(self._budgets) >= MAX_BUDGETS:
            # Nothing is lost: `Leases` gives back the leases of these budgets when their buckets end.
            self._budgets.clear()
        budget = self._budgets[matching] = Budget(request_demand(self.limits, 1, tools))
        return budget

    @property
    def slot_caps(self) -> dict[str, int]:
        """The values of `max_concurrent`, of the key and of the policy, by the Redis key of their slots."""
        return {limit.redis_key(0): limit.cap for limit in self.limits if limit.period is None}
