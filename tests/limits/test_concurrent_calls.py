"""At most `max_concurrent` calls of a key are in flight at the upstream, through all gateways; slots come back."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import time

import pytest
from redis.asyncio import Redis

from gateway.keys.policies import PolicyStore
from tests.faults.faults import send
from tests.limits.clients import Clients, Outcome
from tests.limits.gateways import Gateways, LimitedKeys
from tests.limits.upstream import CallGroup
from tests.support.waiting import until

MODERN = {"MCP-Protocol-Version": "2026-07-28"}
SLOTS_OF_A_DEAD_WORKER_SECONDS = 30


async def hold(clients: Clients, calls: CallGroup, count: int, group: str) -> list[asyncio.Task[Outcome]]:
    """Start calls that the upstream holds, and wait until all have arrived there."""
    held = [asyncio.create_task(clients.call("get", group=group, held=True)) for _ in range(count)]
    await until(lambda: calls.in_flight == count)
    return held


async def cancel(tasks: list[asyncio.Task[Outcome]]) -> None:
    """Cancel calls, which closes their connections."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until_admitted(clients: Clients, group: str, seconds: float = 10) -> None:
    """Make calls until one has a result; all others are refused."""
    before = len(clients.outcomes)
    await until(lambda: is_admitted(clients, group), seconds)
    assert {outcome.status for outcome in clients.outcomes[before:-1]} <= {429}


async def is_admitted(clients: Clients, group: str) -> bool:
    return (await clients.call("get", group=group)).is_result


async def test_calls_beyond_the_limit_are_refused_while_others_are_in_flight(
    keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    clients = await keys.clients(max_concurrent=3)
    attempts = [asyncio.create_task(clients.call("get", group=group, held=True)) for _ in range(24)]
    await until(lambda: len(clients.outcomes) + calls.in_flight == 24)
    assert calls.in_flight == 3
    assert {outcome.status for outcome in clients.outcomes} == {429}
    assert "3 calls at the same time" in clients.outcomes[0].error
    calls.release()
    await asyncio.gather(*attempts)
    assert (len(clients.results), calls.most_in_flight) == (3, 3)


async def test_slots_are_used_again_by_many_short_calls(keys: LimitedKeys, calls: CallGroup, group: str) -> None:
    clients = await keys.clients(max_concurrent=5)
    async with clients.calling("get", concurrency=16, group=group, seconds=0.01):
        await until(lambda: len(clients.results) >= 300, seconds=30)
    assert calls.most_in_flight == 5
    assert {outcome.status for outcome in clients.outcomes} == {200, 429}
    # All slots are free again.
    again = await clients.calls(5, "get", concurrency=5, group=group, seconds=0.2)
    assert all(outcome.is_result for outcome in again)


async def test_all_keys_of_an_owner_share_the_slots_of_its_policy(
    redis: Redis, keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    owner = f"{group}@example.com"
    await PolicyStore(redis).update(owner, {"max_concurrent": 3})
    several = [await keys.clients(owner=owner, max_concurrent=2) for _ in range(3)]
    attempts = [
        asyncio.create_task(clients.call("get", group=group, held=True)) for clients in several for _ in range(6)
    ]
    await until(lambda: sum(len(clients.outcomes) for clients in several) + calls.in_flight == 18)
    assert calls.in_flight == 3
    calls.release()
    await asyncio.gather(*attempts)
    assert all(len(clients.results) <= 2 for clients in several)


async def test_a_call_holds_its_slot_until_it_has_ended_upstream_although_its_client_has_gone(
    keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    clients = await keys.clients(max_concurrent=3)
    await cancel(await hold(clients, calls, 3, group))
    refused = await clients.calls(20, "get", group=group)
    assert {outcome.status for outcome in refused} == {429}
    assert calls.in_flight == 3
    calls.release()
    await until_admitted(clients, group)


async def test_a_call_that_ends_with_its_client_gives_its_slot_back(
    keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    clients = await keys.clients(max_concurrent=1)
    held = asyncio.create_task(clients.call("get", headers=MODERN, group=group, held=True))
    await until(lambda: calls.in_flight == 1)
    assert not await is_admitted(clients, group)
    held.cancel()
    await until(lambda: calls.in_flight == 0)
    await until_admitted(clients, group)


async def test_a_refused_call_takes_no_slot_and_consumes_nothing(
    keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    clients = await keys.clients(max_concurrent=1, calls_per_day=10)
    (held,) = await hold(clients, calls, 1, group)
    assert {outcome.status for outcome in await clients.calls(30, "get", group=group)} == {429}
    calls.release()
    await held
    await clients.calls(30, "get", concurrency=1, group=group)
    assert calls.started == 10


@pytest.mark.slow
async def test_the_slots_of_a_killed_worker_come_back_and_no_others(
    gateways_to_kill: Gateways, keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    clients = await keys.clients(max_concurrent=4)
    dying, living = clients.via(0), clients.via(1)
    lost = await hold(dying, calls, 2, group)
    kept = asyncio.create_task(living.call("get", group=group, held=True))
    await until(lambda: calls.in_flight == 3)
    send(gateways_to_kill.workers(0), signal.SIGKILL)
    killed = time.monotonic()
    assert {outcome.status for outcome in await asyncio.gather(*lost)} == {0}
    # Two calls fit together with `kept` only once a slot has come back, and three once both have.
    for count in (2, 3):
        await until(functools.partial(fit, living, group, count), SLOTS_OF_A_DEAD_WORKER_SECONDS + 1)
    assert time.monotonic() - killed <= SLOTS_OF_A_DEAD_WORKER_SECONDS + 1
    assert not await fit(living, group, 4)
    calls.release()
    assert (await kept).is_result


async def fit(clients: Clients, group: str, count: int) -> bool:
    """Return True if so many calls are admitted at the same time."""
    outcomes = await clients.calls(count, "get", concurrency=count, group=group, seconds=0.3)
    return all(outcome.is_result for outcome in outcomes)
