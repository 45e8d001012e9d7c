"""Under load, workers or Valkey are killed: the upstream gets no more calls than the limit, and nearly all of them."""

from __future__ import annotations

import asyncio
import signal
import time

import aiohttp
import pytest
from redis.asyncio import Redis

from gateway.keys.limits import counter
from tests.faults.faults import send
from tests.limits.clients import Clients
from tests.limits.gateways import Gateways, LimitedKeys, running_gateways
from tests.limits.upstream import CallGroup
from tests.support.waiting import until

LIMIT = 400


async def until_used_up(clients: Clients) -> None:
    """Wait until many calls in a row have been refused."""
    await until(lambda: all(outcome.status == 429 for outcome in clients.outcomes[-40:]), 30)


@pytest.mark.parametrize("field", ["calls_per_day", "rate_limit_per_minute"])
async def test_killed_workers_admit_nothing_twice(
    gateways_to_kill: Gateways, keys: LimitedKeys, calls: CallGroup, group: str, field: str
) -> None:
    clients = await keys.clients(**{field: LIMIT})
    async with clients.calling("get", group=group):
        for number, started in enumerate((100, 200)):
            await until(lambda: calls.started >= started)  # noqa: B023
            send(gateways_to_kill.workers(number)[:1], signal.SIGKILL)
        await until_used_up(clients)
    assert 0.95 * LIMIT <= calls.started <= LIMIT
    # Those of the killed workers have no response.
    assert calls.started - 8 <= len(clients.results) <= calls.started


async def test_records_of_killed_workers_are_not_sent_twice(
    gateways_to_kill: Gateways, keys: LimitedKeys, group: str
) -> None:
    clients = await keys.clients(records_per_day=2000)
    async with clients.calling("get", group=group, rows=10):
        await until(lambda: len(clients.results) >= 80)
        send(gateways_to_kill.workers(0), signal.SIGKILL)
        await until_used_up(clients)
    assert 0.95 * 2000 <= sum(outcome.rows for outcome in clients.outcomes) < 2000 + 10


@pytest.mark.parametrize("field", ["calls_per_day", "rate_limit_per_minute"])
async def test_limits_survive_the_kill_of_valkey_and_limited_keys_are_refused_while_it_is_away(
    gateways_to_kill: Gateways, keys: LimitedKeys, calls: CallGroup, group: str, field: str
) -> None:
    busy, slow = await keys.clients(**{field: LIMIT}), await keys.clients(**{field: 50})
    await slow.calls(16, "get", group=f"{group}, slow")
    async with busy.calling("get", group=group):
        await until(lambda: calls.started >= 100)
        await asyncio.to_thread(gateways_to_kill.valkey.kill)
        killed = time.monotonic()
        await until(lambda: len(busy.refused(503)) >= 40)
        assert {outcome.status for outcome in await slow.calls(16, "get", group=f"{group}, slow")} == {503}
        back = time.monotonic()
        await asyncio.to_thread(gateways_to_kill.valkey.start)
        await until_used_up(busy)
    assert 0.95 * LIMIT <= calls.started <= LIMIT
    while_away = [outcome for outcome in busy.outcomes if outcome.sent > killed and outcome.received < back]
    assert {outcome.status for outcome in while_away} <= {200, 503}
    # Of a busy key, a worker may admit what it had consumed ahead.
    assert sum(outcome.is_result for outcome in while_away) <= 0.05 * LIMIT


async def test_if_allowed_calls_are_admitted_while_valkey_is_away_and_consumed_afterwards(
    gateways_to_kill: Gateways, redis: Redis, session: aiohttp.ClientSession, calls: CallGroup, group: str
) -> None:
    valkey, upstream = gateways_to_kill.valkey, gateways_to_kill.upstream
    with running_gateways(valkey, upstream, GATEWAY_LIMITS_WHEN_REDIS_AWAY="allow") as allowing:
        clients = await LimitedKeys(redis, session, allowing.urls).clients(calls_per_day=200)
        # The same connections are used later, to workers that have the key in their caches.
        await clients.calls(50, "get", group=group)
        await asyncio.to_thread(valkey.kill)
        assert all(outcome.is_result for outcome in await clients.calls(60, "get", group=group))
        await asyncio.to_thread(valkey.start)
        used = counter(clients.key.key_id, "calls", "day", int(time.time()))

        async def all_are_consumed() -> bool:
            return int(await redis.get(used) or 0) >= 110

        await until(all_are_consumed)
        await clients.calls(300, "get", group=group)
    assert 190 <= calls.started <= 200
