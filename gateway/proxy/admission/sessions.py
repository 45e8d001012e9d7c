"""Which owner an MCP session belongs to, and the sessions that no key has claimed yet.

The rules:

- A session belongs to the owner of the key that first used it; keys come and go, the owner stays. Another owner is
  told that there is no such session.
- A session opened without a key is unclaimed until a key uses it; after its deadline it may be ended upstream. How many
  an address may have open at once is bounded.
- Redis holds only the digest of a session id, but for the unclaimed, whose ids are needed to end them.
- A worker remembers at most `_MAX_REMEMBERED` sessions for `_REMEMBER_SECONDS`, so that a session's calls seldom ask
  Redis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from secrets import token_hex
from typing import Any

import msgspec
from redis.asyncio import Redis

from gateway.redis import names as redis_names

_MAX_REMEMBERED = 20_000
_REMEMBER_SECONDS = 60.0
_SESSION_TTL = 7 * 24 * 3600
"""Seconds that Redis keeps a session that is not used."""


class Session(msgspec.Struct, frozen=True):
    """What is known of a session."""

    owner: str
    """Empty while unclaimed."""
    client_name: str = ""
    client_version: str = ""
    protocol_version: str = ""
    address: str = ""
    """Where an unclaimed session was opened from."""
    endpoint: str = ""
    """The upstream's path for its messages (the HTTP+SSE transport of 2024-11-05); else empty."""
    endpoint_query: str = ""
    """Digest of the query that belongs to it; empty where the path has its own."""


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Session)

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

_PLACE = "place "
"""How the places of sessions begin that are being opened; no session id has a space."""

_TAKE_PLACE = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[4] + 1)
return 1
"""

_GIVE_BACK = """
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(member, 1, #ARGV[1]) == ARGV[1] then return redis.call('ZREM', KEYS[1], member) end
end
return 0
"""
"""One place is as good as another."""

_OPEN = """
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
    """The sessions of one gateway, in Redis, with a worker's memory of them."""

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
        self._remembered: dict[str, tuple[float, Session]] = {}
        self._claim = redis.register_script(_CLAIM)
        self._take_place = redis.register_script(_TAKE_PLACE)
        self._give_back = redis.register_script(_GIVE_BACK)
        self._open = redis.register_script(_OPEN)

    def recall(self, session_id: str, owner: str) -> Session | None:
        """What `claim` gives, where the worker remembers the session as the owner's; else `None`."""
        session = self._recalled(session_id)
        return session if session is not None and session.owner == owner else None

    async def claim(self, session_id: str, owner: str) -> Session | None:
        """The session, if it is the owner's, or becomes it now; `None` where it is another's.

        Raises `redis.RedisError` where Redis cannot be asked and the worker does not remember the session.
        """
        session = self._recalled(session_id)
        if session is None:
            held = await self._claim(
                keys=[_name(session_id), redis_names.UNCLAIMED_SESSIONS],
                args=[owner, _encoder.encode(Session(owner)), _SESSION_TTL, session_id, redis_names.OPEN_HANDSHAKES],
            )
            session = _decoder.decode(held)
            self._remember(session_id, session)
        return session if session.owner == owner else None

    async def is_claimed(self, session_id: str) -> bool:
        """Whether a session has an owner, so that nobody without a key may enter it. Raises `redis.RedisError`."""
        held = await self._redis.get(_name(session_id))
        return held is not None and _decoder.decode(held).owner != ""

    async def may_open(self, address: str) -> bool:
        """Whether an address may open one more session without a key; if so, a place is taken for it.

        `opened` and `not_opened` give the place back; or it is free again when an unclaimed session would be.
        """
        return bool(
            await self._take_place(
                keys=[redis_names.OPEN_HANDSHAKES + address],
                args=[
                    self._now_ms(),
                    self._deadline(),
                    self._open_per_address,
                    self._lifetime(),
                    _PLACE + token_hex(8),
                ],
            )
        )

    async def not_opened(self, address: str) -> None:
        """Give back the place of a session that was not opened."""
        await self._give_back(keys=[redis_names.OPEN_HANDSHAKES + address], args=[_PLACE])

    async def opened(self, session_id: str, session: Session) -> None:
        """Note a session that the upstream has just opened; without an owner it is unclaimed from now on."""
        if session.owner:
            await self._redis.set(_name(session_id), _encoder.encode(session), ex=_SESSION_TTL)
            self._remember(session_id, session)
            return
        await self._open(
            keys=[_name(session_id), redis_names.UNCLAIMED_SESSIONS, redis_names.OPEN_HANDSHAKES + session.address],
            args=[_encoder.encode(session), _SESSION_TTL, session_id, self._deadline(), self._lifetime(), _PLACE],
        )

    def _deadline(self) -> int:
        return self._now_ms() + int(self._unclaimed_seconds * 1000)

    def _lifetime(self) -> int:
        return math.ceil(self._unclaimed_seconds)

    async def take_expired(self, limit: int) -> list[str]:
        """Take session ids that stayed unclaimed past their deadline; each is given to one worker only."""
        expired: Any = await self._redis.zrangebyscore(
            redis_names.UNCLAIMED_SESSIONS, "-inf", self._now_ms(), start=0, num=limit
        )
        return [
            session_id.decode()
            for session_id in expired
            if await self._redis.zrem(redis_names.UNCLAIMED_SESSIONS, session_id)
        ]

    def _recalled(self, session_id: str) -> Session | None:
        remembered = self._remembered.get(session_id)
        return remembered[1] if remembered is not None and remembered[0] > self._monotonic() else None

    def _remember(self, session_id: str, session: Session) -> None:
        if session.endpoint and not session.client_name:
            # Its `initialize` is still to come, perhaps to another worker.
            return
        if len(self._remembered) >= _MAX_REMEMBERED:
            # Insertion order is age, near enough: the oldest goes.
            del self._remembered[next(iter(self._remembered))]
        self._remembered.pop(session_id, None)
        self._remembered[session_id] = (self._monotonic() + _REMEMBER_SECONDS, session)


def _name(session_id: str) -> str:
    return redis_names.SESSION + redis_names.digest(session_id)
