"""Sessions of logged-in users in Redis: one per login, which its token names in the claim `sid`.

- A token is valid only while its session exists, so a session that is ended has no valid token from then on. Starting
  and ending wait until they are on disk.
- A session ends with its token, with a change of the user's password, and when the user is disabled or deleted:
  `password_changed_at` of the user is stored in it. `renew` replaces it by a new one with a later end.
- A user has at most `MAX_SESSIONS`; a further login ends the one that was unused for the longest time.
- Tokens without `sid`, of earlier versions and of the command line, are valid until they expire, unless `end_token`
  ends them.
- A session and its user are read in one round trip. The time of the last use is written once in `TOUCH_SECONDS`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from gateway.accounts.tokens import LIFETIME_SECONDS, Claims
from gateway.accounts.user import User, decode_user
from gateway.redis import names
from gateway.redis.durable_writes import eval_durable
from gateway.timestamps import format_rfc3339

MAX_SESSIONS = 50
MAX_SESSION_SECONDS = 30 * 86_400
"""Seconds after a login until which its session can be renewed."""
TOUCH_SECONDS = 60
MAX_USER_AGENT_CHARACTERS = 200

# KEYS: the sessions of the user. ARGV: the new id, the new JSON, the time to live, the id that it replaces ("" for
# none), ids to remove. Returns 0 if the session to replace has ended. Idempotent.
_START = """
if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return 1 end
if ARGV[4] ~= '' and redis.call('HDEL', KEYS[1], ARGV[4]) == 0 then return 0 end
for index = 5, #ARGV do redis.call('HDEL', KEYS[1], ARGV[index]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
# KEYS: the sessions of the user. ARGV: ids to remove.
_END = "return redis.call('HDEL', KEYS[1], unpack(ARGV))"
# KEYS: the sessions of the user. ARGV: the id, its JSON with the new time. A session that has ended stays ended.
_TOUCH = "if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end"
# KEYS: the ended token. ARGV: the time to live.
_END_TOKEN = "redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])"  # noqa: S105


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session. Timestamps are milliseconds since the epoch."""

    id: str
    started_at: int
    last_used_at: int
    expires_at: int
    address: str
    """Client address of the login."""
    user_agent: str
    password_changed_at: int

    def values(self) -> dict[str, str]:
        """Return the members by which the admin API and the command line describe it."""
        return {
            "session_id": self.id,
            "started_at": format_rfc3339(self.started_at),
            "last_used_at": format_rfc3339(self.last_used_at),
            "expires_at": format_rfc3339(self.expires_at),
            "address": self.address,
            "user_agent": self.user_agent,
        }


class Authenticated(NamedTuple):
    """The user of a token, and its session; `None` for a token without one."""

    user: User
    session: Session | None


class Sessions:
    """Starts, finds, lists and ends sessions."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int], lifetime_seconds: int = LIFETIME_SECONDS) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self._lifetime_ms = lifetime_seconds * 1000

    async def start(self, user: User, address: str, user_agent: str) -> Session:
        """Start a session of a user who has logged in."""
        now = self._now_ms()
        session = Session(
            id=_new_id(),
            started_at=now,
            last_used_at=now,
            expires_at=now + self._lifetime_ms,
            address=address,
            user_agent=user_agent[:MAX_USER_AGENT_CHARACTERS],
            password_changed_at=user.password_changed_at,
        )
        living, others = self._partition(user, await self._stored(user.email))
        surplus = sorted(living, key=lambda session: session.last_used_at)[: max(0, len(living) - MAX_SESSIONS + 1)]
        await self._put(user, session, "", [*others, *(old.id for old in surplus)])
        return session

    async def renew(self, user: User, session: Session) -> Session | None:
        """End a session and return a new one with a later end, or `None` if it has ended already."""
        now = self._now_ms()
        expires_at = min(now + self._lifetime_ms, session.started_at + MAX_SESSION_SECONDS * 1000)
        renewed = msgspec.structs.replace(session, id=_new_id(), last_used_at=now, expires_at=expires_at)
        return renewed if await self._put(user, renewed, session.id, []) else None

    async def find(self, claims: Claims, token: str) -> Authenticated | None:
        """Return the user and the session of a verified token, or `None` if either has ended."""
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.get(names.USER_RECORD + claims.sub)
            if claims.sid:
                pipe.hget(_sessions_of(claims.sub), claims.sid)
            else:
                pipe.exists(_ended_token(token))
            stored_user, found = cast(tuple[bytes | None, bytes | int | None], await pipe.execute())
        user = None if stored_user is None else decode_user(stored_user)
        if user is None or user.disabled or user.password_changed_at != claims.pwd:
            return None
        if not claims.sid:
            return None if found else Authenticated(user, None)
        if not isinstance(found, bytes):
            return None
        session = msgspec.json.decode(found, type=Session)
        return Authenticated(user, session) if self._is_living(user, session) else None

    async def touch(self, user: User, session: Session) -> None:
        """Record the use of a session, if the recorded one is older than `TOUCH_SECONDS`."""
        now = self._now_ms()
        if now - session.last_used_at >= TOUCH_SECONDS * 1000:
            used = msgspec.json.encode(msgspec.structs.replace(session, last_used_at=now))
            await self._redis.eval(_TOUCH, 1, _sessions_of(user.email), session.id, used)

    async def list(self, user: User) -> Sequence[Session]:
        """Return the living sessions of a user, the one that was used last first."""
        living, _ = self._partition(user, await self._stored(user.email))
        return sorted(living, key=lambda session: session.last_used_at, reverse=True)

    async def end(self, user: User, ids: Sequence[str]) -> None:
        """End sessions of a user; their tokens are invalid when this returns. Idempotent."""
        if ids:
            await eval_durable(self._redis, _END, (_sessions_of(user.email),), ids)

    async def end_token(self, claims: Claims, token: str) -> None:
        """End a token without a session."""
        remaining_ms = max(1, claims.exp * 1000 - self._now_ms())
        await eval_durable(self._redis, _END_TOKEN, (_ended_token(token),), (remaining_ms,))

    async def _put(self, user: User, session: Session, replaced: str, removed: Sequence[str]) -> bool:
        arguments = (session.id, msgspec.json.encode(session), self._lifetime_ms, replaced, *removed)
        return bool(await eval_durable(self._redis, _START, (_sessions_of(user.email),), arguments))

    async def _stored(self, email: str) -> Mapping[str, Session]:
        stored = cast(dict[bytes, bytes], await self._redis.hgetall(_sessions_of(email)))
        return {
            session_id.decode(): msgspec.json.decode(session, type=Session) for session_id, session in stored.items()
        }

    def _partition(self, user: User, stored: Mapping[str, Session]) -> tuple[Sequence[Session], Sequence[str]]:
        """Return the living sessions, and the ids of the others."""
        living = [session for session in stored.values() if self._is_living(user, session)]
        return living, sorted(stored.keys() - {session.id for session in living})

    def _is_living(self, user: User, session: Session) -> bool:
        return session.expires_at > self._now_ms() and session.password_changed_at == user.password_changed_at


def _new_id() -> str:
    return "ses_" + secrets.token_urlsafe(16)


def _sessions_of(email: str) -> str:
    return names.LOGIN_SESSIONS + email


def _ended_token(token: str) -> str:
    return names.ENDED_TOKEN + names.digest(token)
