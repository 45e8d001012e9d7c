"""Limits of keys, and when they reset."""

from __future__ import annotations

import asyncio
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis

from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.rejections import Deny
from gateway.timestamps import DAY_MS
from tests.proxy.admission.limits.workers import NOON, FixedTime, LimitWorker, close_workers, key, move_windows

JANUARY = NOON + 240 * DAY_MS


def milliseconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp() * 1000)


async def test_a_key_without_limits_never_asks_redis() -> None:
    unreachable = Redis(unix_socket_path="/nonexistent")
    assert await LimitWorker(unreachable).consume(key(), requests=1, tools=["get"]) is None


async def test_at_most_the_limit_is_admitted_in_any_minute(redis: Redis) -> None:
    worker = LimitWorker(redis)
    limited = key(rate_limit_per_minute=2)
    assert [await worker.consume(limited, requests=1, tools=()) for _ in range(2)] == [None, None]
    deny = await worker.consume(limited, requests=1, tools=())
    assert deny is not None
    assert (deny.status, deny.reason) == (429, "rate")
    assert deny.retry_after is not None
    assert 58 <= deny.retry_after <= 64
    await move_windows(redis, -58)
    assert await worker.consume(limited, requests=1, tools=()) is not None
    await move_windows(redis, -4)
    assert await worker.consume(limited, requests=1, tools=()) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 20),
    steps=st.lists(st.tuples(st.integers(0, 8), st.integers(1, 3)), min_size=1, max_size=60),
)
def test_no_minute_of_random_requests_has_more_than_the_limit(
    valkey_url: str, limit: int, steps: list[tuple[int, int]]
) -> None:
    async def play() -> list[tuple[int, int]]:
        async with Redis.from_url(valkey_url) as redis:
            await redis.flushall()
            worker = LimitWorker(redis)
            time, admitted = 0, []
            for pause, cost in steps:
                # Whole buckets, so that requests are as far apart as their buckets.
                await move_windows(redis, -2 * pause)
                time += 2 * pause
                if await worker.consume(key(rate_limit_per_minute=limit), requests=cost, tools=()) is None:
                    admitted.append((time, cost))
            await close_workers()
            return admitted

    admitted = asyncio.run(play())
    for start, _ in admitted:
        assert sum(cost for time, cost in admitted if start <= time < start + 60) <= limit


async def test_many_workers_together_consume_exactly_the_limit(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(5)]
    limited = key(calls_per_day=7)
    responses = await asyncio.gather(*(workers[n % 5].consume(limited, requests=1, tools=["get"]) for n in range(50)))
    assert responses.count(None) == 7


async def test_a_batch_consumes_all_of_its_calls_or_none(redis: Redis) -> None:
    worker = LimitWorker(redis)
    limited = key(calls_per_day=3)
    assert await worker.consume(limited, requests=2, tools=["get", "get"]) is None
    assert await worker.consume(limited, requests=2, tools=["get", "get"]) is not None
    assert await worker.consume(limited, requests=1, tools=["get"]) is None


async def test_a_batch_that_needs_more_than_is_left_is_told_what_is_left(redis: Redis) -> None:
    worker = LimitWorker(redis)
    limited = key(rate_limit_per_minute=10)
    assert await worker.consume(limited, requests=6, tools=()) is None
    deny = await worker.consume(limited, requests=5, tools=())
    assert deny is not None
    assert "has only 4 left of its limit of 10 requests a minute; it resets at" in deny.message
    assert b'RateLimit: "rate_limit_per_minute";r=4;t=' in deny.header_lines


async def test_a_request_rejected_by_one_limit_consumes_nothing_of_another(redis: Redis) -> None:
    worker = LimitWorker(redis)
    assert await worker.consume(key(rate_limit_per_minute=1), requests=1, tools=()) is None
    both = key(rate_limit_per_minute=1, calls_per_day=1)
    assert await worker.consume(both, requests=1, tools=["get"]) is not None
    assert await worker.consume(key(calls_per_day=1), requests=1, tools=["get"]) is None


async def test_a_request_cancelled_in_the_turn_in_which_it_is_admitted_gives_everything_back(redis: Redis) -> None:
    worker = LimitWorker(redis)
    limited = key(calls_per_day=2, max_concurrent=2)
    cancelled = asyncio.create_task(worker.limiter.admit(limited, requests=1, tools=["get"]))
    await asyncio.sleep(0)
    # The check of this call is the same, and tells its outcome after that of the other.
    worker.limiter.check_call(limited, "get", lambda _: cast(None, cancelled.cancel()))
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    assert isinstance(await worker.admit(limited), Permit), "a slot and a call are left"
    assert isinstance(await worker.admit(limited), Deny)


async def test_records_are_settled_with_each_result_and_reset_the_next_day(redis: Redis) -> None:
    time = FixedTime()
    worker = LimitWorker(redis, time)
    limited = key(records_per_day=10)
    assert await worker.consume(limited, requests=1, tools=["get"]) is None
    assert await worker.settle(limited, 9) is None
    assert await worker.settle(limited, 16) is None, "one result may exceed the limit"
    deny = await worker.settle(limited, 1)
    assert deny is not None
    assert "10 records a day" in deny.message
    assert await worker.consume(limited, requests=1, tools=["get"]) == deny
    assert await worker.consume(limited, requests=1, tools=()) is None, "other requests read no records"
    time.ms += 24 * 3600 * 1000
    assert await worker.consume(limited, requests=1, tools=["get"]) is None


async def test_only_one_of_many_parallel_results_exceeds_the_limit_of_records(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(4)]
    settled = await asyncio.gather(*(workers[n % 4].settle(key(records_per_day=100), 62) for n in range(16)))
    assert settled.count(None) == 2


async def test_records_are_settled_against_day_and_month_or_neither(redis: Redis) -> None:
    time = FixedTime()
    worker = LimitWorker(redis, time)
    both = key(records_per_day=10, records_per_month=15)
    assert await worker.settle(both, 10) is None
    deny = await worker.settle(both, 10)
    assert deny is not None
    assert "10 records a day" in deny.message
    time.ms += DAY_MS
    assert await worker.settle(both, 4) is None, "the refused result was not counted"
    assert await worker.settle(both, 1) is None
    deny = await worker.settle(both, 1)
    assert deny is not None
    assert (deny.reason, "15 records a month" in deny.message) == ("records", True)
    assert await worker.consume(both, requests=1, tools=["get"]) == deny
    assert await worker.settle(key(records_per_day=6), 1) is None, "the refused result was not counted for the day"
    time.ms = JANUARY
    assert await worker.settle(both, 1) is None


@pytest.mark.parametrize(
    ("day", "resets_at"),
    [
        ("2026-06-30T23:59:59Z", "2026-07-01T00:00:00Z"),
        ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z"),
        ("2028-02-29T12:00:00Z", "2028-03-01T00:00:00Z"),
    ],
)
async def test_calls_of_a_month_reset_at_its_end(redis: Redis, day: str, resets_at: str) -> None:
    time = FixedTime()
    time.ms = milliseconds(day)
    worker = LimitWorker(redis, time)
    limited = key(calls_per_month=2, calls_per_day=2)
    assert await worker.consume(limited, requests=2, tools=["a", "b"]) is None
    deny = await worker.consume(limited, requests=1, tools=["a"])
    assert deny is not None
    assert deny.message.endswith(f"its limit of 2 tool calls a month; it resets at {resets_at}")
    assert deny.reason == "calls"
    assert deny.retry_after == (milliseconds(resets_at) - time.ms) // 1000
    time.ms = milliseconds(resets_at) - 1
    assert await worker.consume(limited, requests=1, tools=["a"]) is not None
    time.ms = milliseconds(resets_at)
    assert await worker.consume(limited, requests=1, tools=["a"]) is None


async def test_all_tools_that_match_a_glob_share_its_limit(redis: Redis) -> None:
    workers = [LimitWorker(redis) for _ in range(5)]
    limited = key(tool_rate_limits={"run_*": 7})
    tools = ["run_sql", "run_code"]
    denies = await asyncio.gather(
        *(workers[n % 5].consume(limited, requests=1, tools=[tools[n % 2]]) for n in range(50))
    )
    assert denies.count(None) == 7
    deny = next(deny for deny in denies if deny is not None)
    assert (deny.status, deny.reason) == (429, "tool_rate")
    assert "its limit of 7 calls of run_* a minute; it resets at " in deny.message
    assert deny.retry_after is not None
    assert 56 <= deny.retry_after <= 64
    assert await workers[0].consume(limited, requests=1, tools=["list"]) is None
    assert await workers[0].consume(limited, requests=1, tools=["Run_sql"]) is None, "globs are case-sensitive"
    assert await workers[0].consume(limited, requests=1, tools=()) is None


async def test_a_tool_must_pass_every_glob_that_it_matches_and_is_counted_by_all_or_none(redis: Redis) -> None:
    worker = LimitWorker(redis)
    limited = key(tool_rate_limits={"*": 3, "run_*": 2}, calls_per_month=100, rate_limit_per_minute=100)
    assert await worker.consume(limited, requests=1, tools=["run_a"]) is None
    deny = await worker.consume(limited, requests=2, tools=["run_a", "run_b"])
    assert deny is not None
    assert "2 calls of run_* a minute" in deny.message
    assert await worker.consume(limited, requests=2, tools=["get", "run_b"]) is None
    deny = await worker.consume(limited, requests=1, tools=["get"])
    assert deny is not None
    assert "3 calls of * a minute" in deny.message
    spent = key(calls_per_month=100 - 97)
    assert await worker.consume(spent, requests=1, tools=["get"]) is not None, "three calls were counted"
    assert await worker.consume(key(calls_per_month=4), requests=1, tools=["get"]) is None


async def test_the_counts_of_an_earlier_version_are_kept(redis: Redis) -> None:
    worker = LimitWorker(redis)
    today = NOON // DAY_MS
    await redis.set(f"{{mcpgw}}:spent:key_1:calls:{today}", 5)
    await redis.set(f"{{mcpgw}}:spent:key_1:records:{today}", 5)
    await redis.hset("{mcpgw}:rate:key_1", mapping={(await redis.time())[0] // 2: 5})
    for limit in ("calls_per_day", "records_per_day", "rate_limit_per_minute"):
        assert await worker.consume(key(**cast(Any, {limit: 5})), requests=1, tools=["get"]) is not None
        assert await worker.consume(key(**cast(Any, {limit: 6})), requests=1, tools=["get"]) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    caps=st.dictionaries(st.sampled_from(["*", "a*", "?b", "ab"]), st.integers(1, 8), min_size=1),
    rate=st.none() | st.integers(1, 8),
    steps=st.lists(
        st.tuples(st.integers(0, 8), st.lists(st.sampled_from(["a", "ab", "bb", "c"]), min_size=1, max_size=3)),
        min_size=1,
        max_size=40,
    ),
)
def test_calls_are_admitted_exactly_if_all_windows_of_a_model_have_room(
    valkey_url: str, caps: dict[str, int], rate: int | None, steps: list[tuple[int, list[str]]]
) -> None:
    async def play() -> None:
        async with Redis.from_url(valkey_url) as redis:
            await redis.flushall()
            worker = LimitWorker(redis)
            limited = key(tool_rate_limits=caps, rate_limit_per_minute=rate)
            time, admitted = 0, list[tuple[int, str]]()
            for pause, tools in steps:
                await move_windows(redis, -2 * pause)
                time += 2 * pause
                # A call of 60 s ago may still count.
                has_room = {
                    age: all(
                        sum(fnmatchcase(tool, glob) for when, tool in admitted if time - when < age)
                        + sum(fnmatchcase(tool, glob) for tool in tools)
                        <= cap
                        for glob, cap in [*caps.items(), *([("*", rate)] if rate else [])]
                        if any(fnmatchcase(tool, glob) for tool in tools)
                    )
                    for age in (60, 62)
                }
                deny = await worker.consume(limited, requests=len(tools), tools=tools)
                if deny is None:
                    assert has_room[60]
                    admitted += [(time, tool) for tool in tools]
                else:
                    assert not has_room[62]
            await close_workers()

    asyncio.run(play())


async def test_counters_expire(redis: Redis) -> None:
    worker = LimitWorker(redis)
    limited = key(
        rate_limit_per_minute=5,
        calls_per_day=5,
        records_per_day=5,
        calls_per_month=5,
        records_per_month=5,
        tool_rate_limits={"*": 5},
    )
    await worker.consume(limited, requests=1, tools=["get"])
    await worker.settle(limited, 1)
    names = [*await redis.keys("*spent*"), *await redis.keys("*rate:*")]
    assert len(names) == 6
    ttls = sorted([await redis.ttl(name) for name in names])
    assert all(0 < ttl <= 64 for ttl in ttls[:2])
    assert all(DAY_MS // 1000 < ttl <= 2 * DAY_MS // 1000 for ttl in ttls[2:4])
    assert all(31 * DAY_MS // 1000 < ttl <= 32 * DAY_MS // 1000 for ttl in ttls[4:])
