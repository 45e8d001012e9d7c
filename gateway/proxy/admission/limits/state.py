"""The objects that the limiter of a worker shares with its checks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from gateway.keys.limits import Limit
from gateway.proxy.admission.limits.budget import Budget, Leases
from gateway.proxy.admission.limits.checks import LimitChecks, RunOperations
from gateway.proxy.admission.limits.key_limits import KeyLimits
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.limits.slots import Slot, Slots
from gateway.proxy.admission.limits.usage_counts import UsageCounts
from gateway.proxy.clock import Clock


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
        self, key: KeyLimits, budget: Budget, slots: Sequence[Slot], give_back: Callable[[], None] | None = None
    ) -> Permit:
        """Return the permit of a request that was admitted by a budget."""
        self.admitted[budget] += 1
        header_lines = budget.header_lines(self.clock.now_ms() / 1000)
        return Permit(header_lines, slots, partial(self.release_slots, key) if slots else None, give_back)

    def release_slots(self, key: KeyLimits, slots: Sequence[Slot]) -> None:
        """Release slots, or keep them for the next calls."""
        self.slots.release(slots, key.slot_caps)
        self.send_releases()

    def send_releases(self) -> None:
        """Release in Redis the slots that are not kept."""
        if self.slots.has_released:
            self.checks.submit(RunOperations(self.slots.pop_releases))
