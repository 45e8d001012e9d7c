"""Limits of a key: requests per minute, calls per day, records per day.

The rules:

- A key without limits costs nothing here. A key with limits costs one round trip to Redis per request, which checks and
  consumes all of its limits together, or none.
- In any 60 seconds, at most `rate_limit_per_minute` requests are admitted. They are counted in buckets of
  `_BUCKET_SECONDS`, by the clock of Redis, and the window ends with the bucket in which it began: under steady load, at
  least 60/62 of the limit are admitted.
- Days are those of UTC. The rejection says when the limit resets.
- The records of a result are settled before it is sent: a result that finds the limit used up is not sent. So the limit
  is exceeded by the records of one result at most.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from redis.asyncio import Redis

from gateway.keys.record import KeyRecord
from gateway.proxy.admission.rejections import Deny, limit_exceeded
from gateway.redis import names as redis_names

_MINUTE = 60
_DAY = 24 * 3600
_BUCKET_SECONDS = 2
_UNLIMITED = -1

# KEYS: the buckets of requests, the calls and the records of the day. ARGV: the three limits, the cost in requests and
# in calls. Returns the number of the exceeded limit and, for requests, the milliseconds until they fit; or 0.
_CONSUME = f"""
local limits = {{tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])}}
local requests, calls = tonumber(ARGV[4]), tonumber(ARGV[5])
local width, window = {_BUCKET_SECONDS * 1000}, {_MINUTE * 1000}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest, stale = math.floor((now - window) / width), {{}}
if limits[1] >= 0 and requests > 0 then
  local counts, used = {{}}, 0
  local stored = redis.call('HGETALL', KEYS[1])
  for i = 1, #stored, 2 do
    local bucket, count = tonumber(stored[i]), tonumber(stored[i + 1])
    if bucket < oldest then stale[#stale + 1] = stored[i]
    else counts[#counts + 1] = {{bucket, count}}; used = used + count end
  end
  if used + requests > limits[1] then
    table.sort(counts, function(a, b) return a[1] < b[1] end)
    local fits_at = now + window
    for _, each in ipairs(counts) do
      used = used - each[2]
      if used + requests <= limits[1] then fits_at = (each[1] + 1) * width + window; break end
    end
    return {{1, fits_at - now}}
  end
end
if calls > 0 then
  if limits[2] >= 0 and tonumber(redis.call('GET', KEYS[2]) or '0') + calls > limits[2] then return {{2, 0}} end
  if limits[3] >= 0 and tonumber(redis.call('GET', KEYS[3]) or '0') >= limits[3] then return {{3, 0}} end
end
if limits[1] >= 0 and requests > 0 then
  if #stale > 0 then redis.call('HDEL', KEYS[1], unpack(stale)) end
  redis.call('HINCRBY', KEYS[1], math.floor(now / width), requests)
  redis.call('PEXPIRE', KEYS[1], window + 2 * width)
end
if limits[2] >= 0 and calls > 0 then
  redis.call('INCRBY', KEYS[2], calls)
  redis.call('EXPIRE', KEYS[2], {2 * _DAY})
end
return {{0, 0}}
"""

# KEYS: the records of the day. ARGV: the limit, the records of a result. Returns 1 if they were added.
_SETTLE = f"""
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 0 end
redis.call('INCRBY', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[1], {2 * _DAY})
return 1
"""


def has_limits(key: KeyRecord) -> bool:
    """Return True if the key has a limit."""
    return key.rate_limit_per_minute is not None or key.calls_per_day is not None or key.records_per_day is not None


class Limits:
    """The consumption of all keys, counted in Redis."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._consume = redis.register_script(_CONSUME)
        self._settle = redis.register_script(_SETTLE)

    async def consume(self, key: KeyRecord, *, requests: int, calls: int) -> Deny | None:
        """Consume these requests and calls; if a limit is exceeded, consume nothing and return a `Deny`.

        Raises `redis.RedisError`.
        """
        if not has_limits(key):
            return None
        limits = (key.rate_limit_per_minute, key.calls_per_day, key.records_per_day)
        now = self._now_ms() // 1000
        names = [
            f"{redis_names.RATE_WINDOW}{key.key_id}",
            _daily(key.key_id, "calls", now),
            _daily(key.key_id, "records", now),
        ]
        arguments: list[Any] = [*(_UNLIMITED if limit is None else limit for limit in limits), requests, calls]
        exceeded, wait_ms = await self._consume(keys=names, args=arguments)
        if exceeded == 1:
            resets_at = now - (-wait_ms // 1000)
            return limit_exceeded(f"{key.rate_limit_per_minute} requests a minute", now, resets_at, reason="rate")
        if exceeded == 2:
            return limit_exceeded(f"{key.calls_per_day} tool calls a day", now, _next_day(now), reason="calls")
        return self._records_exceeded(key.records_per_day) if exceeded == 3 else None

    async def settle_records(self, key_id: str, limit: int, records: int) -> Deny | None:
        """Consume the records of a result; if the daily limit is used up, consume none and return a `Deny`.

        Raises `redis.RedisError`.
        """
        name = _daily(key_id, "records", self._now_ms() // 1000)
        is_added = await self._settle(keys=[name], args=[limit, records])
        return None if is_added else self._records_exceeded(limit)

    def _records_exceeded(self, limit: int | None) -> Deny:
        now = self._now_ms() // 1000
        return limit_exceeded(f"{limit} records a day", now, _next_day(now), reason="records")


def _daily(key_id: str, counter: str, now: int) -> str:
    return f"{redis_names.LIMIT_COUNTER}{key_id}:{counter}:{now // _DAY}"


def _next_day(now: int) -> int:
    return (now // _DAY + 1) * _DAY
