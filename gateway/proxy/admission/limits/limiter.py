"""Checks and consumes the limits of keys and of their owners.

- All limits of a request are checked and consumed together, or none. A key without limits needs no check.
- The records of a result are settled before it is sent: a result that finds a limit used up is not sent. So a limit is
  exceeded by the records of one result at most.
- Busy keys have leases (`budget`), so most of their requests need no reply from Redis. Other requests share a round
  trip with all checks of the same turn of the event loop (`checks`).
- Uses that no limit covers are also counted (see `gateway.keys.limits`), and added in Redis every second.
- If Redis is unavailable, requests of keys with limits are rejected; or, if so configured, admitted and counted later.
  Results are sent in both cases, and their records are counted later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

from redis.asyncio import Redis

from gateway.event_loop.tasks import cancel_and_wait
from gateway.keys.record import KeyRecord
from gateway.proxy.admission.limits.budget import Budget
from gateway.proxy.admission.limits.checks import LimitChecks, RunOperations
from gateway.proxy.admission.limits.demand import Demand, record_demand, request_demand
from gateway.proxy.admission.limits.key_limits import KeyLimits
from gateway.proxy.admission.limits.permit import NO_LIMITS, Permit
from gateway.proxy.admission.limits.script import Operation
from gateway.proxy.admission.limits.slots import Slot
from gateway.proxy.admission.limits.state import LimitState, Uses
from gateway.proxy.admission.limits.take_units import OnChecked, TakeUnits
from gateway.proxy.admission.limits.usage_counts import AddCounts
from gateway.proxy.admission.rejections import Deny, RequestRejected
from gateway.proxy.clock import Clock
from gateway.proxy.metrics_sink import ProxyMetricsSink

MAX_KEYS = 10_000
"""Maximum number of keys whose state a worker holds."""
_ONE_CALL = Uses(1, 1)
_TICK_SECONDS = 1.0
_TICKS_TO_RENEWAL = 5
"""Slots are renewed at every fifth tick, well within `script.SLOT_SECONDS`."""

log = logging.getLogger(__name__)


class Limiter:
    """The limits of all keys."""

    def __init__(
        self, redis: Redis, clock: Clock, metrics: ProxyMetricsSink, *, allows_unchecked: bool = False
    ) -> None:
        """`allows_unchecked`: admit requests while Redis is unavailable."""
        self._metrics = metrics
        self._allows_unchecked = allows_unchecked
        self._state = LimitState(LimitChecks(redis, clock.monotonic), clock)
        self._keys: dict[str, KeyLimits] = {}
        self._waiting: dict[Budget, TakeUnits] = {}
        """The last check of single units of each budget. Until it is sent, further units join it."""
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task that calls `maintain` every second."""
        self._task = asyncio.create_task(self._run(), name="limits")

    async def close(self) -> None:
        """Give back all leases and free slots, add the remaining counts, and disconnect."""
        if self._task is not None:
            await cancel_and_wait(self._task)
        self.maintain(ends_all=True)
        await self._state.checks.close()

    # Requests.

    def admit_call_now(self, record: KeyRecord, tool: str) -> Permit | None:
        """Admit a call without asking Redis; return `None` if that is impossible now."""
        state, key = self._state, self._key_limits(record)
        if not key.limits:
            state.counts.add(key, requests=1, calls=1)
            return NO_LIMITS
        budget = key.call_budget(tool)
        slots = state.slots.take_free(budget.demand.costs) if key.has_slots else ()
        if slots is None:
            return None
        if not budget.take_leased(1, state.clock.monotonic()):
            state.slots.release(slots, key.slot_caps)
            return None
        return state.permit(key, budget, _ONE_CALL, slots, partial(budget.put_back, budget.lease))

    def check_call(self, record: KeyRecord, tool: str, on_checked: OnChecked, *, is_alone: bool = False) -> None:
        """Check and consume the limits of a call. `is_alone`: no other check is expected in this turn."""
        key = self._key_limits(record)
        self._check_unit(key, key.call_budget(tool), on_checked, calls=1, is_alone=is_alone)

    async def admit(self, record: KeyRecord, *, requests: int, tools: Sequence[str]) -> Permit:
        """Check and consume the limits of a request body, or of a GET or DELETE. Raises `RequestRejected`."""
        key = self._key_limits(record)
        if not key.limits:
            self._state.counts.add(key, requests=requests, calls=len(tools))
            return NO_LIMITS
        if requests == len(tools) == 1 and (permit := self.admit_call_now(record, tools[0])) is not None:
            return permit
        outcome = _Outcome()
        if requests == 1 and len(tools) < 2:
            budget = key.call_budget(tools[0]) if tools else key.request_budget
            self._check_unit(key, budget, outcome.set, calls=len(tools))
        else:
            demand = request_demand(key.limits, requests, tools)
            check = self._take_units(key, Budget(demand, Demand(())), demand)
            check.add(outcome.set, Uses(requests, len(tools)))
            self._state.checks.submit(check)
        permit_or_deny = await outcome.wait()
        if isinstance(permit_or_deny, Deny):
            raise RequestRejected(permit_or_deny)
        return permit_or_deny

    def _check_unit(
        self, key: KeyLimits, budget: Budget, on_checked: OnChecked, *, calls: int, is_alone: bool = False
    ) -> None:
        check = self._waiting.get(budget)
        if check is not None and not check.is_sent:
            check.add(on_checked, Uses(1, calls))
            return
        check = self._waiting[budget] = self._take_units(key, budget, budget.demand)
        check.add(on_checked, Uses(1, calls))
        self._state.checks.submit(check, is_alone=is_alone)

    def _take_units(self, key: KeyLimits, budget: Budget, demand: Demand, lease_units: int = 1) -> TakeUnits:
        return TakeUnits(
            self._state, key, budget, demand, allows_unchecked=self._allows_unchecked, lease_units=lease_units
        )

    # Results.

    def settle_now(self, record: KeyRecord, records: int) -> bool:
        """Consume the records of a result without asking Redis; return False if that is impossible now."""
        return self._key_limits(record).record_budget.take_leased(records, self._state.clock.monotonic())

    def check_records(self, record: KeyRecord, records: int, on_checked: OnChecked, *, is_alone: bool = False) -> None:
        """Consume the records of a result; if one of the limits is used up, consume none and deny.

        If Redis is unavailable, the result is admitted, because the call has already been made, and counted later.
        """
        key = self._key_limits(record)
        demand = record_demand(key.limits, records)
        check = TakeUnits(self._state, key, key.record_budget, demand, allows_unchecked=True, lease_units=records)
        check.add(on_checked)
        self._state.checks.submit(check, is_alone=is_alone)

    async def settle(self, record: KeyRecord, records: int) -> Deny | None:
        """Consume the records of a result; if one of the limits is used up, consume none and return a `Deny`."""
        if self.settle_now(record, records):
            return None
        outcome = _Outcome()
        self.check_records(record, records, outcome.set)
        permit_or_deny = await outcome.wait()
        return permit_or_deny if isinstance(permit_or_deny, Deny) else None

    def count_records(self, key_id: str, records: int | None) -> None:
        """Count the records of a result for the counters that no limit covers."""
        key = self._keys.get(key_id)
        if records and key is not None:
            self._state.counts.add(key, records=records)

    # Slots of calls whose results arrive on another stream.

    def lend_slots(self, slots: Sequence[Slot], pending_call: str) -> None:
        """Transfer slots that were popped from a permit to a pending call, given by its Redis key."""
        self._state.slots.lend(slots, pending_call)

    def release_lent_slots(self, slots: Sequence[Slot]) -> None:
        """Release slots that this or another worker has lent to a call."""
        self._state.slots.release_lent(slots)
        self._state.send_releases()

    # The state of keys.

    def _key_limits(self, record: KeyRecord) -> KeyLimits:
        key = self._keys.get(record.key_id)
        if key is None or not key.applies_to(record):
            # The leases of the previous record are given back when their buckets end.
            key = self._keys[record.key_id] = KeyLimits(record)
            if len(self._keys) > MAX_KEYS:
                del self._keys[next(iter(self._keys))]
        return key

    # Maintenance.

    async def _run(self) -> None:
        tick = 0
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            tick += 1
            try:
                self.maintain(renews=tick % _TICKS_TO_RENEWAL == 0)
            except Exception:
                log.exception("the limits of keys were not maintained")

    def maintain(self, *, renews: bool = False, ends_all: bool = False) -> None:
        """Give back ended (or all) leases and free slots, and add counts.

        There is always something to send: the replies show `LimitChecks` that Redis is available.
        """
        state = self._state
        ended = state.leases.end(None if ends_all else state.clock.monotonic())
        state.checks.submit(RunOperations(lambda: ended))
        state.slots.release_free()
        state.send_releases()
        if renews or state.checks.is_after_outage:
            # Checks of keys that are no longer used must not be kept.
            self._waiting.clear()
            state.checks.submit(RunOperations(state.slots.renewals))
            for slot, operation in state.slots.lent_renewals():
                state.checks.submit(RunOperations(partial(_only, operation), partial(self._on_lent_renewed, slot)))
        state.checks.submit(AddCounts(state.counts, state.now()))
        self._report()

    def _on_lent_renewed(self, slot: Slot, is_pending: int) -> None:
        if not is_pending:
            self._state.slots.forget_lent(slot)

    def _report(self) -> None:
        """Report the admitted and refused units to the metrics."""
        state = self._state
        cancelled = {budget: units for budget, units in state.admitted.items() if units < 0}
        for budget, units in state.admitted.items():
            if units < 0:
                continue
            for cost in budget.demand.costs:
                self._metrics.limit_checked(cost.limit.field, cost.limit.of, "admitted", units)
        for limit, units in state.refused.items():
            self._metrics.limit_checked(limit.field, limit.of, "refused", units)
        state.admitted.clear()
        # They were reported as admitted, and are subtracted from the next report.
        state.admitted.update(cancelled)
        state.refused.clear()


class _Outcome:
    """The outcome of a check, for a task that waits for it."""

    def __init__(self) -> None:
        self._future: asyncio.Future[Permit | Deny] = asyncio.get_running_loop().create_future()

    def set(self, outcome: Permit | Deny) -> None:
        """Set the outcome. If its task was cancelled, give back what was consumed."""
        if not self._future.cancelled():
            self._future.set_result(outcome)
        elif isinstance(outcome, Permit):
            outcome.cancel()

    async def wait(self) -> Permit | Deny:
        """Wait for the outcome. If the task is cancelled, what was consumed is given back."""
        try:
            return await self._future
        except asyncio.CancelledError:
            # The outcome may have come in the same turn of the event loop.
            if not self._future.cancelled() and isinstance(permit := self._future.result(), Permit):
                permit.cancel()
            raise


def _only(operation: Operation) -> list[Operation]:
    return [operation]
