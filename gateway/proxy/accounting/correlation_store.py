"""The requests whose answers may come on another stream, in Redis, where every worker finds them.

The rules:

- A request is noted before anything could make its client ask for the answer elsewhere. Who passes its answer on takes
  it first, so that of several streams with the same answer one counts it.
- What was taken is confirmed once its usage is safe. A worker that dies in between leaves a claim, which ends after
  `CLAIM_SECONDS`; then the answer is counted where it comes again, under the same event id.
- Each step bears being sent to Redis twice.
- Of a restricted key's requests it is remembered that they were answered, where the answer may be repeated: so that it
  can be checked then, and an id that was used twice is known to tell nothing.
- Redis holds digests of session and task ids, and no session id. How much is noted is bounded, for each session, for
  each owner and in all, in number, size and time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway.proxy.accounting.models import LookupResult, PendingRequest, Scope, digest
from gateway.redis import names as redis_names

LIFETIME = 24 * 3600
"""Seconds that an answer is waited for."""
CLAIM_SECONDS = 5
"""Seconds after which a claim that was not confirmed is nobody's."""
MAX_IN_SESSION = 2_000
"""Requests of one session that wait for their answers, or are remembered to have been answered."""
MAX_OF_OWNER = 20_000
"""The same of all sessions and tasks of one owner."""
MAX_IN_ALL = 100_000
_MAX_OF_ONE_ID = 100
_REMEMBERED = 600
"""Seconds for which it is remembered that an answer was counted."""


class TooManyPendingRequests(Exception):
    """No more can be noted."""


class IdInUse(Exception):
    """A request with this id waits for its answer, which could not be told from that to another."""


_NOTE = """
local scope, owner, all = KEYS[1], KEYS[2], KEYS[3]
local now, deadline, ttl, life = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local first = 9
for i, set in ipairs({scope, owner, all}) do
  redis.call('ZREMRANGEBYSCORE', set, '-inf', now)
  if redis.call('ZCARD', set) + #ARGV - first + 1 > tonumber(ARGV[4 + i]) then return 'full' end
end
for i = first, #ARGV do
  local waiting, entry = KEYS[4 + 2 * (i - first)], ARGV[i]
  local length = redis.call('LLEN', waiting)
  if length >= tonumber(ARGV[8]) then return 'full' end
  if length > 0 and string.sub(entry, 33, 33) == 'o' and redis.call('LPOS', waiting, entry) == false then
    return 'in use'
  end
end
for i = first, #ARGV do
  local waiting, answered, entry = KEYS[4 + 2 * (i - first)], KEYS[5 + 2 * (i - first)], ARGV[i]
  if redis.call('LREM', waiting, 0, entry) == 0 and string.sub(entry, 33, 33) == 'k' then
    local known = redis.call('GET', answered)
    if redis.call('LLEN', waiting) > 0 or (known and known ~= 'counted') then
      redis.call('SET', answered, 'ambiguous', 'EX', ttl)
    end
  end
  redis.call('RPUSH', waiting, entry)
  redis.call('EXPIRE', waiting, ttl)
  for _, set in ipairs({scope, owner, all}) do
    redis.call('ZADD', set, deadline, string.sub(entry, 1, 32) .. waiting)
    redis.call('EXPIRE', set, life)
  end
end
return 'noted'
"""
"""An entry is its event id, one letter, and its JSON. `-` stands for a key without limits, `k` and `o` for one with
limits: `k` is kept when it is answered, since the answer may be repeated, and `o` has its id for itself."""

_TAKE = """
local waiting, answered = KEYS[4], KEYS[5]
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
local entry = wanted
if wanted == '' or redis.call('LREM', waiting, 1, wanted) == 0 then
  -- Of several requests of one id each is counted once, in whatever order their answers come.
  entry = redis.call('LPOP', waiting)
end
if entry then
  if string.sub(entry, 33, 33) ~= 'k' then
    for i = 1, 3 do redis.call('ZREM', KEYS[i], string.sub(entry, 1, 32) .. waiting) end
  end
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
if string.sub(entry, 33, 33) == 'k' then
  redis.call('SET', KEYS[1], 'answered ' .. entry, 'KEEPTTL')
else
  redis.call('SET', KEYS[1], 'counted', 'EX', ARGV[2])
end
return 1
"""

_WITHDRAW = """
if redis.call('LREM', KEYS[4], 0, ARGV[1]) > 0 then
  for i = 1, 3 do redis.call('ZREM', KEYS[i], string.sub(ARGV[1], 1, 32) .. KEYS[4]) end
end
return 1
"""

_END = """
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local waiting = string.sub(member, 33)
  redis.call('DEL', waiting)
  redis.call('ZREM', KEYS[2], member)
  redis.call('ZREM', KEYS[3], member)
end
redis.call('DEL', KEYS[1])
return 1
"""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(PendingRequest)


class CorrelationStore:
    """The noted requests of one gateway. Every method raises `redis.RedisError` where Redis cannot be asked."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._note = redis.register_script(_NOTE)
        self._take = redis.register_script(_TAKE)
        self._confirm = redis.register_script(_CONFIRM)
        self._withdraw = redis.register_script(_WITHDRAW)
        self._end = redis.register_script(_END)

    async def note(
        self, scope: Scope, requests: Iterable[tuple[str, PendingRequest]], *, seconds: int = LIFETIME
    ) -> None:
        """Note requests under their ids, all or none. Raises `TooManyPendingRequests`, `IdInUse`."""
        keys = _sets(scope)
        entries = []
        for id_, request in requests:
            keys += _names(scope, id_)
            entries.append(_entry(request))
        now = self._now_ms()
        in_scope = MAX_OF_OWNER if scope.kind == "tasks" else MAX_IN_SESSION
        bounds = (in_scope, MAX_OF_OWNER, MAX_IN_ALL, _MAX_OF_ONE_ID)
        arguments: list[bytes | int] = [now, now + seconds * 1000, seconds, LIFETIME, *bounds, *entries]
        outcome = await self._note(keys=keys, args=arguments)
        if outcome == b"in use":
            raise IdInUse
        if outcome == b"full":
            raise TooManyPendingRequests

    async def note_task(self, owner: str, task_id: str, made_by: PendingRequest, *, seconds: int) -> None:
        """Note a task that a call has made. Raises `TooManyPendingRequests`."""
        await self._redis.set(_task_name(task_id), digest(owner), ex=seconds, nx=True)
        await self.note(Scope(owner, "tasks"), [(task_id, made_by)], seconds=seconds)

    async def are_tasks_of(self, owner: str, task_ids: Iterable[str]) -> bool:
        """Whether none of some tasks is known to be another owner's."""
        own = digest(owner).encode()
        owners: list[Any] = await self._redis.mget([_task_name(task_id) for task_id in task_ids])
        return all(held is None or held == own for held in owners)

    async def take(self, scope: Scope, id_: str, claim: str, request: PendingRequest | None = None) -> LookupResult:
        """Take what waits for an answer under this id in the name of a `claim`: this request, if it still does."""
        state, entry, is_certain = await self._take(
            keys=[*_sets(scope), *_names(scope, id_)],
            args=[claim, self._now_ms(), LIFETIME, CLAIM_SECONDS * 1000, _entry(request) if request else b""],
        )
        return LookupResult(state.decode(), _decoder.decode(entry[33:]) if entry else None, is_certain=bool(is_certain))

    async def confirm(self, scope: Scope, id_: str, claim: str) -> None:
        """What was taken under this id in the name of this claim is counted for good."""
        await self._confirm(keys=[_names(scope, id_)[1]], args=[claim, _REMEMBERED])

    async def withdraw(self, scope: Scope, requests: Iterable[tuple[str, PendingRequest]]) -> None:
        """Forget requests that will not be answered."""
        for id_, request in requests:
            await self._withdraw(keys=[*_sets(scope), _names(scope, id_)[0]], args=[_entry(request)])

    async def end(self, scope: Scope) -> None:
        """Forget all that waits in a session that is over."""
        await self._end(keys=_sets(scope))


def _entry(request: PendingRequest) -> bytes:
    letter = b"-" if not request.is_restricted else b"k" if request.is_kept else b"o"
    return request.event_id.encode() + letter + _encoder.encode(request)


def _names(scope: Scope, id_: str) -> list[str]:
    name = scope.name(id_)
    return [redis_names.PENDING_REQUESTS + name, redis_names.ANSWERED_REQUESTS + name]


def _sets(scope: Scope) -> list[str]:
    """What counts the requests that wait: in the scope, of its owner, in all."""
    owner = redis_names.PENDING_REQUESTS_OF_OWNER + digest(scope.owner)
    return [redis_names.PENDING_REQUESTS_OF_SESSION + scope.name(""), owner, redis_names.ALL_PENDING_REQUESTS]


def _task_name(task_id: str) -> str:
    return redis_names.TASK_OWNER + digest(task_id)
