"""Two workers on a Cluster of three Valkeys: limits of all kinds, owners' policies and usage events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from redis.asyncio import Redis

from gateway.keys.policies import PolicyStore
from gateway.keys.store import KeyStore
from gateway.redis import names
from gateway.redis.client import connect
from gateway.timestamps import now_ms
from tests.limits.gateways import LimitedKeys
from tests.limits.upstream import CallGroup, Upstream
from tests.support.gateway import Gateway, running_gateway
from tests.support.valkey_cluster import ValkeyCluster, running_cluster

OWNER = "cleo@example.com"


@pytest.fixture(scope="module")
def cluster() -> Iterator[ValkeyCluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def redis(cluster: ValkeyCluster) -> AsyncIterator[Redis]:
    client = connect(cluster.url)
    yield client
    await client.aclose()


@pytest.fixture
async def workers(
    redis: Redis, cluster: ValkeyCluster, upstream: Upstream, tmp_path: Path
) -> AsyncIterator[list[Gateway]]:
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                running_gateway(redis, cluster.url, upstream.url, tmp_path / name, gateway_id=name)
            )
            for name in ("one", "two")
        ]


@pytest.fixture
def keys(workers: list[Gateway], redis: Redis, session: aiohttp.ClientSession) -> LimitedKeys:
    return LimitedKeys(redis, session, [worker.url for worker in workers])


@pytest.mark.parametrize(
    "limits",
    [
        {"rate_limit_per_minute": 12},
        {"tool_rate_limits": {"g*": 12, "*": 20}},
        {"calls_per_day": 12},
        {"calls_per_month": 12},
        {"calls_per_day": 13, "calls_per_month": 12, "rate_limit_per_minute": 14, "tool_rate_limits": {"get": 15}},
        {"records_per_day": 12 * 5},
        {"records_per_month": 12 * 5, "records_per_day": 13 * 5},
    ],
)
async def test_workers_share_limits_of_all_kinds(keys: LimitedKeys, group: str, limits: dict[str, Any]) -> None:
    clients = await keys.clients(**limits)
    await clients.calls(40, "get", group=group, rows=5)
    assert {outcome.status for outcome in clients.outcomes} <= {200, 429}
    assert len(clients.results) == 12


async def test_workers_share_the_slots_of_concurrent_calls(keys: LimitedKeys, calls: CallGroup, group: str) -> None:
    clients = await keys.clients(max_concurrent=3)
    await clients.calls(60, "get", concurrency=12, group=group, seconds=0.02)
    assert calls.most_in_flight == 3
    assert {outcome.status for outcome in clients.outcomes} == {200, 429}


@pytest.mark.parametrize("limits", [{"calls_per_day": 12}, {"rate_limit_per_minute": 12}, {"records_per_month": 60}])
async def test_keys_of_an_owner_share_the_limits_of_its_policy(
    redis: Redis, keys: LimitedKeys, group: str, limits: dict[str, Any]
) -> None:
    owner = f"{next(iter(limits))}@example.com"
    await PolicyStore(redis).update(owner, limits)
    several = [await keys.clients(owner=owner, calls_per_day=10) for _ in range(2)]
    await asyncio.gather(*(clients.calls(20, "get", group=group, rows=5) for clients in several))
    assert sum(len(clients.results) for clients in several) == 12
    assert all(len(clients.results) <= 10 for clients in several)


async def test_a_lookup_joins_the_policy_of_the_owner(redis: Redis) -> None:
    policy = await PolicyStore(redis).update(OWNER, {"calls_per_day": 5, "allowed_tools": ["get"]})
    store = KeyStore(redis, pepper=None, now_ms=now_ms)
    _, key = await store.create(owner=OWNER, key_name="a key")
    lookup = await store.find_by_digest(store.digest(key))
    assert lookup is not None
    assert lookup.record.owner_policy == policy


async def test_each_answered_call_of_a_limited_key_is_in_the_usage_stream(
    workers: list[Gateway], redis: Redis, keys: LimitedKeys, group: str
) -> None:
    await redis.delete(names.USAGE)
    clients = await keys.clients(calls_per_day=10, records_per_day=1000)
    await clients.calls(15, "get", group=group, rows=5)
    events = await workers[0].until_events(10)
    assert [(event.key_id, event.status, event.record_count) for event in events] == [
        (clients.key.key_id, "ok", 5)
    ] * 10


async def test_all_names_are_in_one_slot_of_one_node(cluster: ValkeyCluster, keys: LimitedKeys, group: str) -> None:
    every_kind = {"calls_per_day": 5, "calls_per_month": 5, "records_per_day": 5, "records_per_month": 5}
    clients = await keys.clients(rate_limit_per_minute=5, tool_rate_limits={"*": 5}, max_concurrent=5, **every_kind)
    await clients.calls(5, "get", group=group)
    (stored,) = filter(None, cluster.names())
    assert len(stored) > 6
    assert all(name.startswith(names.PREFIX.encode()) for name in stored)
