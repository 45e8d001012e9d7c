"""Limits of a key: requests per minute, calls per day, records per day.

The rules:

- A key without limits costs nothing here. A key with limits costs one round trip to Redis per request, which checks and
  consumes all of its limits together, or none.
- Windows are fixed: the minute and the day of UTC. The rejection says when the window ends.
- Records are counted after a call. The call that exceeds the limit is still answered; the next one is rejected.
"""

from __future__ import annotations

from collections.abc import Callable

from redis.asyncio import Redis

from gateway.keys.record import KeyRecord
from gateway.proxy.admission.rejections import Deny, limit_exceeded
from gateway.redis import names as redis_names

_MINUTE = 60
_DAY = 24 * 3600
_UNLIMITED = -1

_CONSUME = """
local limits = {tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])}
local costs = {tonumber(ARGV[4]), tonumber(ARGV[5]), 0}
for i = 1, 3 do
  if limits[i] >= 0 then
    local spent = tonumber(redis.call('GET', KEYS[i]) or '0')
    if costs[i] > 0 and spent + costs[i] > limits[i] then return i end
    if i == 3 and costs[2] > 0 and spent >= limits[i] then return i end
  end
end
for i = 1, 2 do
  if limits[i] >= 0 and costs[i] > 0 then
    redis.call('INCRBY', KEYS[i], costs[i])
    redis.call('EXPIRE', KEYS[i], ARGV[5 + i])
  end
end
return 0
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

    async def consume(self, key: KeyRecord, *, requests: int, calls: int) -> Deny | None:
        """Consume these requests and calls; if a limit is exceeded, consume nothing and return a `Deny`.

        Raises `redis.RedisError`.
        """
        if not has_limits(key):
            return None
        limits = (key.rate_limit_per_minute, key.calls_per_day, key.records_per_day)
        now = self._now_ms() // 1000
        exceeded = await self._consume(
            keys=[
                _name(key.key_id, "requests", now // _MINUTE),
                _name(key.key_id, "calls", now // _DAY),
                _name(key.key_id, "records", now // _DAY),
            ],
            args=[
                *(_UNLIMITED if limit is None else limit for limit in limits),
                requests,
                calls,
                2 * _MINUTE,
                2 * _DAY,
            ],
        )
        if exceeded == 1:
            return _exceeded(f"{key.rate_limit_per_minute} requests a minute", now, _MINUTE, "rate")
        if exceeded == 2:
            return _exceeded(f"{key.calls_per_day} tool calls a day", now, _DAY, "calls")
        if exceeded == 3:
            return _exceeded(f"{key.records_per_day} records a day", now, _DAY, "records")
        return None

    async def consume_records(self, key_id: str, records: int) -> None:
        """Add the records of answered calls of a key with a daily limit of records. Raises `redis.RedisError`."""
        if records == 0:
            return
        name = _name(key_id, "records", self._now_ms() // 1000 // _DAY)
        async with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.incrby(name, records)
            pipeline.expire(name, 2 * _DAY)
            await pipeline.execute()


def _name(key_id: str, counter: str, window: int) -> str:
    return f"{redis_names.LIMIT_COUNTER}{key_id}:{counter}:{window}"


def _exceeded(limit: str, now: int, window: int, reason: str) -> Deny:
    return limit_exceeded(limit, now, (now // window + 1) * window, reason)
