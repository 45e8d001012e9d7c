"""Alerts in Redis: those that wait, and the history of those that were sent or have failed.

- A cause becomes an alert in one script, which also remembers its window: of several processes that find the same
  cause, one raises it, and a process that is killed loses no alert.
- An alert that was never tried is due before those that are tried again.
- The history is bounded in length and age, with the waiting alerts in it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import msgspec
from redis.asyncio import Redis

from gateway.alerts.alert import Alert, Cause, new_alert
from gateway.redis import names as redis_names
from gateway.uuid7 import new_uuid7

MAX_ALERTS = 10_000
MAX_AGE_SECONDS = 30 * 86_400
_PAGE = 500
_TRIMMED_AT_ONCE = 100

_KEYS = (redis_names.ALERT_IDS, redis_names.ALERTS, redis_names.WAITING_ALERTS)

# KEYS: the ids by time, the alerts, the waiting ones. ARGV: the alerts to keep, the time of the oldest to keep, the
# alerts to remove at most.
_TRIM = """
local function trim(keep, oldest, most)
  local removed = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. oldest, 'LIMIT', 0, most)
  local surplus = redis.call('ZCARD', KEYS[1]) - keep
  if surplus > #removed then removed = redis.call('ZRANGE', KEYS[1], 0, math.min(surplus, most) - 1) end
  for _, id in ipairs(removed) do
    redis.call('ZREM', KEYS[1], id)
    redis.call('HDEL', KEYS[2], id)
    redis.call('ZREM', KEYS[3], id)
  end
  return #removed
end
"""
# KEYS: in addition, the window. ARGV: in addition, the alert's id, its time, the alert, and the milliseconds for which
# the window is remembered. Returns 1 if the alert is stored, also if the script was sent twice; otherwise 0.
_RAISE = (
    _TRIM
    + """
if not redis.call('SET', KEYS[4], ARGV[4], 'NX', 'PX', ARGV[7]) then
  return redis.call('GET', KEYS[4]) == ARGV[4] and 1 or 0
end
redis.call('HSET', KEYS[2], ARGV[4], ARGV[6])
redis.call('ZADD', KEYS[1], ARGV[5], ARGV[4])
redis.call('ZADD', KEYS[3], 0, ARGV[4])
trim(tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]))
return 1
"""
)
# KEYS: as for _TRIM. ARGV: the id, the alert, the time of the next attempt, or "" for none.
_UPDATE = """
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then
  redis.call('ZREM', KEYS[3], ARGV[1])
  return 0
end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
if ARGV[3] == '' then redis.call('ZREM', KEYS[3], ARGV[1]) else redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1]) end
return 1
"""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Alert).decode


class AlertQueue:
    """The alerts of one gateway. Methods raise `redis.exceptions.RedisError`."""

    def __init__(
        self,
        redis: Redis,
        *,
        now_ms: Callable[[], int],
        new_id: Callable[[int], str] = new_uuid7,
        max_alerts: int = MAX_ALERTS,
    ) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._new_id = new_id
        self._max_alerts = max_alerts

    async def raise_alerts(self, causes: Sequence[Cause]) -> list[Alert]:
        """Store an alert for each cause whose window has none, and return these alerts."""
        raised = []
        for start in range(0, len(causes), _PAGE):
            some = causes[start : start + _PAGE]
            known = await self._redis.mget([_window(cause) for cause in some])
            await self._extend([cause for cause, mark in zip(some, known, strict=True) if mark and cause.extends])
            for cause, mark in zip(some, known, strict=True):
                if mark is None and (alert := await self._raise(cause)) is not None:
                    raised.append(alert)
        return raised

    async def due(self, limit: int) -> list[Alert]:
        """Return alerts to send now."""
        ids = await self._redis.zrangebyscore(redis_names.WAITING_ALERTS, "-inf", self._now_ms(), 0, limit)
        return await self._read(cast(list[bytes], ids))

    async def update(self, alert: Alert, next_attempt: int | None) -> None:
        """Store the state of an alert after an attempt; without a next one, it waits no longer."""
        arguments = (alert.id, _encode(alert), "" if next_attempt is None else next_attempt)
        await self._redis.eval(_UPDATE, len(_KEYS), *_KEYS, *arguments)

    async def get(self, alert_id: str) -> Alert | None:
        """Return an alert, or `None` if it does not exist."""
        found = await self._read([alert_id.encode()])
        return found[0] if found else None

    async def page(self, after: str | None, limit: int) -> list[Alert]:
        """Return alerts, newest first, from the one after this id on; none if the id is unknown."""
        first = 0
        if after is not None:
            rank: Any = await self._redis.zrevrank(redis_names.ALERT_IDS, after)
            if rank is None:
                return []
            first = rank + 1
        ids: Any = await self._redis.zrange(redis_names.ALERT_IDS, first, first + limit - 1, desc=True)
        return await self._read(ids)

    async def waiting(self) -> int:
        """Return the number of alerts that were not sent yet."""
        return int(await self._redis.zcard(redis_names.WAITING_ALERTS))

    async def trim(self) -> None:
        """Remove alerts that are too old or too many."""
        while await self._redis.eval(
            _TRIM + "return trim(tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]))", len(_KEYS), *_KEYS, *self._bounds()
        ):
            pass

    async def _raise(self, cause: Cause) -> Alert | None:
        now = self._now_ms()
        alert = new_alert(cause, self._new_id(now), now)
        keys = (*_KEYS, _window(cause))
        arguments = (*self._bounds(), alert.id, now, _encode(alert), cause.hold_ms)
        return alert if await self._redis.eval(_RAISE, len(keys), *keys, *arguments) else None

    async def _extend(self, causes: Sequence[Cause]) -> None:
        if not causes:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            for cause in causes:
                pipe.pexpire(_window(cause), cause.hold_ms)
            await pipe.execute()

    async def _read(self, ids: Sequence[bytes]) -> list[Alert]:
        found = await self._redis.hmget(redis_names.ALERTS, list(ids)) if ids else []
        return [_decode(stored) for stored in found if stored is not None]

    def _bounds(self) -> tuple[int, int, int]:
        return self._max_alerts, self._now_ms() - MAX_AGE_SECONDS * 1000, _TRIMMED_AT_ONCE


def _window(cause: Cause) -> str:
    return redis_names.ALERT_WINDOW + redis_names.digest(cause.type, cause.subject, cause.window)
