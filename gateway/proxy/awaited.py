"""The requests whose answers may come on another stream, in Redis, where every worker finds them.

The rules:

- A request is noted before anything could make its client ask for the answer elsewhere. Who passes its answer on takes
  it first, so that of several streams with the same answer one counts it.
- What was taken is confirmed once its usage is safe. A worker that dies in between leaves a claim, which ends after
  `CLAIM_SECONDS`; then the answer is counted where it comes again, under the same event id.
- Each step bears being sent to Redis twice.
- Of a restricted key's requests it is remembered that they were answered, so that a repeated answer can be checked, and
  an id that was used twice is known to tell nothing.
- Redis holds digests of session and task ids, and no session id. How much is noted is bounded, for each scope and in
  all, in number, size and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway import redis_names
from gateway.proxy.asked import Awaited, Found, Scope, digest

LIFETIME = 24 * 3600
"""Seconds that an answer is waited for."""
CLAIM_SECONDS = 5
"""Seconds after which a claim that was not confirmed is nobody's."""
MAX_IN_SCOPE = 10_000
"""Requests of one session, or tasks of one owner, that wait for their answers."""
MAX_IN_ALL = 100_000
_MAX_OF_ONE_ID = 100
_REMEMBERED = 600
"""Seconds for which it is remembered that an answer was counted."""


class TooManyAwaited(Exception):
    """No more can be noted."""


_NOTE = """
local scope, all = KEYS[1], KEYS[2]
local now, deadline, ttl = ARGV[1], ARGV[2], ARGV[3]
redis.call('ZREMRANGEBYSCORE', scope, '-inf', now)
redis.call('ZREMRANGEBYSCORE', all, '-inf', now)
local count = #ARGV - 7
if redis.call('ZCARD', scope) + count > tonumber(ARGV[4]) then return 0 end
if redis.call('ZCARD', all) + count > tonumber(ARGV[5]) then return 0 end
for i = 1, count do
  if redis.call('LLEN', KEYS[1 + 2 * i]) >= tonumber(ARGV[6]) then return 0 end
end
for i = 1, count do
  local waiting, answered, entry = KEYS[1 + 2 * i], KEYS[2 + 2 * i], ARGV[7 + i]
  local is_repeated = redis.call('LREM', waiting, 0, entry) > 0
  if string.sub(entry, 33, 33) == 'r' and not is_repeated then
    if redis.call('EXISTS', answered) == 1 or redis.call('LLEN', waiting) > 0 then
      redis.call('SET', answered, 'ambiguous', 'EX', ttl)
    end
  end
  redis.call('RPUSH', waiting, entry)
  redis.call('EXPIRE', waiting, ttl)
  local event_id = string.sub(entry, 1, 32)
  redis.call('ZADD', scope, deadline, event_id)
  redis.call('ZADD', all, deadline, event_id)
end
redis.call('EXPIRE', scope, ARGV[7])
redis.call('EXPIRE', all, ARGV[7])
return 1
"""
"""An entry is its event id, `r` where its key is restricted (else `-`), and its JSON."""

_TAKE = """
local waiting, answered = KEYS[3], KEYS[4]
local claim, now, ttl, wanted = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[5]
local known = redis.call('GET', answered)
local function is_alone() return redis.call('LLEN', waiting) == 0 and 1 or 0 end
if known then
  local at, by, entry = string.match(known, '^taken (%d+) (%w+) (.*)$')
  if at and (wanted == '' or wanted == entry) then
    if by == claim then return {'taken', entry, is_alone()} end
    if now - tonumber(at) > tonumber(ARGV[4]) then
      redis.call('SET', answered, 'taken ' .. now .. ' ' .. claim .. ' ' .. entry, 'KEEPTTL')
      return {'taken', entry, is_alone()}
    end
  end
end
local entry
if wanted == '' then
  entry = redis.call('LPOP', waiting)
elseif redis.call('LREM', waiting, 1, wanted) > 0 then
  entry = wanted
end
if entry then
  redis.call('ZREM', KEYS[1], string.sub(entry, 1, 32))
  redis.call('ZREM', KEYS[2], string.sub(entry, 1, 32))
  local is_certain = (not known or known == 'counted') and is_alone() or 0
  if known ~= 'ambiguous' then
    redis.call('SET', answered, 'taken ' .. now .. ' ' .. claim .. ' ' .. entry, 'EX', ttl)
  end
  return {'taken', entry, is_certain}
end
if not known or known == 'ambiguous' then return {'unknown', '', 0} end
local entry = string.match(known, '^taken %d+ %w+ (.*)$') or string.match(known, '^answered (.*)$')
return {'counted', entry or '', is_alone()}
"""

_CONFIRM = """
local known = redis.call('GET', KEYS[1])
if not known then return 0 end
local by, entry = string.match(known, '^taken %d+ (%w+) (.*)$')
if by ~= ARGV[1] then return 0 end
if string.sub(entry, 33, 33) == 'r' then
  redis.call('SET', KEYS[1], 'answered ' .. entry, 'KEEPTTL')
else
  redis.call('SET', KEYS[1], 'counted', 'EX', ARGV[2])
end
return 1
"""

_WITHDRAW = """
if redis.call('LREM', KEYS[3], 0, ARGV[1]) > 0 then
  redis.call('ZREM', KEYS[1], string.sub(ARGV[1], 1, 32))
  redis.call('ZREM', KEYS[2], string.sub(ARGV[1], 1, 32))
end
return 1
"""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Awaited)


class AwaitedRequests:
    """The noted requests of one gateway. Every method raises `redis.RedisError` where Redis cannot be asked."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._note = redis.register_script(_NOTE)
        self._take = redis.register_script(_TAKE)
        self._confirm = redis.register_script(_CONFIRM)
        self._withdraw = redis.register_script(_WITHDRAW)

    async def note(self, scope: Scope, requests: Iterable[tuple[str, Awaited]], *, seconds: int = LIFETIME) -> None:
        """Note requests under their ids, all or none. Raises `TooManyAwaited`."""
        keys = [_scope_name(scope), redis_names.AWAITED_IN_ALL]
        entries = []
        for id_, request in requests:
            keys += _names(scope, id_)
            entries.append(_entry(request))
        now = self._now_ms()
        bounds = (MAX_IN_SCOPE, MAX_IN_ALL, _MAX_OF_ONE_ID, LIFETIME)
        if not await self._note(keys=keys, args=[now, now + seconds * 1000, seconds, *bounds, *entries]):
            raise TooManyAwaited

    async def note_task(self, owner: str, task_id: str, made_by: Awaited, *, seconds: int) -> None:
        """Note a task that a call has made. Raises `TooManyAwaited`."""
        await self._redis.set(_task_name(task_id), digest(owner), ex=seconds, nx=True)
        await self.note(Scope(owner, "tasks"), [(task_id, made_by)], seconds=seconds)

    async def is_task_of(self, owner: str, task_id: str) -> bool:
        """Whether a task is not known to be another owner's."""
        held: Any = await self._redis.get(_task_name(task_id))
        return held is None or held == digest(owner).encode()

    async def take(self, scope: Scope, id_: str, claim: str, request: Awaited | None = None) -> Found:
        """Take what waits for an answer under this id, or just this request, in the name of a `claim`."""
        state, entry, is_certain = await self._take(
            keys=[_scope_name(scope), redis_names.AWAITED_IN_ALL, *_names(scope, id_)],
            args=[claim, self._now_ms(), LIFETIME, CLAIM_SECONDS * 1000, _entry(request) if request else b""],
        )
        return Found(state.decode(), _decoder.decode(entry[33:]) if entry else None, is_certain=bool(is_certain))

    async def confirm(self, scope: Scope, id_: str, claim: str) -> None:
        """What was taken under this id in the name of this claim is counted for good."""
        await self._confirm(keys=[_names(scope, id_)[1]], args=[claim, _REMEMBERED])

    async def withdraw(self, scope: Scope, requests: Iterable[tuple[str, Awaited]]) -> None:
        """Forget requests that will not be answered."""
        for id_, request in requests:
            keys = [_scope_name(scope), redis_names.AWAITED_IN_ALL, _names(scope, id_)[0]]
            await self._withdraw(keys=keys, args=[_entry(request)])


def _entry(request: Awaited) -> bytes:
    return request.event_id.encode() + (b"r" if request.is_restricted else b"-") + _encoder.encode(request)


def _names(scope: Scope, id_: str) -> list[str]:
    name = scope.name(id_)
    return [redis_names.AWAITED + name, redis_names.ANSWERED + name]


def _scope_name(scope: Scope) -> str:
    return redis_names.AWAITED_IN_SCOPE + scope.name("")


def _task_name(task_id: str) -> str:
    return redis_names.TASK_OWNER + digest(task_id)
