"""Session ownership, and the sessions that no key has claimed yet.

The rules:

- A session belongs to the owner of the key that first used it, whichever keys the owner uses later. To other owners the
  session does not exist.
- A session opened without a key is unclaimed until a request with a key uses it. After its deadline it may be ended
  upstream. The number of unclaimed sessions per address is bounded; the addresses of an IPv6 network (`source_of`)
  count together.
- These keys hold digests of session ids, except those of unclaimed sessions: ending them upstream needs the whole id.
- A worker caches up to `_MAX_CACHED_SESSIONS` sessions for `_CACHE_SECONDS`, so that requests in a session rarely ask
  Redis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from secrets import token_hex
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway.protocol.forwarded import source_of
from gateway.proxy.admission.admitted_request import Session
from gateway.redis import names as redis_names

_MAX_CACHED_SESSIONS = 20_000
_CACHE_SECONDS = 60.0
_SESSION_TTL = 7 * 24 * 3600
"""Seconds that Redis keeps an unused session."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Session)

# KEYS: the session, the unclaimed sessions. ARGV: the owner, the session for that owner (JSON), the seconds that it is
# kept, the session id, the prefix of the sessions of an address. Returns the session (JSON), with its owner.
_CLAIM = """
local held = redis.call('GET', KEYS[1])
if held then
  local session = cjson.decode(held)
  if session.owner ~= '' then
    redis.call('EXPIRE', KEYS[1], ARGV[3])
    return held
  end
  session.owner = ARGV[1]
  if session.address and session.address ~= '' then
    redis.call('ZREM', ARGV[5] .. session.address, ARGV[4])
    session.address = ''
  end
  held = cjson.encode(session)
else
  held = ARGV[2]
end
redis.call('SET', KEYS[1], held, 'EX', ARGV[3])
redis.call('ZREM', KEYS[2], ARGV[4])
return held
"""

_RESERVATION = "place "
"""Prefix of the reservations among the session ids of an address; a session id has no space."""

# KEYS: the sessions of the address. ARGV: the time, the deadline of the reservation (milliseconds), the sessions
# allowed, the seconds that a reservation is kept, the reservation. Returns 1 if it was made, else 0.
_RESERVE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[4] + 1)
return 1
"""

# KEYS: the sessions of the address. ARGV: the prefix of reservations. Removes any one of them: all are equal.
_RELEASE = """
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(member, 1, #ARGV[1]) == ARGV[1] then return redis.call('ZREM', KEYS[1], member) end
end
return 0
"""

# Replaces a reservation by the session. KEYS: the session, the unclaimed sessions, the sessions of the address. ARGV:
# the session (JSON), the seconds that it is kept, the session id, the deadline (milliseconds), the seconds until then,
# the prefix of reservations.
_REGISTER = """
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[4], ARGV[3])
for _, member in ipairs(redis.call('ZRANGE', KEYS[3], 0, -1)) do
  if string.sub(member, 1, #ARGV[6]) == ARGV[6] then
    redis.call('ZREM', KEYS[3], member)
    break
  end
end
redis.call('ZADD', KEYS[3], ARGV[4], ARGV[3])
redis.call('EXPIRE', KEYS[3], ARGV[5] + 1)
return 1
"""


class Sessions:
    """The sessions of one gateway: in Redis, with a cache per worker."""

    def __init__(
        self,
        redis: Redis,
        *,
        now_ms: Callable[[], int],
        monotonic: Callable[[], float],
        unclaimed_seconds: float,
        open_per_address: int,
    ) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._monotonic = monotonic
        self._unclaimed_seconds = unclaimed_seconds
        self._open_per_address = open_per_address
        self._cache: dict[str, tuple[float, Session]] = {}
        """Sessions by id, each with the time at which it expires from the cache."""
        self._claim = redis.register_script(_CLAIM)
        self._reserve = redis.register_script(_RESERVE)
        self._release = redis.register_script(_RELEASE)
        self._register = redis.register_script(_REGISTER)

    def cached(self, session_id: str, owner: str) -> Session | None:
        """Return the session if the worker has cached it as the owner's; otherwise `None`."""
        session = self._lookup(session_id)
        return session if session is not None and session.owner == owner else None

    async def claim(self, session_id: str, owner: str) -> Session | None:
        """Return the session, claiming it for the owner if it is unclaimed; `None` if it belongs to another owner.

        Raises `redis.RedisError` if Redis is unavailable and the session is not cached.
        """
        session = self._lookup(session_id)
        if session is None:
            stored = await self._claim(
                keys=[_name(session_id), redis_names.UNCLAIMED_SESSIONS],
                args=[
                    owner,
                    _encoder.encode(Session(owner)),
                    _SESSION_TTL,
                    session_id,
                    redis_names.UNCLAIMED_SESSIONS_OF_ADDRESS,
                ],
            )
            session = _decoder.decode(stored)
            self._cache_session(session_id, session)
        return session if session.owner == owner else None

    async def is_claimed(self, session_id: str) -> bool:
        """Return True if the session has an owner: others must not use it. Raises `redis.RedisError`."""
        stored = await self._redis.get(_name(session_id))
        return stored is not None and _decoder.decode(stored).owner != ""

    async def reserve_handshake(self, address: str) -> bool:
        """Reserve one more session without a key for an address; return False if it has too many.

        `register` and `release_handshake` end the reservation; otherwise it ends when an unclaimed session would.
        """
        return bool(
            await self._reserve(
                keys=[redis_names.UNCLAIMED_SESSIONS_OF_ADDRESS + source_of(address)],
                args=[
                    self._now_ms(),
                    self._deadline(),
                    self._open_per_address,
                    self._lifetime(),
                    _RESERVATION + token_hex(8),
                ],
            )
        )

    async def release_handshake(self, address: str) -> None:
        """End the reservation of a session that was not opened. Raises `redis.RedisError`."""
        await self._release(keys=[redis_names.UNCLAIMED_SESSIONS_OF_ADDRESS + source_of(address)], args=[_RESERVATION])

    async def register(self, session_id: str, session: Session) -> None:
        """Store a session that the upstream has just opened; without an owner, it is unclaimed. Raises `RedisError`."""
        if session.owner:
            await self._redis.set(_name(session_id), _encoder.encode(session), ex=_SESSION_TTL)
            self._cache_session(session_id, session)
            return
        session = msgspec.structs.replace(session, address=source_of(session.address))
        await self._register(
            keys=[
                _name(session_id),
                redis_names.UNCLAIMED_SESSIONS,
                redis_names.UNCLAIMED_SESSIONS_OF_ADDRESS + session.address,
            ],
            args=[
                _encoder.encode(session),
                _SESSION_TTL,
                session_id,
                self._deadline(),
                self._lifetime(),
                _RESERVATION,
            ],
        )

    async def take_expired(self, limit: int) -> list[str]:
        """Remove up to `limit` unclaimed sessions whose deadline has passed, and return their ids.

        Each id is returned to one worker only.
        """
        expired: Any = await self._redis.zrangebyscore(
            redis_names.UNCLAIMED_SESSIONS, "-inf", self._now_ms(), start=0, num=limit
        )
        return [
            session_id.decode()
            for session_id in expired
            if await self._redis.zrem(redis_names.UNCLAIMED_SESSIONS, session_id)
        ]

    def _deadline(self) -> int:
        return self._now_ms() + int(self._unclaimed_seconds * 1000)

    def _lifetime(self) -> int:
        return math.ceil(self._unclaimed_seconds)

    def _lookup(self, session_id: str) -> Session | None:
        cached = self._cache.get(session_id)
        return cached[1] if cached is not None and cached[0] > self._monotonic() else None

    def _cache_session(self, session_id: str, session: Session) -> None:
        if session.endpoint and not session.client_name:
            # Its `initialize` is still to come, perhaps to another worker.
            return
        if len(self._cache) >= _MAX_CACHED_SESSIONS:
            # Insertion order is close to the order of age: evict the oldest.
            del self._cache[next(iter(self._cache))]
        self._cache.pop(session_id, None)
        self._cache[session_id] = (self._monotonic() + _CACHE_SECONDS, session)


def _name(session_id: str) -> str:
    return redis_names.SESSION + redis_names.digest(session_id)
