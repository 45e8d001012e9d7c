"""The used and remaining part of each limit, read from a real Redis."""

from __future__ import annotations

import pytest
from redis.asyncio import Redis

from gateway.keys.limit_use import LimitUse, read_uses, warn_of_use
from gateway.keys.limits import Limit, limits_of, owner_subject
from gateway.keys.record import KeyRecord, OwnerPolicy
from gateway.redis.names import CALL_SLOTS, LIMIT_COUNTER, RATE_WINDOW

OWNER = "ada@example.com"
NOON = 1_769_860_800_000
"""2026-01-31T12:00:00Z, in milliseconds."""
MIDNIGHT = NOON + 12 * 3_600_000
"""The end of that day, and of the month."""


def key(**fields: object) -> KeyRecord:
    values = {"key_id": "key_1", "key_name": "laptop", "key_prefix": "sk-1", "owner": OWNER, "created_at": 0}
    return KeyRecord(**values, **fields)  # type: ignore[arg-type]


async def bucket_of(redis: Redis) -> int:
    """Return the bucket of the present, by the clock of Redis."""
    seconds, _ = await redis.time()
    return int(seconds) // 2


async def test_an_unlimited_key_has_no_statuses(redis: Redis) -> None:
    assert await read_uses(redis, limits_of(key()), NOON) == []


async def test_an_unused_limit_is_left_whole(redis: Redis) -> None:
    record = key(rate_limit_per_minute=5, calls_per_day=6, max_concurrent=7, tool_rate_limits={"run_*": 8})
    statuses = await read_uses(redis, limits_of(record), NOON)
    assert [(one.limit.field, one.used, one.left, one.resets_at) for one in statuses] == [
        ("rate_limit_per_minute", 0, 5, None),
        ("calls_per_day", 0, 6, MIDNIGHT),
        ("max_concurrent", 0, 7, None),
        ("tool_rate_limits", 0, 8, None),
    ]


async def test_a_window_counts_the_buckets_of_the_last_minute_and_resets_when_the_oldest_leaves(redis: Redis) -> None:
    bucket = await bucket_of(redis)
    counts = {bucket - 40: 100, bucket - 20: 3, bucket - 1: 4}
    await redis.hset(RATE_WINDOW + "key_1", mapping={str(one): count for one, count in counts.items()})
    [status] = await read_uses(redis, limits_of(key(rate_limit_per_minute=10)), NOON)
    assert (status.used, status.left, status.resets_at) == (7, 3, (bucket - 20 + 1) * 2000 + 60_000)


async def test_days_and_months_are_those_of_utc(redis: Redis) -> None:
    await redis.set(f"{LIMIT_COUNTER}key_1:calls:{NOON // 86_400_000}", 4)
    await redis.set(f"{LIMIT_COUNTER}key_1:records:2026-01", 9)
    record = key(calls_per_day=10, records_per_month=8)
    statuses = await read_uses(redis, limits_of(record), NOON)
    assert [(one.used, one.left, one.resets_at) for one in statuses] == [(4, 6, MIDNIGHT), (9, 0, MIDNIGHT)]
    next_day = await read_uses(redis, limits_of(record), MIDNIGHT)
    assert [one.used for one in next_day] == [0, 0]


async def test_only_slots_with_a_deadline_in_the_future_are_calls_in_flight(redis: Redis) -> None:
    seconds, _ = await redis.time()
    deadlines = {"crashed": (seconds - 5) * 1000, "one": (seconds + 20) * 1000, "two": (seconds + 25) * 1000}
    await redis.zadd(CALL_SLOTS + "key_1", deadlines)
    [status] = await read_uses(redis, limits_of(key(max_concurrent=3)), NOON)
    assert (status.used, status.left, status.resets_at) == (2, 1, None)


async def test_the_pools_of_the_owner_follow_the_limits_of_the_key(redis: Redis) -> None:
    await redis.set(f"{LIMIT_COUNTER}{owner_subject(OWNER)}:calls:{NOON // 86_400_000}", 90)
    record = key(calls_per_day=10, owner_policy=OwnerPolicy(calls_per_day=100))
    statuses = await read_uses(redis, limits_of(record), NOON)
    assert [one.values() for one in statuses] == [
        {
            "name": "calls_per_day",
            "of": of,
            "limit": limit,
            "used": used,
            "left": 10,
            "resets_at": "2026-02-01T00:00:00.000Z",
        }
        for of, limit, used in (("key", 10, 0), ("owner", 100, 90))
    ]


def test_the_limit_of_tools_names_their_glob() -> None:
    limit = Limit("tool_rate_limits", "key", "key_1", 5, "calls", "minute", "run_*")
    assert LimitUse(limit, 2, None).values() == {
        "name": "tool_rate_limits",
        "of": "key",
        "tool": "run_*",
        "limit": 5,
        "used": 2,
        "left": 3,
        "resets_at": None,
    }


@pytest.mark.parametrize(
    ("limits", "changed", "warnings"),
    [
        (
            {"calls_per_day": 5},
            {"calls_per_day"},
            ["calls_per_day is set to 5, of which 7 are used already; it resets at 2026-02-01T00:00:00.000Z"],
        ),
        ({"calls_per_day": 7}, {"calls_per_day"}, []),
        ({"calls_per_day": 5}, {"key_name", "records_per_day"}, []),
        (
            {"max_concurrent": 1},
            {"max_concurrent"},
            ["max_concurrent is set to 1, of which 2 are used already"],
        ),
    ],
)
async def test_a_changed_limit_below_what_is_used_is_warned_of(
    redis: Redis, limits: dict[str, int], changed: set[str], warnings: list[str]
) -> None:
    await redis.set(f"{LIMIT_COUNTER}key_1:calls:{NOON // 86_400_000}", 7)
    seconds, _ = await redis.time()
    await redis.zadd(CALL_SLOTS + "key_1", {"one": (seconds + 20) * 1000, "two": (seconds + 20) * 1000})
    record = key(**limits, owner_policy=OwnerPolicy(calls_per_day=1))
    assert await warn_of_use(redis, record, changed, NOON) == warnings
