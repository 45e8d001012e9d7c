"""The slots of `max_concurrent` that a worker holds: one for each call in flight, and a few that are free.

- A worker renews its slots every few seconds. Those of a dead worker are free after `script.SLOT_SECONDS`.
- A worker keeps released slots for its next calls, at most 1/50 of the limit, until they were free for a second.
- A call of the HTTP+SSE transport ends when its result passes on another stream, perhaps in another worker. Its slots
  are lent to that call: any worker may release them, and they are renewed only while the call is pending.

Does no I/O: the operations that it returns are sent by `limiter`.
"""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Mapping, Sequence

from gateway.proxy.admission.limits.demand import Cost
from gateway.proxy.admission.limits.script import Operation

_KEPT_SHARE = 50
"""A worker keeps at most the limit divided by this."""

Slot = tuple[str, str]
"""The name of a sorted set in Redis, and a member of it."""


class Slots:
    """The slots that a worker holds, by the name of their limit."""

    def __init__(self) -> None:
        self._worker = secrets.token_hex(6)
        self._numbers = itertools.count()
        self._used: dict[str, set[str]] = {}
        self._free: dict[str, list[str]] = {}
        self._lent: dict[Slot, str] = {}
        """Slots with the name in Redis of the pending call."""
        self._released: dict[str, list[str]] = {}

    def new_prefix(self) -> str:
        """Return the prefix of slots that an operation takes."""
        return f"{self._worker}:{next(self._numbers)}:"

    def hold(self, costs: Iterable[Cost], prefix: str, unit: int) -> list[Slot]:
        """Hold the slots that an operation has taken for a unit, numbered from 0."""
        slots = [
            (cost.limit.name(0), f"{prefix}{unit * cost.amount + number}")
            for cost in costs
            if cost.limit.kind == "slots"
            for number in range(1, cost.amount + 1)
        ]
        for name, slot in slots:
            self._used.setdefault(name, set()).add(slot)
        return slots

    def take_free(self, costs: Sequence[Cost]) -> list[Slot] | None:
        """Take free slots; return `None` if there are too few."""
        needed = [(cost.limit.name(0), cost.amount) for cost in costs if cost.limit.kind == "slots"]
        if any(len(self._free.get(name, ())) < amount for name, amount in needed):
            return None
        slots = [(name, self._free[name].pop()) for name, amount in needed for _ in range(amount)]
        for name, slot in slots:
            self._used.setdefault(name, set()).add(slot)
        return slots

    def release(self, slots: Iterable[Slot], caps: Mapping[str, int]) -> None:
        """Release slots; a part of the limits, which `caps` has by name, is kept."""
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
        """Lend slots to a call; `pending_call` is the name in Redis that exists while it is pending."""
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
        """True if slots are to be released in Redis."""
        return bool(self._released)

    def renewals(self) -> list[Operation]:
        """Return the operations that renew the slots."""
        used = [Operation("renew", [name], sorted(slots)) for name, slots in self._used.items() if slots]
        return used + [Operation("renew", [name], free) for name, free in self._free.items() if free]

    def lent_renewals(self) -> list[tuple[Slot, Operation]]:
        """Return the lent slots with the operation that renews each if its call is pending; it replies if it is."""
        return [(slot, Operation("renew_lent", [slot[0], call], [slot[1]])) for slot, call in self._lent.items()]

    def release_free(self) -> None:
        """Release the slots that are kept for further calls."""
        for name, free in self._free.items():
            if free:
                self._released.setdefault(name, []).extend(free)
        self._free.clear()

    def pop_releases(self) -> list[Operation]:
        """Return the operations that release slots in Redis, once."""
        released, self._released = self._released, {}
        return [Operation("release", [name], slots) for name, slots in released.items()]
