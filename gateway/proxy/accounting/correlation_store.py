"""The correlation store: pending requests in Redis, for responses that arrive on another stream or worker.

The rules:

- A request is registered before its client could receive the response on another stream. The worker that passes the
  response on takes it first, so that of several streams with the same response only one counts it.
- Taking is confirmed once the usage event is durable. If the worker dies before, it expires after `TAKE_SECONDS`, and
  the next copy of the response is counted under the same event id.
- Every script may be sent to Redis twice, except `_TAKE` for an ambiguous id: sent twice, it takes two requests.
- For a restricted key, an answered request is kept if its response may be replayed: the replay can then be checked,
  and an id that was used twice is known to be ambiguous.
- These keys hold digests of session and task ids. Stored requests are bounded for each session, for each owner and in
  total, in number, size and time.

Keys of the scripts:

| name | is |
| --- | --- |
| `scope`, `owner`, `all` | sorted sets of the pending requests of a session, of an owner and in total, by deadline |
| `waiting` | list of the entries that are pending under one id |
| `answered` | state of the id after its last response, see below; no key before the first one |

An entry is the event id (32 characters), one letter and the JSON of the request. The letter:

| letter | request |
| --- | --- |
| `-` | of an unrestricted key |
| `k` (kept) | of a restricted key; kept after the response, which may be replayed |
| `o` (only) | of a restricted key; no other request may be pending under the same id |

States of `answered`:

| state | after | next |
| --- | --- | --- |
| `taken TIME TAKER ENTRY` | a worker took the response, at TIME (ms) | by `_CONFIRM`: `answered`, or `counted` |
| `answered ENTRY` | the event of a kept entry is durable | `ambiguous`, if the id is used again |
| `counted` | the event of another entry is durable | `taken`, for a further request with this id |
| `ambiguous` | a kept entry shares its id with another one | none until it expires |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway.proxy.accounting.correlation_models import LookupResult, RegisteredRequest, Scope, pending_name
from gateway.redis import names as redis_names

LIFETIME = 24 * 3600
"""Seconds that a pending request is stored."""
TAKE_SECONDS = 5
"""Seconds after which taking a response expires unless it is confirmed."""
MAX_IN_SESSION = 2_000
"""Maximum number of requests stored for one session."""
MAX_OF_OWNER = 20_000
"""Maximum number of requests stored for all sessions and tasks of one owner."""
MAX_IN_ALL = 100_000
"""Maximum number of requests stored in total."""
_MAX_OF_ONE_ID = 100
_CONFIRMED_SECONDS = 600
"""Seconds that a counted response is remembered."""


class TooManyPendingRequests(Exception):
    """The store is full for this session, for this owner or in total."""


class IdInUse(Exception):
    """Another request with this id is pending, and its response would be indistinguishable."""


# KEYS: scope, owner, all, then waiting and answered of each request. ARGV: the time and the deadline of the requests
# (milliseconds), the seconds that they are kept, the seconds that the sorted sets are kept, the bounds of scope, owner,
# all and of one id, then the entries from `first` on. Returns 'registered', 'full' or 'in use'.
_REGISTER = """
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
return 'registered'
"""

# KEYS: scope, owner, all, waiting, answered. ARGV: the taker, the time (milliseconds), the seconds that the state is
# kept, the milliseconds after which an unconfirmed taker is replaced, the wanted entry ("" for any). Returns the state
# of a `LookupResult`, the entry, and 1 if no other request can be meant.
_TAKE = """
local waiting, answered = KEYS[4], KEYS[5]
local taker, now, ttl, wanted = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[5]
local known = redis.call('GET', answered)
local function is_alone() return redis.call('LLEN', waiting) == 0 and 1 or 0 end
if known then
  local at, by, entry = string.match(known, '^taken (%d+) (%w+) (.*)$')
  if at and (wanted == '' or wanted == entry) then
    if by == taker then return {'taken', entry, is_alone()} end
    if now - tonumber(at) > tonumber(ARGV[4]) then
      redis.call('SET', answered, 'taken ' .. now .. ' ' .. taker .. ' ' .. entry, 'KEEPTTL')
      return {'taken', entry, is_alone()}
    end
  end
end
local entry = wanted
if wanted == '' or redis.call('LREM', waiting, 1, wanted) == 0 then
  -- Of several requests with one id, each is counted once, in whatever order their responses arrive.
  entry = redis.call('LPOP', waiting)
end
if entry then
  if string.sub(entry, 33, 33) ~= 'k' then
    for i = 1, 3 do redis.call('ZREM', KEYS[i], string.sub(entry, 1, 32) .. waiting) end
  end
  local is_certain = (not known or known == 'counted') and is_alone() or 0
  if known ~= 'ambiguous' then
    redis.call('SET', answered, 'taken ' .. now .. ' ' .. taker .. ' ' .. entry, 'EX', ttl)
  end
  return {'taken', entry, is_certain}
end
if not known or known == 'ambiguous' then return {'unknown', '', 0} end
local entry = string.match(known, '^taken %d+ %w+ (.*)$') or string.match(known, '^answered (.*)$')
return {'counted', entry or '', is_alone()}
"""

# KEYS: answered. ARGV: the taker, the seconds that `counted` is kept. Returns 1 if the taker was confirmed.
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

# KEYS: scope, owner, all, waiting. ARGV: the entry.
_WITHDRAW = """
if redis.call('LREM', KEYS[4], 0, ARGV[1]) > 0 then
  for i = 1, 3 do redis.call('ZREM', KEYS[i], string.sub(ARGV[1], 1, 32) .. KEYS[4]) end
end
return 1
"""

# KEYS: scope, owner, all.
_DELETE_SCOPE = """
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
_decoder = msgspec.json.Decoder(RegisteredRequest)


class CorrelationStore:
    """The pending requests of one gateway. Every method raises `redis.RedisError` if Redis is unavailable."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._register = redis.register_script(_REGISTER)
        self._take = redis.register_script(_TAKE)
        self._confirm = redis.register_script(_CONFIRM)
        self._withdraw = redis.register_script(_WITHDRAW)
        self._delete_scope = redis.register_script(_DELETE_SCOPE)

    async def register(
        self, scope: Scope, requests: Iterable[tuple[str, RegisteredRequest]], *, seconds: int = LIFETIME
    ) -> None:
        """Store requests under their ids, all or none. Raises `TooManyPendingRequests`, `IdInUse`."""
        keys = _counters(scope)
        entries = []
        for id_, request in requests:
            keys += _names(scope, id_)
            entries.append(_to_entry(request))
        now = self._now_ms()
        max_in_scope = MAX_OF_OWNER if scope.kind == "tasks" else MAX_IN_SESSION
        bounds = (max_in_scope, MAX_OF_OWNER, MAX_IN_ALL, _MAX_OF_ONE_ID)
        arguments: list[bytes | int] = [now, now + seconds * 1000, seconds, LIFETIME, *bounds, *entries]
        outcome = await self._register(keys=keys, args=arguments)
        if outcome == b"in use":
            raise IdInUse
        if outcome == b"full":
            raise TooManyPendingRequests

    async def register_task(self, owner: str, task_id: str, created_by: RegisteredRequest, *, seconds: int) -> None:
        """Store a task, its owner and the call that created it. Raises `TooManyPendingRequests`."""
        await self._redis.set(_task_owner_name(task_id), redis_names.digest(owner), ex=seconds, nx=True)
        await self.register(Scope(owner, "tasks"), [(task_id, created_by)], seconds=seconds)

    async def none_owned_by_others(self, owner: str, task_ids: Iterable[str]) -> bool:
        """Return True if none of the tasks is known to belong to another owner."""
        own = redis_names.digest(owner).encode()
        owners: list[Any] = await self._redis.mget([_task_owner_name(task_id) for task_id in task_ids])
        return all(found is None or found == own for found in owners)

    async def take(self, scope: Scope, id_: str, taker: str, request: RegisteredRequest | None = None) -> LookupResult:
        """Take the response to the request with this id, or to `request` itself if it is still pending.

        `taker` is a unique token: the same taker, sent again, gets the same request unless the id is ambiguous.
        """
        state, entry, is_certain = await self._take(
            keys=[*_counters(scope), *_names(scope, id_)],
            args=[taker, self._now_ms(), LIFETIME, TAKE_SECONDS * 1000, _to_entry(request) if request else b""],
        )
        return LookupResult(state.decode(), _decoder.decode(entry[33:]) if entry else None, is_certain=bool(is_certain))

    async def confirm(self, scope: Scope, id_: str, taker: str) -> None:
        """Confirm that a response was taken: its usage event is durable, so it is never counted again."""
        await self._confirm(keys=[_names(scope, id_)[1]], args=[taker, _CONFIRMED_SECONDS])

    async def withdraw(self, scope: Scope, requests: Iterable[tuple[str, RegisteredRequest]]) -> None:
        """Remove requests that will get no response."""
        for id_, request in requests:
            await self._withdraw(keys=[*_counters(scope), _names(scope, id_)[0]], args=[_to_entry(request)])

    async def delete_scope(self, scope: Scope) -> None:
        """Remove all pending requests of a session that has ended."""
        await self._delete_scope(keys=_counters(scope))


def _to_entry(request: RegisteredRequest) -> bytes:
    letter = b"-" if not request.is_restricted else b"k" if request.is_kept else b"o"
    return request.event_id.encode() + letter + _encoder.encode(request)


def _names(scope: Scope, id_: str) -> list[str]:
    """Return the names of the list of pending requests with this id, and of the last one answered."""
    return [pending_name(scope, id_), redis_names.ANSWERED_REQUESTS + scope.digest(id_)]


def _counters(scope: Scope) -> list[str]:
    """Return the names of the sorted sets that count pending requests: of the scope, of its owner, in total."""
    owner = redis_names.PENDING_REQUESTS_OF_OWNER + redis_names.digest(scope.owner)
    return [redis_names.PENDING_REQUESTS_OF_SESSION + scope.digest(), owner, redis_names.ALL_PENDING_REQUESTS]


def _task_owner_name(task_id: str) -> str:
    return redis_names.TASK_OWNER + redis_names.digest(task_id)
