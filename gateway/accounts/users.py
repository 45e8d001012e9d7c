"""Users of the admin API, stored as JSON in Redis.

- Emails are case-insensitive.
- Passwords are stored only as argon2id hashes. Authenticating an unknown email takes the same work as a known one.
- Each change is a compare-and-set on the stored user: concurrent changes are all kept, and a change that is sent twice
  is made once.
- `password_changed_at` only increases; access tokens are bound to it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import cast

import msgspec
from redis.asyncio import Redis

from gateway.accounts.passwords import MAX_CHARACTERS, MIN_CHARACTERS, Passwords
from gateway.redis import names as redis_names
from gateway.redis.durable_writes import eval_durable

MAX_EMAIL_LENGTH = 254

# KEYS: the user, the set of users. ARGV: the expected JSON ("" for no user), the new JSON, the email, and "1" to add
# the user only if there is none yet. Returns 1 if the new JSON is stored now. Idempotent.
_COMPARE_AND_SET = """
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
    """A user with this email exists already."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user of the admin API. Timestamps are milliseconds since the epoch."""

    email: str
    password_hash: str
    is_admin: bool
    disabled: bool
    created_at: int
    password_changed_at: int

    def __repr__(self) -> str:
        return f"User({self.email!r}, is_admin={self.is_admin}, disabled={self.disabled})"


def normalize_email(email: str) -> str:
    """Return the form in which an email is stored and compared. Raises `ValueError` if it is not an email address."""
    email = email.strip().casefold()
    if len(email) > MAX_EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        raise ValueError("is not an email address")
    return email


def validate_new_password(password: str) -> str:
    """Return the password. Raises `ValueError` if it is too short or too long."""
    if not MIN_CHARACTERS <= len(password) <= MAX_CHARACTERS:
        raise ValueError(f"must have {MIN_CHARACTERS} to {MAX_CHARACTERS} characters")
    return password


class UserStore:
    """The users, and checking their passwords."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int], passwords: Passwords | None = None) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self.passwords = passwords or Passwords()

    async def add(self, email: str, password: str, admin: bool = False, *, only_if_empty: bool = False) -> User:
        """Create a user. Raises `UserExists` (with `only_if_empty`, if any user exists) and `ValueError`."""
        email = normalize_email(email)
        password_hash = await self.passwords.hash(validate_new_password(password))
        now = self._now_ms()
        user = User(
            email=email,
            password_hash=password_hash,
            is_admin=admin,
            disabled=False,
            created_at=now,
            password_changed_at=now,
        )
        if not await self._compare_and_set(email, b"", user, only_if_empty=only_if_empty):
            raise UserExists(email)
        return user

    async def get(self, email: str) -> User | None:
        """Return the user with this email, or `None`."""
        try:
            stored = await self._redis.get(_redis_key(normalize_email(email)))
        except ValueError:
            return None
        return None if stored is None else msgspec.json.decode(stored, type=User)

    async def list(self) -> Sequence[User]:
        """Return all users, sorted by email."""
        members = cast(set[bytes], await self._redis.smembers(redis_names.USER_EMAILS))
        emails = sorted(email.decode() for email in members)
        stored = await self._redis.mget([_redis_key(email) for email in emails]) if emails else []
        return [msgspec.json.decode(user, type=User) for user in stored if user is not None]

    async def set_password(self, email: str, password: str) -> User | None:
        """Change a password and thereby invalidate the user's tokens. Returns `None` for an unknown user.

        Raises `ValueError` for an invalid password, and `PasswordsBusy`.
        """
        password_hash = await self.passwords.hash(validate_new_password(password))

        def change(user: User) -> User:
            changed_at = max(self._now_ms(), user.password_changed_at + 1)
            return msgspec.structs.replace(user, password_hash=password_hash, password_changed_at=changed_at)

        return await self._change(email, change)

    async def disable(self, email: str) -> User | None:
        """Disable a user: logins and tokens are rejected. Returns `None` for an unknown user. Idempotent."""

        def change(user: User) -> User:
            # Existing tokens stay invalid when the user is enabled again.
            changed_at = max(self._now_ms(), user.password_changed_at + 1)
            return msgspec.structs.replace(user, disabled=True, password_changed_at=changed_at)

        return await self._change(email, change)

    async def enable(self, email: str) -> User | None:
        """Enable a disabled user with the same password. Returns `None` for an unknown user. Idempotent."""
        return await self._change(email, lambda user: msgspec.structs.replace(user, disabled=False))

    async def authenticate(self, email: str, password: str) -> User | None:
        """Return the user with this email and password; `None` if they do not match or the user is disabled.

        All failures take the same work. Raises `PasswordsBusy`.
        """
        user = await self.get(email)
        verification = await self.passwords.verify(None if user is None else user.password_hash, password)
        if user is None or not verification.matches or user.disabled:
            return None
        return await self._rehash(user, password) if verification.needs_rehash else user

    async def _rehash(self, user: User, password: str) -> User | None:
        password_hash = await self.passwords.hash(password)

        def change(current: User) -> User:
            if current.password_hash != user.password_hash:
                return current
            return msgspec.structs.replace(current, password_hash=password_hash)

        return await self._change(user.email, change)

    async def _change(self, email: str, change: Callable[[User], User]) -> User | None:
        """Apply `change` to the stored user, again on conflict. Returns `None` for an unknown user."""
        try:
            email = normalize_email(email)
        except ValueError:
            return None
        while (stored := cast(bytes | None, await self._redis.get(_redis_key(email)))) is not None:
            user = change(msgspec.json.decode(stored, type=User))
            if await self._compare_and_set(email, stored, user):
                return user
        return None

    async def _compare_and_set(self, email: str, expected: bytes, user: User, *, only_if_empty: bool = False) -> bool:
        keys = (_redis_key(email), redis_names.USER_EMAILS)
        arguments = (expected, msgspec.json.encode(user), email, str(int(only_if_empty)))
        return bool(await eval_durable(self._redis, _COMPARE_AND_SET, keys, arguments))


def _redis_key(email: str) -> str:
    return redis_names.USER_RECORD + email
