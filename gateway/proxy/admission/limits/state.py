"""The objects that the limiter of a worker shares with its checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from gateway.keys.limits import Limit
from gateway.proxy.admission.limits.budget import Budget, Leases
from gateway.proxy.admission.limits.checks import LimitChecks, RunOperations
from gateway.proxy.admission.limits.key_limits import KeyLimits
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.limits.script import Operation
from gateway.proxy.admission.limits.slots import Slot, Slots
from gateway.proxy.admission.limits.usage_counts import UsageCounts
from gateway.proxy.clock import Clock

GiveBack = Callable[[], Operation | None]


class Uses(NamedTuple):
    """The JSON-RPC requests of a body, and the tool calls among them."""

    requests: int
    calls: int


class LimitState:
    """Slots, leases and counts of a worker, and its connection to Redis."""

    def __init__(self, checks: LimitChecks, clock: Clock) -> None:
        self.checks = checks
        self.clock = clock
        self.slots = Slots()
        self.counts = UsageCounts()
        self.leases = Leases()
        self.admitted: dict[Budget, int] = defaultdict(int)
        """Units that were admitted since the last report to the metrics, by budget."""
        self.refused: dict[Limit, int] = defaultdict(int)
        """Units that were refused since that report, by the exceeded limit."""

    def now(self) -> int:
        """Return the seconds since the epoch."""
        return self.clock.now_ms() // 1000

    def permit(
        self,
        key: KeyLimits,
        budget: Budget,
        uses: Uses,
        slots: Sequence[Slot],
        give_back: GiveBack,
    ) -> Permit:
        """Count a request that a budget has admitted, and return its permit.

        `give_back` undoes what the request has consumed, and may return an operation to that end.
        """
        self.counts.add(key, requests=uses.requests, calls=uses.calls)
        self.admitted[budget] += 1
        return Permit(
            budget.header_lines(self.clock.now_ms() / 1000),
            slots,
            partial(self.release_slots, key) if slots else None,
            partial(self._cancel, key, budget, uses, give_back),
        )

    def _cancel(self, key: KeyLimits, budget: Budget, uses: Uses, give_back: GiveBack) -> None:
        self.counts.add(key, requests=-uses.requests, calls=-uses.calls)
        self.admitted[budget] -= 1
        operation = give_back()
        if operation is not None and operation.names:
            self.checks.submit(RunOperations(lambda: [operation]))

    def release_slots(self, key: KeyLimits, slots: Sequence[Slot]) -> None:
        """Release slots, or keep them for the next calls."""
        self.slots.release(slots, key.slot_caps)
        self.send_releases()

    def send_releases(self) -> None:
        """Release in Redis the slots that are not kept."""
        if self.slots.has_released:
            self.checks.submit(RunOperations(self.slots.pop_releases))
