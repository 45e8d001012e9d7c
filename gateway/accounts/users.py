"""Users and service accounts in Redis.

- Emails are case-insensitive.
- Passwords are stored only as argon2id hashes. Authenticating an unknown email takes the same work as a known one.
- Each change is a compare-and-set on the stored user: concurrent changes are all kept, and a change that is sent twice
  is made once.
- An active admin remains: a change that would leave none is refused, even if two are made concurrently.
- A user and the policy of the user's keys are added in one step, and deleted in one step.
- `password_changed_at` only increases; access tokens are bound to it.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from gateway.accounts.passwords import Passwords
from gateway.accounts.user import (
    NO_PASSWORD,
    Kind,
    Role,
    User,
    decode_user,
    encode_user,
    normalize_email,
    validate_role,
)
from gateway.accounts.user_scripts import ADD, COMPARE_AND_DELETE, COMPARE_AND_SET
from gateway.audit.author import Author, act_of, packed_change
from gateway.audit.entry import described
from gateway.keys.policies import decode_policy, encode_policy
from gateway.keys.record import OwnerPolicy
from gateway.password_policy import validate_new_password
from gateway.redis import names
from gateway.redis.durable_writes import eval_durable


class UserExists(Exception):
    """A user with this email exists already."""


class ChangedMeanwhile(Exception):
    """The user has another password than the caller expects, or was disabled."""


class LastAdmin(Exception):
    """A change would leave no active admin."""


class UserPage(NamedTuple):
    """Users, sorted by email, and the cursor of the next page; `None` on the last page."""

    users: Sequence[User]
    next_cursor: str | None


class UserStore:
    """Stores users, and checks their passwords."""

    def __init__(self, redis: Redis, *, now_ms: Callable[[], int], passwords: Passwords | None = None) -> None:
        self._redis = redis
        self._now_ms = now_ms
        self.passwords = passwords or Passwords()
        self._author: Author | None = None

    def by(self, author: Author) -> UserStore:
        """Return the same store for an author, whose changes are recorded in the audit log."""
        store = copy.copy(self)
        store._author = author
        return store

    async def add(
        self,
        email: str,
        password: str | None,
        role: Role = "member",
        *,
        policy: OwnerPolicy | None = None,
        only_if_empty: bool = False,
        kind: Kind | None = None,
    ) -> User:
        """Create a user or, without a password, a service account; a `kind` of `user` without one is invited.

        Raises `UserExists` (with `only_if_empty`, if any user exists) and `ValueError`.
        """
        email = normalize_email(email)
        kind = kind or ("service" if password is None else "user")
        validate_role(kind, role)
        password_hash = _no_password() if password is None else await self._hash(password, email)
        now = self._now_ms()
        user = User(
            email=email,
            password_hash=password_hash,
            role=role,
            kind=kind,
            disabled=False,
            created_at=now,
            password_changed_at=now,
        )
        keys = (_redis_key(email), names.OWNER_POLICY + email, names.USER_EMAILS, names.USAGE)
        entry = self._entry("user.add", email, {}, _audit_fields(user, policy))
        values = (encode_user(user), email, encode_policy(policy or OwnerPolicy()))
        arguments = (*values, names.INVALIDATIONS, names.POLICY_CHANGES + email, str(int(only_if_empty)), entry)
        if not await eval_durable(self._redis, ADD, keys, arguments):
            raise UserExists(email)
        return user

    async def get(self, email: str) -> User | None:
        """Return the user with this email, or `None`."""
        try:
            stored = cast(bytes | None, await self._redis.get(_redis_key(normalize_email(email))))
        except ValueError:
            return None
        return None if stored is None else decode_user(stored)

    async def is_empty(self) -> bool:
        """Return True if there is no user."""
        return not await self._redis.scard(names.USER_EMAILS)

    async def list(self) -> Sequence[User]:
        """Return all users, sorted by email."""
        return [decode_user(stored) for stored in await self._read(await self._emails())]

    async def page(self, limit: int, cursor: str = "", search: str = "") -> UserPage:
        """Return at most `limit` users after the cursor with `search` in their email."""
        emails = [email for email in await self._emails() if email > cursor and search.strip().casefold() in email]
        users = [decode_user(stored) for stored in await self._read(emails[:limit])]
        return UserPage(users, emails[limit - 1] if len(emails) > limit else None)

    async def set_password(self, email: str, password: str, *, expected_changed_at: int | None = None) -> User | None:
        """Change a password and thereby invalidate the user's tokens. Returns `None` for an unknown user.

        Raises `ValueError` for an invalid password and for a service account, `PasswordsBusy`, and `ChangedMeanwhile`
        for another `password_changed_at` than expected.
        """
        password_hash = await self._hash(password, email)

        def change(user: User) -> User:
            if user.kind == "service":
                raise ValueError("is a service account, which has no password")
            if expected_changed_at not in (None, user.password_changed_at):
                raise ChangedMeanwhile
            changed_at = max(self._now_ms(), user.password_changed_at + 1)
            return msgspec.structs.replace(user, password_hash=password_hash, password_changed_at=changed_at)

        return await self._change(email, "user.password", change)

    async def set_role(self, email: str, role: Role) -> User | None:
        """Change a role. Returns `None` for an unknown user. Raises `LastAdmin` and `InvalidRole`."""
        return await self._change(
            email, "user.update", lambda user: msgspec.structs.replace(user, role=validate_role(user.kind, role))
        )

    async def disable(self, email: str) -> User | None:
        """Disable a user: logins and tokens are rejected. Returns `None` for an unknown user. Idempotent.

        Raises `LastAdmin`.
        """

        def change(user: User) -> User:
            # Existing tokens stay invalid when the user is enabled again.
            changed_at = max(self._now_ms(), user.password_changed_at + 1)
            return msgspec.structs.replace(user, disabled=True, password_changed_at=changed_at)

        return await self._change(email, "user.disable", change)

    async def enable(self, email: str) -> User | None:
        """Enable a disabled user with the same password. Returns `None` for an unknown user. Idempotent."""
        return await self._change(email, "user.enable", lambda user: msgspec.structs.replace(user, disabled=False))

    async def delete(self, email: str, key_count: int) -> bool:
        """Delete a user and the policy if the user has `key_count` keys, revoked ones included; else return False.

        Idempotent. Raises `LastAdmin`.
        """
        policy_key, ids_key = names.OWNER_POLICY + email, names.KEY_IDS_OF_OWNER + email
        keys = (_redis_key(email), policy_key, names.USER_EMAILS, ids_key, names.USAGE)
        while (stored := cast(bytes | None, await self._redis.get(keys[0]))) is not None:
            if await self._redis.zcard(ids_key) != key_count:
                return False
            user = decode_user(stored)
            admin = await self._remaining_admin(user, None)
            policy = cast(bytes | None, await self._redis.get(policy_key))
            entry = self._entry(
                "user.delete", email, _audit_fields(user, decode_policy(policy) if policy else None), {}
            )
            channel = (names.INVALIDATIONS, names.POLICY_CHANGES + email)
            values = (stored, email, key_count, *channel, entry, *admin.values())
            if await eval_durable(self._redis, COMPARE_AND_DELETE, (*keys, *admin), values):
                return True
        return True

    async def authenticate(self, email: str, password: str) -> User | None:
        """Return the user with this email and password; `None` if they do not match or the user is disabled.

        All failures take the same work. Raises `PasswordsBusy`.
        """
        user = await self.get(email)
        password_hash = user.password_hash if user is not None and user.has_password else None
        verification = await self.passwords.verify(password_hash, password)
        if user is None or not verification.matches or user.disabled:
            return None
        return await self._rehash(user, password) if verification.needs_rehash else user

    async def require_other_admin(self, user: User) -> None:
        """Raise `LastAdmin` if this user is the last active admin."""
        await self._remaining_admin(user, None)

    async def _hash(self, password: str, email: str) -> str:
        return await self.passwords.hash(validate_new_password(password, email))

    async def _rehash(self, user: User, password: str) -> User | None:
        password_hash = await self.passwords.hash(password)

        def change(current: User) -> User:
            if current.password_hash != user.password_hash:
                return current
            return msgspec.structs.replace(current, password_hash=password_hash)

        return await self._change(user.email, None, change)

    async def _change(self, email: str, act: str | None, change: Callable[[User], User]) -> User | None:
        """Apply `change` to the stored user, again on conflict. Returns `None` for an unknown user."""
        try:
            user_key = _redis_key(normalize_email(email))
        except ValueError:
            return None
        while (stored := cast(bytes | None, await self._redis.get(user_key))) is not None:
            before = decode_user(stored)
            after = change(before)
            admin = await self._remaining_admin(before, after)
            entry = self._entry(act, before.email, _audit_fields(before), _audit_fields(after))
            values = (stored, encode_user(after), entry, *admin.values())
            if await eval_durable(self._redis, COMPARE_AND_SET, (user_key, names.USAGE, *admin), values):
                return after
        return None

    def _entry(self, act: str | None, email: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bytes:
        recorded = None if act is None else act_of(self._author, act)
        return packed_change(recorded, email, before, after, self._now_ms())

    async def _remaining_admin(self, before: User, after: User | None) -> dict[str, bytes]:
        """Return the Redis key and value of an active admin that a change must find unchanged; empty if none is needed.

        Raises `LastAdmin`.
        """
        if not before.is_active_admin or (after is not None and after.is_active_admin):
            return {}
        for stored in await self._read(await self._emails()):
            user = decode_user(stored)
            if user.is_active_admin and user.email != before.email:
                return {_redis_key(user.email): stored}
        raise LastAdmin(before.email)

    async def _emails(self) -> Sequence[str]:
        return sorted(email.decode() for email in cast(set[bytes], await self._redis.smembers(names.USER_EMAILS)))

    async def _read(self, emails: Sequence[str]) -> Sequence[bytes]:
        """Return the stored users with these emails."""
        stored = await self._redis.mget([_redis_key(email) for email in emails]) if emails else []
        return [user for user in cast(list[bytes | None], stored) if user is not None]


def _no_password() -> str:
    """Return a value that no password matches. It is random so that two additions of one email differ."""
    return NO_PASSWORD + secrets.token_hex(8)


def _audit_fields(user: User, policy: OwnerPolicy | None = None) -> dict[str, Any]:
    """Return the fields for the audit log: without the hash of the password."""
    described_policy = {} if policy is None else {"policy": msgspec.to_builtins(policy)}
    return {**described(user, without={"email", "password_hash"}), **described_policy}


def _redis_key(email: str) -> str:
    return names.USER_RECORD + email
