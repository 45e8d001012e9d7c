"""Limits of a key: requests and calls of tools per minute, calls and records per day and month.

The rules:

- A key without limits costs nothing here. A key with limits costs one round trip to Redis per request, which checks and
  consumes all of its limits together, or none.
- In any 60 seconds, at most the limit of a minute is admitted. It is counted in buckets of `_BUCKET_SECONDS`, by the
  clock of Redis, and the window ends with the bucket in which it began: under steady load, at least 60/62 of the limit
  are admitted.
- All tools that match a glob of `tool_rate_limits` share its limit. A tool that matches several must pass all.
- Days and months are those of UTC. The rejection names an exceeded limit of the longest period, and when it resets.
- The records of a result are settled before it is sent: a result that finds a limit used up is not sent. So a limit is
  exceeded by the records of one result at most.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from redis.asyncio import Redis

from gateway.keys.record import KeyRecord
from gateway.proxy.admission.rejections import Deny, limit_exceeded
from gateway.redis import names as redis_names

_MINUTE = 60
_DAY = 24 * 3600
_BUCKET_SECONDS = 2

_Period = Literal["minute", "day", "month"]
_Caps = dict[_Period, int | None]
_KEPT_SECONDS: dict[_Period, int] = {"minute": _MINUTE + 2 * _BUCKET_SECONDS, "day": 2 * _DAY, "month": 32 * _DAY}
"""Seconds for which Redis keeps a window or counter after its last use."""

# KEYS: one window or counter per limit. ARGV: for each limit its period, its cap, how much of it must be left, its cost
# and the seconds that it is kept. Returns the number of the first exceeded limit and, for a window, the milliseconds
# until it is not; or 0.
_CONSUME = f"""
local width, window = {_BUCKET_SECONDS * 1000}, {_MINUTE * 1000}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest, stale = math.floor((now - window) / width), {{}}

local function wait_for_window(key, cap, needed)
  local counts, used, stored = {{}}, 0, redis.call('HGETALL', key)
  stale[key] = {{}}
  for i = 1, #stored, 2 do
    local bucket, count = tonumber(stored[i]), tonumber(stored[i + 1])
    if bucket < oldest then table.insert(stale[key], stored[i])
    else counts[#counts + 1] = {{bucket, count}}; used = used + count end
  end
  if used + needed <= cap then return nil end
  table.sort(counts, function(a, b) return a[1] < b[1] end)
  for _, each in ipairs(counts) do
    used = used - each[2]
    if used + needed <= cap then return (each[1] + 1) * width + window - now end
  end
  return window
end

for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  local cap, needed = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  if ARGV[at + 1] == 'minute' then
    local wait = wait_for_window(key, cap, needed)
    if wait then return {{i, wait}} end
  elseif tonumber(redis.call('GET', key) or '0') + needed > cap then return {{i, 0}} end
end
for i, key in ipairs(KEYS) do
  local at = (i - 1) * 5
  local cost, kept = ARGV[at + 4], ARGV[at + 5]
  if cost ~= '0' then
    if ARGV[at + 1] == 'minute' then
      if #stale[key] > 0 then redis.call('HDEL', key, unpack(stale[key])) end
      redis.call('HINCRBY', key, math.floor(now / width), cost)
    else redis.call('INCRBY', key, cost) end
    redis.call('EXPIRE', key, kept)
  end
end
return {{0, 0}}
"""


class _Limit(NamedTuple):
    """One limit, and what a request or result consumes of it."""

    name: str
    """The name in Redis of its window or counter."""
    cap: int
    unit: str
    period: _Period
    reason: str
    needed: int
    """The part of it that must be left."""
    cost: int


def has_limits(key: KeyRecord) -> bool:
    """Return True if the key has a limit."""
    return (
        key.rate_limit_per_minute is not None
        or key.calls_per_day is not None
        or key.calls_per_month is not None
        or key.has_record_limits
        or bool(key.tool_rate_limits)
    )


class Limits:
    """The consumption of all keys, counted in Redis."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._script = redis.register_script(_CONSUME)

    async def consume(self, key: KeyRecord, *, requests: int, tools: Sequence[str]) -> Deny | None:
        """Consume these requests and calls of tools; if a limit is exceeded, consume nothing and return a `Deny`.

        Raises `redis.RedisError`.
        """
        now = self._now_ms() // 1000
        limits: list[_Limit] = []
        if requests and key.rate_limit_per_minute is not None:
            name, cap = redis_names.RATE_WINDOW + key.key_id, key.rate_limit_per_minute
            limits.append(_Limit(name, cap, "requests", "minute", reason="rate", needed=requests, cost=requests))
        if tools:
            limits += _tool_limits(key, tools)
            limits += _call_limits(key, now, calls=len(tools))
            limits += _record_limits(key.key_id, key.records_per_day, key.records_per_month, now, records=0)
        return await self._consume(limits, now)

    async def settle_records(
        self, key_id: str, records: int, per_day: int | None, per_month: int | None
    ) -> Deny | None:
        """Consume the records of a result; if one of the limits is used up, consume none and return a `Deny`.

        Raises `redis.RedisError`.
        """
        now = self._now_ms() // 1000
        return await self._consume(_record_limits(key_id, per_day, per_month, now, records=records), now)

    async def _consume(self, limits: Sequence[_Limit], now: int) -> Deny | None:
        """Consume all of the limits or none."""
        if not limits:
            return None
        limits = sorted(limits, key=lambda limit: -_KEPT_SECONDS[limit.period])
        arguments: list[str | int] = []
        for limit in limits:
            arguments += [limit.period, limit.cap, limit.needed, limit.cost, _KEPT_SECONDS[limit.period]]
        exceeded, wait_ms = await self._script(keys=[limit.name for limit in limits], args=arguments)
        if not exceeded:
            return None
        limit = limits[exceeded - 1]
        resets_at = now - (-wait_ms // 1000) if limit.period == "minute" else _end(limit.period, now)
        return limit_exceeded(f"{limit.cap} {limit.unit} a {limit.period}", now, resets_at, limit.reason)


def _record_limits(key_id: str, per_day: int | None, per_month: int | None, now: int, *, records: int) -> list[_Limit]:
    """Return the limits of records, of which at least one record must be left whatever the result has."""
    caps: _Caps = {"day": per_day, "month": per_month}
    return _counter_limits(key_id, "records", caps, now, reason="records", needed=1, cost=records)


def _call_limits(key: KeyRecord, now: int, *, calls: int) -> list[_Limit]:
    caps: _Caps = {"day": key.calls_per_day, "month": key.calls_per_month}
    return _counter_limits(key.key_id, "tool calls", caps, now, reason="calls", needed=calls, cost=calls)


def _counter_limits(
    key_id: str, unit: str, caps: _Caps, now: int, *, reason: str, needed: int, cost: int
) -> list[_Limit]:
    """Return the limits of a day and a month; the counters in Redis are named by the reason of their rejection."""
    return [
        _Limit(_counter(key_id, reason, period, now), cap, unit, period, reason, needed, cost)
        for period, cap in caps.items()
        if cap is not None
    ]


def _tool_limits(key: KeyRecord, tools: Sequence[str]) -> list[_Limit]:
    limits = []
    for glob, cap in (key.tool_rate_limits or {}).items():
        if calls := sum(fnmatchcase(tool, glob) for tool in tools):
            name = f"{redis_names.TOOL_RATE_WINDOW}{key.key_id}:{redis_names.digest(glob)}"
            unit = f"calls of {glob}"
            limits.append(_Limit(name, cap, unit, "minute", reason="tool_rate", needed=calls, cost=calls))
    return limits


def _counter(key_id: str, counter: str, period: _Period, now: int) -> str:
    current = now // _DAY if period == "day" else datetime.fromtimestamp(now, UTC).strftime("%Y-%m")
    return f"{redis_names.LIMIT_COUNTER}{key_id}:{counter}:{current}"


def _end(period: _Period, now: int) -> int:
    """Return the end of the day or month."""
    if period == "day":
        return (now // _DAY + 1) * _DAY
    month = datetime.fromtimestamp(now, UTC).replace(day=1, hour=0, minute=0, second=0)
    return int(month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1).timestamp())
