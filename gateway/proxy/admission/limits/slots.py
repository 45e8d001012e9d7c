"""The slots of `max_concurrent` that a worker holds: one for each call in flight, and a few free ones.

- A worker renews its slots every few seconds. Those of a dead worker are free after `script.SLOT_SECONDS`.
- A worker keeps some released slots for its next calls, at most 1/50 of the limit, for up to a second.
- A call of the HTTP+SSE transport ends when its result arrives on another stream, perhaps in another worker. So its
  slots are lent to the pending call: any worker may release them, and they are renewed only while it is pending.

Does no I/O: the operations that it returns are sent by `limiter`.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Mapping, Sequence

from gateway.proxy.admission.limits.demand import Cost
from gateway.proxy.admission.limits.script import Operation

_KEPT_SHARE = 50
"""The limit divided by this is the number of free slots that a worker keeps."""

Slot = tuple[str, str]
"""The Redis key of a sorted set, and a member of it."""


class Slots:
    """The slots that a worker holds, by their Redis key."""

    def __init__(self) -> None:
        self._worker = secrets.token_hex(6)
        self._numbers = itertools.count()
        self._used: dict[str, set[str]] = {}
        self._free: dict[str, list[str]] = {}
        self._lent: dict[Slot, str] = {}
        """Lent slots, with the Redis key of the pending call."""
        self._released: dict[str, list[str]] = {}

    def new_prefix(self) -> str:
        """Return a new prefix for the members that an operation adds."""
        return f"{self._worker}:{next(self._numbers)}:"

    def hold(self, costs: Iterable[Cost], prefix: str, unit: int) -> list[Slot]:
        """Hold the slots that an operation has taken for one of its units, numbered from 0."""
        slots = [
            (cost.limit.redis_key(0), f"{prefix}{unit * cost.amount + number}")
            for cost in costs
            if cost.limit.kind == "slots"
            for number in range(1, cost.amount + 1)
        ]
        for name, slot in slots:
            self._used.setdefault(name, set()).add(slot)
        return slots

    def take_free(self, costs: Sequence[Cost]) -> list[Slot] | None:
        """Take free slots; return `None` if there are too few."""
        needed = [(cost.limit.redis_key(0), cost.amount) for cost in costs if cost.limit.kind == "slots"]
        if any(len(self._free.get(name, ())) < amount for name, amount in needed):
            return None
        slots = [(name, self._free[name].pop()) for name, amount in needed for _ in range(amount)]
        for name, slot in slots:
            self._used.setdefault(name, set()).add(slot)
        return slots

    def release(self, slots: Iterable[Slot], caps: Mapping[str, int]) -> None:
        """Release slots, but keep some; `caps` has the limits by Redis key."""
        for name, slot in slots:
            used = self._used.get(name)
            if used is None or slot not in used:
                continue
            used.discard(slot)
            if not used:
                del self._used[name]
            free = self._free.setdefault(name, [])
            if len(free) < caps.get(name, 0) // _KEPT_SHARE:
                free.append(slot)
            else:
                self._released.setdefault(name, []).append(slot)

    def lend(self, slots: Iterable[Slot], pending_call: str) -> None:
        """Lend slots to a call; `pending_call` is a Redis key that exists while the call is pending."""
        for name, slot in slots:
            self._used.get(name, set()).discard(slot)
            self._lent[name, slot] = pending_call

    def release_lent(self, slots: Iterable[Slot]) -> None:
        """Release slots that this or another worker has lent to a call."""
        for name, slot in slots:
            self._lent.pop((name, slot), None)
            self._released.setdefault(name, []).append(slot)

    def forget_lent(self, slot: Slot) -> None:
        """Forget a slot whose call has ended."""
        self._lent.pop(slot, None)

    @property
    def has_released(self) -> bool:
        """True if there are slots to release in Redis."""
        return bool(self._released)

    def renewals(self) -> list[Operation]:
        """Return the operations that renew the slots."""
        used = [Operation("renew", [name], sorted(slots)) for name, slots in self._used.items() if slots]
        return used + [Operation("renew", [name], free) for name, free in self._free.items() if free]

    def lent_renewals(self) -> list[tuple[Slot, Operation]]:
        """Return the lent slots, each with an operation that renews it if its call is pending, and replies so."""
        return [(slot, Operation("renew_lent", [slot[0], call], [slot[1]])) for slot, call in self._lent.items()]

    def release_free(self) -> None:
        """Release the slots that are kept for the next calls."""
        for name, free in self._free.items():
            if free:
                self._released.setdefault(name, []).extend(free)
        self._free.clear()

    def pop_releases(self) -> list[Operation]:
        """Return the operations that release slots in Redis, once."""
        released, self._released = self._released, {}
        return [Operation("release", [name], slots) for name, slots in released.items()]
