"""Users of the admin API, as JSON in Redis.

- An email names one user whatever its case.
- A password exists here only as an argon2id hash; `verify` takes as long for an unknown email as for a
  known one.
- Every change is a compare-and-set on the stored user: of two at once, neither is lost, and one that is sent
  twice is made once.
- `password_changed_at` only grows; tokens are bound to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import cast

import msgspec
from redis.asyncio import Redis

from gateway.accounts.passwords import MAX_CHARACTERS, MIN_CHARACTERS, Passwords
from gateway.redis import names as redis_names
from gateway.redis.client import eval_durable

MAX_EMAIL = 254

# Keys: the user, the set of users. Arguments: the expected JSON ("" for no such user), the new JSON, the
# email, and "1" to add a user only while there is none. Answers whether the new JSON is what is stored now.
_SWAP = """
local stored = redis.call('GET', KEYS[1]) or ''
if stored == ARGV[2] then return 1 end
if stored ~= ARGV[1] then return 0 end
if ARGV[4] == '1' and redis.call('SCARD', KEYS[2]) > 0 then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('SADD', KEYS[2], ARGV[3])
return 1
"""
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f-\x9f]{1,64}@[^@\s\x00-\x1f\x7f-\x9f]{1,189}")


class UserExists(Exception):
    """There is a user with this email already."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Who may log in. Times are milliseconds since the epoch."""

    email: str
    password_hash: str
    is_admin: bool
    disabled: bool
    created_at: int
    password_changed_at: int

    def __repr__(self) -> str:
        return f"User({self.email!r}, is_admin={self.is_admin}, disabled={self.disabled})"


def normal_email(email: str) -> str:
    """The form under which an email is stored and compared. Raises `ValueError` where it is none."""
    email = email.strip().casefold()
    if len(email) > MAX_EMAIL or not _EMAIL.fullmatch(email):
        raise ValueError("is not an email address")
    return email


def check_new_password(password: str) -> str:
    """The password itself. Raises `ValueError` where it is too short or too long to be chosen."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise ValueError(f"must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
    return password


class UserStore:
    """All users, and whether a password is theirs."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int], passwords: Passwords | None = None) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self.passwords = passwords or Passwords()

    async def add(self, email: str, password: str, admin: bool = False, *, only_first: bool = False) -> User:
        """Make a user. Raises `UserExists` (with `only_first`: where any user exists) and `ValueError`."""
        email = normal_email(email)
        password_hash = await self.passwords.hash(check_new_password(password))
        now = self._now_ms()
        user = User(
            email=email,
            password_hash=password_hash,
            is_admin=admin,
            disabled=False,
            created_at=now,
            password_changed_at=now,
        )
        if not await self._swap(email, b"", user, only_first=only_first):
            raise UserExists(email)
        return user

    async def get(self, email: str) -> User | None:
        """The user of this email, in any case; `None` where there is none."""
        try:
            stored = await self._redis.get(_name(normal_email(email)))
        except ValueError:
            return None
        return None if stored is None else msgspec.json.decode(stored, type=User)

    async def list(self) -> Sequence[User]:
        """All users by email."""
        members = cast(set[bytes], await self._redis.smembers(redis_names.USER_EMAILS))
        emails = sorted(email.decode() for email in members)
        stored = await self._redis.mget([_name(email) for email in emails]) if emails else []
        return [msgspec.json.decode(user, type=User) for user in stored if user is not None]

    async def set_password(self, email: str, password: str) -> User | None:
        """Change a password, which ends the user's tokens. `None` for no such user; raises `ValueError`."""
        password_hash = await self.passwords.hash(check_new_password(password))

        def change(user: User) -> User:
            moment = max(self._now_ms(), user.password_changed_at + 1)
            return msgspec.structs.replace(user, password_hash=password_hash, password_changed_at=moment)

        return await self._change(email, change)

    async def disable(self, email: str) -> User | None:
        """Refuse this user's logins and tokens from now on. `None` for no such user; repeating it is fine."""

        def change(user: User) -> User:
            # Tokens from before stay refused, also when the user is enabled again.
            moment = max(self._now_ms(), user.password_changed_at + 1)
            return msgspec.structs.replace(user, disabled=True, password_changed_at=moment)

        return await self._change(email, change)

    async def enable(self, email: str) -> User | None:
        """Let a disabled user log in again, with the same password. `None` for no such user; repeating it is fine."""
        return await self._change(email, lambda user: msgspec.structs.replace(user, disabled=False))

    async def verify(self, email: str, password: str) -> User | None:
        """The user whose password this is; `None` for a wrong one, an unknown email and a disabled user.

        Takes the same work in every refused case. Raises `PasswordsBusy`.
        """
        user = await self.get(email)
        verdict = await self.passwords.verify(None if user is None else user.password_hash, password)
        if user is None or not verdict.right or user.disabled:
            return None
        return await self._rehash(user, password) if verdict.outdated else user

    async def _rehash(self, user: User, password: str) -> User | None:
        password_hash = await self.passwords.hash(password)

        def change(current: User) -> User:
            if current.password_hash != user.password_hash:
                return current
            return msgspec.structs.replace(current, password_hash=password_hash)

        return await self._change(user.email, change)

    async def _change(self, email: str, change: Callable[[User], User]) -> User | None:
        try:
            email = normal_email(email)
        except ValueError:
            return None
        while (stored := cast(bytes | None, await self._redis.get(_name(email)))) is not None:
            user = change(msgspec.json.decode(stored, type=User))
            if await self._swap(email, stored, user):
                return user
        return None

    async def _swap(self, email: str, expected: bytes, user: User, *, only_first: bool = False) -> bool:
        names = (_name(email), redis_names.USER_EMAILS)
        arguments = (expected, msgspec.json.encode(user), email, str(int(only_first)))
        return bool(await eval_durable(self._redis, _SWAP, names, arguments))


def _name(email: str) -> str:
    return redis_names.USER_RECORD + email
