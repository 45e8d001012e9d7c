"""The part of each limit that is used and left, and when the limit resets.

The windows of a minute and the slots of calls are read by the clock of Redis, which also counts them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from redis.asyncio import Redis

from gateway.keys.limits import BUCKET_SECONDS, MINUTE, Limit, limits_of, limits_of_policy, period_end
from gateway.keys.record import KeyRecord, OwnerPolicy
from gateway.timestamps import format_rfc3339

_BUCKET_MS = BUCKET_SECONDS * 1000
_MINUTE_MS = MINUTE * 1000

# KEYS: the name of each limit. ARGV: the kind of each. Returns the milliseconds since the epoch and, for each limit,
# the buckets and counts of its window, the number of its calls in flight, or its counter.
_READ = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local found = {}
for i, key in ipairs(KEYS) do
  if ARGV[i] == 'window' then found[i] = redis.call('HGETALL', key)
  elseif ARGV[i] == 'slots' then found[i] = redis.call('ZCOUNT', key, string.format('(%.0f', now), '+inf')
  else found[i] = redis.call('GET', key) or '0' end
end
return {now, found}
"""


class LimitUse(NamedTuple):
    """One limit and its use."""

    limit: Limit
    used: int
    resets_at: int | None
    """Milliseconds since the epoch; `None` for a window without use, and for calls in flight."""

    @property
    def left(self) -> int:
        """Return the part that is left."""
        return max(0, self.limit.cap - self.used)

    def values(self) -> dict[str, Any]:
        """Return the members by which the admin API and the command line describe it."""
        return {
            "name": self.limit.field,
            "of": self.limit.of,
            **({} if self.limit.glob is None else {"tool": self.limit.glob}),
            "limit": self.limit.cap,
            "used": self.used,
            "left": self.left,
            "resets_at": format_rfc3339(self.resets_at),
        }


async def read_uses(redis: Redis, limits: Sequence[Limit], now_ms: int) -> list[LimitUse]:
    """Return the statuses of limits, read in one round trip. Raises `redis.exceptions.RedisError`."""
    if not limits:
        return []
    now = now_ms // 1000
    names = [limit.redis_key(now) for limit in limits]
    redis_now_ms, found = await redis.eval(_READ, len(limits), *names, *(limit.kind for limit in limits))
    return [_status(limit, value, now, redis_now_ms) for limit, value in zip(limits, found, strict=True)]


async def warn_of_use(redis: Redis, record: KeyRecord, fields: Collection[str], now_ms: int) -> list[str]:
    """Return a warning for each limit of the key, of these fields, that is below what is used already.

    Raises `redis.exceptions.RedisError`.
    """
    limits = [limit for limit in limits_of(record) if limit.of == "key"]
    return await _warnings(redis, limits, fields, now_ms)


async def warn_of_pool_use(
    redis: Redis, owner: str, policy: OwnerPolicy, fields: Collection[str], now_ms: int
) -> list[str]:
    """Return a warning for each limit of the policy, of these fields, that is below what the owner's keys used already.

    Raises `redis.exceptions.RedisError`.
    """
    return await _warnings(redis, limits_of_policy(owner, policy), fields, now_ms)


async def _warnings(redis: Redis, limits: Sequence[Limit], fields: Collection[str], now_ms: int) -> list[str]:
    changed = [limit for limit in limits if limit.field in fields]
    return [_warning(status) for status in await read_uses(redis, changed, now_ms) if status.used > status.limit.cap]


def _warning(status: LimitUse) -> str:
    limit = status.limit
    tools = "" if limit.glob is None else f" for {limit.glob}"
    reset = "" if status.resets_at is None else f"; it resets at {format_rfc3339(status.resets_at)}"
    return f"{limit.field} is set to {limit.cap}{tools}, of which {status.used} are used already{reset}"


def _status(limit: Limit, found: Any, now: int, redis_now_ms: int) -> LimitUse:
    match limit.period:
        case None:
            return LimitUse(limit, found, None)
        case "minute":
            pairs = zip(found[::2], found[1::2], strict=True)
            return _window_status(limit, {int(bucket): int(count) for bucket, count in pairs}, redis_now_ms)
        case period:
            return LimitUse(limit, int(found), period_end(period, now) * 1000)


def _window_status(limit: Limit, counts: Mapping[int, int], redis_now_ms: int) -> LimitUse:
    oldest = (redis_now_ms - _MINUTE_MS) // _BUCKET_MS
    counted = {bucket: count for bucket, count in counts.items() if bucket >= oldest and count}
    resets_at = (min(counted) + 1) * _BUCKET_MS + _MINUTE_MS if counted else None
    return LimitUse(limit, sum(counted.values()), resets_at)
