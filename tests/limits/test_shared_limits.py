"""Two gateways with two workers each together admit never more than a limit, and at least 95 % of it."""

from __future__ import annotations

import asyncio
import time
from itertools import islice, takewhile

import pytest
from redis.asyncio import Redis

from gateway.keys.limits import BUCKET_SECONDS
from gateway.keys.policies import PolicyStore
from tests.limits.clients import Outcome
from tests.limits.gateways import LimitedKeys
from tests.limits.upstream import CallGroup
from tests.limits.windows import let_pass


@pytest.mark.parametrize("field", ["calls_per_day", "calls_per_month"])
async def test_a_small_limit_of_calls_is_admitted_exactly(
    keys: LimitedKeys, calls: CallGroup, group: str, field: str
) -> None:
    clients = await keys.clients(**{field: 57})
    await clients.calls(150, "get", group=group)
    assert (len(clients.results), len(clients.refused())) == (57, 93)
    assert calls.started == 57


async def test_of_a_large_limit_of_calls_at_least_95_percent_are_admitted_and_never_more(
    keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    limit = 1000
    clients = await keys.clients(calls_per_day=limit, rate_limit_per_minute=10 * limit)
    await clients.calls(limit + 200, "get", group=group)
    assert 0.95 * limit <= len(clients.results) <= limit
    assert len(clients.results) + len(clients.refused()) == limit + 200
    assert calls.started == len(clients.results)


async def test_a_limit_of_a_minute_admits_again_when_its_requests_are_a_minute_old(
    redis: Redis, keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    clients = await keys.clients(rate_limit_per_minute=40)
    await clients.calls(100, "get", group=group)
    assert 38 <= calls.started <= 40
    assert all("40 requests a minute" in refused.error for refused in clients.refused())
    await let_pass(redis, 40)
    await clients.calls(30, "get", group=group)
    assert calls.started <= 40
    await let_pass(redis, 24)
    await clients.calls(100, "get", group=group)
    assert 2 * 38 <= calls.started <= 2 * 40


async def test_under_steady_load_any_minute_has_at_most_the_limit_and_on_average_95_percent(
    redis: Redis, keys: LimitedKeys, group: str
) -> None:
    limit, steps = 30, 280
    clients = await keys.clients(rate_limit_per_minute=limit)
    began, admitted = time.monotonic(), list[Outcome]()
    for passed in range(0, steps * BUCKET_SECONDS, BUCKET_SECONDS):
        # Three times the calls that the limit allows in a bucket.
        for outcome in await clients.calls(3, "get", concurrency=3, group=group):
            if outcome.is_result:
                admitted.append(outcome._replace(sent=outcome.sent + passed, received=outcome.received + passed))
        await let_pass(redis, BUCKET_SECONDS)
    seconds = time.monotonic() - began + steps * BUCKET_SECONDS
    assert_no_minute_has_more(admitted, limit)
    assert len(admitted) >= 0.95 * limit * seconds / 60


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_under_steady_load_by_the_clock_any_minute_has_at_most_the_limit_and_on_average_95_percent(
    keys: LimitedKeys, group: str
) -> None:
    limit, seconds = 2000, 180
    clients = await keys.clients(rate_limit_per_minute=limit)
    began = time.monotonic()
    async with clients.calling("get", group=group, seconds=0.05):
        await asyncio.sleep(seconds)
    seconds_of_load = time.monotonic() - began
    assert_no_minute_has_more(clients.results, limit)
    assert len(clients.results) >= 0.95 * limit * seconds_of_load / 60


def assert_no_minute_has_more(admitted: list[Outcome], limit: int) -> None:
    """Assert that no 60 seconds contain more than `limit` calls from the sending to the response."""
    admitted = sorted(admitted)
    for number, first in enumerate(admitted):
        end = first.sent + 60
        later = takewhile(lambda other: other.sent < end, islice(admitted, number, None))  # noqa: B023
        assert sum(other.received < end for other in later) <= limit


async def test_tools_that_match_a_glob_share_its_limit_on_all_gateways(
    redis: Redis, keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    clients = await keys.clients(tool_rate_limits={"run_*": 20, "run_sql": 12})
    await asyncio.gather(*(clients.calls(40, tool, 8, group=group) for tool in ("run_sql", "run_code")))
    assert 19 <= calls.started <= 20
    await clients.calls(40, "get", group=group)
    assert 59 <= calls.started <= 60, "other tools are not limited"
    await let_pass(redis, 64)
    await clients.calls(40, "run_sql", group=group)
    assert 59 + 11 <= calls.started <= 60 + 12
    assert "12 calls of run_sql a minute" in clients.outcomes[-1].error


async def test_a_call_that_one_limit_refuses_consumes_none_of_another(
    redis: Redis, keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    clients = await keys.clients(rate_limit_per_minute=20, calls_per_day=30)
    await clients.calls(100, "get", group=group)
    assert 19 <= calls.started <= 20
    await let_pass(redis, 64)
    await clients.calls(50, "get", group=group)
    await let_pass(redis, 64)
    await clients.calls(50, "get", group=group)
    assert calls.started == 30
    assert len(clients.results) == 30


@pytest.mark.parametrize("field", ["records_per_day", "records_per_month"])
async def test_records_exceed_their_limit_by_those_of_one_result_at_most(
    keys: LimitedKeys, group: str, field: str
) -> None:
    clients = await keys.clients(**{field: 100})
    # Together in flight, so that all pass the check before the call.
    await clients.calls(60, "get", concurrency=30, group=group, rows=7, seconds=0.05)
    assert sum(outcome.rows for outcome in clients.outcomes) == 105
    assert all(f"100 records a {field[12:]}" in outcome.error for outcome in clients.outcomes if not outcome.is_result)


async def test_of_a_large_limit_of_records_at_least_95_percent_are_sent(keys: LimitedKeys, group: str) -> None:
    clients = await keys.clients(records_per_day=10_000)
    await clients.calls(700, "get", group=group, rows=20)
    assert 9_500 <= sum(outcome.rows for outcome in clients.outcomes) < 10_000 + 20


async def test_all_keys_of_an_owner_share_the_limits_of_its_policy(
    redis: Redis, keys: LimitedKeys, calls: CallGroup, group: str
) -> None:
    owner = f"{group}@example.com"
    await PolicyStore(redis).update(owner, {"calls_per_day": 50, "tool_rate_limits": {"run_*": 10}})
    several = [await keys.clients(owner=owner, calls_per_day=30) for _ in range(3)]
    await asyncio.gather(*(clients.calls(20, "run_sql", 4, group=group) for clients in several))
    assert 9 <= calls.started <= 10
    await asyncio.gather(*(clients.calls(40, "get", 4, group=group) for clients in several))
    assert calls.started == 50
    assert all(len(clients.results) <= 30 for clients in several)
    assert {outcome.status for clients in several for outcome in clients.outcomes} == {200, 429}


async def test_records_of_all_keys_of_an_owner_exceed_its_limit_by_those_of_one_result_at_most(
    redis: Redis, keys: LimitedKeys, group: str
) -> None:
    owner = f"{group}@example.com"
    await PolicyStore(redis).update(owner, {"records_per_day": 100})
    several = [await keys.clients(owner=owner) for _ in range(3)]
    await asyncio.gather(*(clients.calls(20, "get", 10, group=group, rows=7, seconds=0.05) for clients in several))
    assert sum(outcome.rows for clients in several for outcome in clients.outcomes) == 105
