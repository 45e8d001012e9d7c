"""Random calls, results, crashes and passing time on several workers: never more than a limit, and nearly all of it.

The model knows only when requests were sent and answered, and what they cost; it knows nothing of how they are counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, takewhile
from typing import Any, NamedTuple, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.keys.limits import Limit, limits_of
from gateway.keys.record import KeyRecord, OwnerPolicy
from gateway.proxy.admission.limits.limiter import Limiter
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.rejections import RequestRejected
from gateway.proxy.clock import Clock
from gateway.redis.names import CALL_SLOTS
from tests.proxy.admission.limits.workers import NOON, key, move_windows
from tests.support.gateway import RecordingMetrics

WORKERS = 3
TOOLS = ("get", "run_sql", "run_code")
USABLE = 0.95
LOST_BY_A_CRASH = 0.04
"""The share of a limit that a crashed worker may have taken ahead, for all of its keys and tools."""
SLOTS_BACK_SECONDS = 30
BURST = 250

Step = Callable[["Model"], Any]


class Admitted(NamedTuple):
    """An admitted call."""

    sent: float
    received: float
    record: KeyRecord
    tool: str


class Worker:
    """A limiter that can crash."""

    def __init__(self, url: str, number: int) -> None:
        self.name = f"worker-{number}"
        self.redis = Redis.from_url(url, client_name=self.name, protocol=2)
        self.limiter = Limiter(self.redis, Clock(lambda: NOON, time.monotonic), cast(Any, RecordingMetrics()))
        self.held: list[tuple[KeyRecord, Permit]] = []
        """The calls in flight."""

    async def crash(self, others: Redis) -> None:
        """Break the connection for ever: nothing is given back."""
        self.redis.connection_pool.connection_kwargs["path"] = "/nonexistent"
        for connection in await others.client_list():
            if connection["name"] == self.name:
                await others.client_kill_filter(_id=connection["id"])
        await self.close()

    async def close(self) -> None:
        for _, permit in self.held:
            permit.release()
        await self.limiter.close()
        await self.redis.aclose()


class Model:
    """The workers, and what they have admitted."""

    def __init__(self, url: str, redis: Redis, records: Sequence[KeyRecord]) -> None:
        self._url = url
        self._redis = redis
        self._started = 0
        self._passed = 0
        self.records = records
        self.admitted: list[Admitted] = []
        self.unanswered: list[Admitted] = []
        self.results: list[tuple[KeyRecord, int]] = []
        self.crashes = 0
        self.workers = [self._new_worker() for _ in range(WORKERS)]

    def _new_worker(self) -> Worker:
        self._started += 1
        return Worker(self._url, self._started)

    @property
    def now(self) -> float:
        return time.monotonic() + self._passed

    async def admit(self, worker: Worker, record: KeyRecord, tools: Sequence[str]) -> Permit | None:
        sent = self.now
        try:
            permit = await worker.limiter.admit(record, requests=len(tools), tools=tools)
        except RequestRejected as rejected:
            if rejected.deny.status != 429:
                # Its worker has crashed, perhaps after the limits were consumed.
                self.unanswered += (Admitted(sent, self.now, record, tool) for tool in tools)
            return None
        self.admitted += (Admitted(sent, self.now, record, tool) for tool in tools)
        return permit

    async def calls(self, number: int, record: KeyRecord, tool: str, count: int) -> int:
        """Make concurrent calls, which end. Return the number of admitted ones."""
        worker = self.workers[number]
        permits = await asyncio.gather(*(self.admit(worker, record, [tool]) for _ in range(count)))
        # None has ended before all were admitted.
        self._assert_slots([(record, permit) for permit in permits if permit is not None])
        for permit in filter(None, permits):
            permit.release()
        return sum(permit is not None for permit in permits)

    async def batch(self, number: int, record: KeyRecord, tools: Sequence[str]) -> None:
        permit = await self.admit(self.workers[number], record, tools)
        if permit is not None:
            permit.release()

    async def hold(self, number: int, record: KeyRecord, tool: str) -> None:
        """Begin a call."""
        worker = self.workers[number]
        permit = await self.admit(worker, record, [tool])
        if permit is not None:
            worker.held.append((record, permit))
        self._assert_slots([])

    async def cancel(self, number: int, record: KeyRecord, tool: str) -> None:
        """Give back what an admitted call consumed."""
        before = len(self.admitted)
        permit = await self.admit(self.workers[number], record, [tool])
        if permit is not None:
            del self.admitted[before:]
            permit.cancel()

    async def end_calls(self, number: int) -> None:
        worker = self.workers[number]
        while worker.held:
            worker.held.pop()[1].release()

    async def settle(self, number: int, record: KeyRecord, sizes: Sequence[int]) -> int:
        """Settle concurrent results. Return the number of admitted ones."""
        limiter = self.workers[number].limiter
        denies = await asyncio.gather(*(limiter.settle(record, size) for size in sizes))
        self.results += ((record, size) for size, deny in zip(sizes, denies, strict=True) if deny is None)
        return denies.count(None)

    async def crash(self, number: int, record: KeyRecord, tool: str, count: int) -> None:
        """Kill a worker, of which some calls are in flight."""
        worker, self.workers[number] = self.workers[number], self._new_worker()
        self.crashes += 1
        calls = [asyncio.create_task(self.admit(worker, record, [tool])) for _ in range(count)]
        await asyncio.sleep(0)
        await worker.crash(self._redis)
        await asyncio.gather(*calls)

    async def restart(self) -> None:
        """End all workers in good order, and start others."""
        for number, worker in enumerate(self.workers):
            await worker.close()
            self.workers[number] = self._new_worker()

    async def let_pass(self, seconds: int) -> None:
        """Let time pass. What workers took ahead ends with it."""
        await self.restart()
        await move_windows(self._redis, -seconds)
        self._passed += seconds

    def _assert_slots(self, others: Sequence[tuple[KeyRecord, Permit]]) -> None:
        in_flight = [*others, *(held for worker in self.workers for held in worker.held)]
        for limit in self._limits():
            if limit.period is None:
                assert sum(limit in limits_of(record) for record, _ in in_flight) <= limit.cap

    def _limits(self) -> set[Limit]:
        return {limit for record in self.records for limit in limits_of(record)}

    def assert_nothing_exceeds_its_limit(self) -> None:
        for limit in self._limits():
            if limit.unit == "records":
                sizes = [size for record, size in self.results if limit in limits_of(record)]
                assert sum(sizes) - max(sizes, default=0) < limit.cap
            elif limit.period == "minute":
                _assert_no_minute_has_more(self._counted(limit), limit.cap)
            elif limit.period is not None:
                assert len(self._counted(limit)) <= limit.cap

    def _counted(self, limit: Limit, calls: Sequence[Admitted] | None = None) -> list[Admitted]:
        return sorted(
            (
                call
                for call in (self.admitted if calls is None else calls)
                if limit in limits_of(call.record) and limit.counts(call.tool)
            ),
            key=lambda call: call.sent,
        )

    async def assert_the_rest_is_usable(self) -> None:
        """Use up the limits of each key, and compare what was admitted in all."""
        await self.restart()
        for name in await self._redis.keys(CALL_SLOTS + "*"):
            slots: list[bytes] = await self._redis.zrange(name, 0, -1)  # type: ignore[assignment]
            for slot in slots:
                await self._redis.zincrby(name, -1000 * SLOTS_BACK_SECONDS, slot)
        for record in self.records:
            for tool in TOOLS:
                while await self.calls(0, record, tool, 1 if self._has_slots(record) else BURST):
                    pass
                limits = [limit for limit in limits_of(record) if limit.unit != "records" and limit.counts(tool)]
                assert any(map(self._is_used_up, limits)) or self._records_are_used_up(record)
            while await self.settle(0, record, [1] * BURST):
                pass
            assert self._records_are_used_up(record)

    def _has_slots(self, record: KeyRecord) -> bool:
        return any(limit.period is None for limit in limits_of(record))

    def _is_used_up(self, limit: Limit) -> bool:
        if limit.period is None:
            return False
        age = 64 if limit.period == "minute" else float("inf")
        calls = self._counted(limit, [*self.admitted, *self.unanswered])
        used = sum(call.received > self.now - age for call in calls)
        return used >= self._promised(limit)

    def _records_are_used_up(self, record: KeyRecord) -> bool:
        limits = [limit for limit in limits_of(record) if limit.unit == "records"]
        used = {limit: sum(size for of, size in self.results if limit in limits_of(of)) for limit in limits}
        return any(used[limit] >= self._promised(limit) for limit in limits)

    def _promised(self, limit: Limit) -> float:
        return limit.cap * (USABLE - self.crashes * LOST_BY_A_CRASH)


def _assert_no_minute_has_more(calls: list[Admitted], cap: int) -> None:
    for number, first in enumerate(calls):
        end = first.sent + 60
        later: Iterable[Admitted] = takewhile(lambda call: call.sent < end, islice(calls, number, None))  # noqa: B023
        assert sum(call.received < end for call in later) <= cap


CAPS = st.sampled_from([1, 3, 20, 450, 1000])
LIMITS = st.fixed_dictionaries(
    {"records_per_day": CAPS, "calls_per_day": st.sampled_from([7, 450, 1500])},
    optional={
        "rate_limit_per_minute": CAPS,
        "tool_rate_limits": st.dictionaries(st.sampled_from(["*", "run_*", "get"]), CAPS, min_size=1),
        "records_per_month": CAPS,
    },
)
SLOTS = st.fixed_dictionaries({}, optional={"max_concurrent": st.integers(1, 6)})


def steps(keys: int) -> st.SearchStrategy[list[Step]]:
    worker, record = st.integers(0, WORKERS - 1), st.integers(0, keys - 1)
    tool, count = st.sampled_from(TOOLS), st.sampled_from([1, 2, 10, 60, 250])
    sizes = st.lists(st.sampled_from([0, 1, 7, 40, 300]), min_size=1, max_size=20)
    tools = st.lists(tool, min_size=1, max_size=4)
    return st.lists(
        st.one_of(
            st.builds(lambda w, r, t, c: lambda m: m.calls(w, m.records[r], t, c), worker, record, tool, count),
            st.builds(lambda w, r, t, c: lambda m: m.calls(w, m.records[r], t, c), worker, record, tool, count),
            st.builds(lambda w, r, t: lambda m: m.batch(w, m.records[r], t), worker, record, tools),
            st.builds(lambda w, r, t: lambda m: m.hold(w, m.records[r], t), worker, record, tool),
            st.builds(lambda w, r, t: lambda m: m.cancel(w, m.records[r], t), worker, record, tool),
            st.builds(lambda w: lambda m: m.end_calls(w), worker),
            st.builds(lambda w, r, s: lambda m: m.settle(w, m.records[r], s), worker, record, sizes),
            st.builds(lambda w, r, s: lambda m: m.settle(w, m.records[r], s), worker, record, sizes),
            st.builds(lambda w, r, t, c: lambda m: m.crash(w, m.records[r], t, c), worker, record, tool, count),
            st.builds(lambda s: lambda m: m.let_pass(s), st.sampled_from([2, 6, 30, 54, 58, 60, 62])),
        ),
        min_size=5,
        max_size=25,
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(own=st.tuples(LIMITS, SLOTS), pool=st.none() | st.tuples(LIMITS, SLOTS), steps=steps(2))
def test_workers_admit_never_more_than_a_limit_and_nearly_all_of_it(
    valkey_url: str, own: tuple[dict[str, Any], ...], pool: tuple[dict[str, Any], ...] | None, steps: list[Step]
) -> None:
    policy = None if pool is None else OwnerPolicy(**pool[0], **pool[1])
    records = [key(policy, key_id=f"key_{number}", **own[0], **own[1]) for number in range(2)]

    async def play() -> None:
        async with Redis.from_url(valkey_url) as redis:
            await redis.flushall()
            model = Model(valkey_url, redis, records)
            try:
                for step in steps:
                    await step(model)
                model.assert_nothing_exceeds_its_limit()
                await model.assert_the_rest_is_usable()
                model.assert_nothing_exceeds_its_limit()
            finally:
                for worker in model.workers:
                    await worker.close()

    asyncio.run(play())
