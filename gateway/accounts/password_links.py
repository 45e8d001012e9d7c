"""One-time links with which users set their password: invitations, and resets by an admin.

- A link has a random token, of which Redis holds only the digest.
- It is valid until it is used or expires, the user gets another link or another password, or is disabled or deleted.
- Setting the password is a compare-and-set on the user, so concurrent uses of a link set one password.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Literal, NamedTuple, cast

import msgspec
from redis.asyncio import Redis

from gateway.accounts.user import User
from gateway.accounts.users import ChangedMeanwhile, UserStore
from gateway.audit.audit_log import AuditLog
from gateway.redis import names
from gateway.timestamps import format_rfc3339

Purpose = Literal["invite", "reset"]

INVITATION_SECONDS = 7 * 86_400
RESET_SECONDS = 3600
LIFETIME_SECONDS = {"invite": INVITATION_SECONDS, "reset": RESET_SECONDS}


class InvalidLink(Exception):
    """The link was used, replaced or has expired, or there never was one."""


class NoLinkFor(ValueError):
    """This user cannot get a link."""


class IssuedLink(NamedTuple):
    """The token of a new link, and its end in milliseconds since the epoch."""

    token: str
    expires_at: int

    def url(self, dashboard_url: str) -> str:
        """Return the link. The token is in the fragment, which browsers send to no server."""
        return f"{dashboard_url}#/accept?token={self.token}"


class StoredLink(msgspec.Struct, frozen=True):
    """A link as Redis holds it, under the digest of its token."""

    email: str
    purpose: Purpose
    password_changed_at: int
    expires_at: int


class PasswordLinks:
    """Issues and redeems links."""

    def __init__(self, redis: Redis, users: UserStore, *, now_ms: Callable[[], int]) -> None:
        self._redis = redis
        self._users = users
        self._now_ms = now_ms

    async def issue(self, user: User, purpose: Purpose) -> IssuedLink:
        """Return a new link, which replaces an earlier one. Raises `NoLinkFor`."""
        if user.kind == "service":
            raise NoLinkFor("must be the email of a user: a service account has no password")
        if user.disabled:
            raise NoLinkFor("must not be disabled: enable the user first")
        token = secrets.token_urlsafe(32)
        lifetime_ms = LIFETIME_SECONDS[purpose] * 1000
        expires_at = self._now_ms() + lifetime_ms
        link = StoredLink(user.email, purpose, user.password_changed_at, expires_at)
        digest = names.digest(token)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(names.PASSWORD_LINK + digest, msgspec.json.encode(link), px=lifetime_ms)
            pipe.set(names.PASSWORD_LINK_OF_USER + user.email, digest, px=lifetime_ms)
            await pipe.execute()
        return IssuedLink(token, expires_at)

    async def issue_recorded(self, user: User, purpose: Purpose, audit: AuditLog) -> IssuedLink:
        """Return a new link, as `issue` does, and record it in the audit log. Raises `NoLinkFor`."""
        link = await self.issue(user, purpose)
        act = "user.invite" if purpose == "invite" else "user.reset_link"
        await audit.record(act, user.email, after={"expires_at": format_rfc3339(link.expires_at)})
        return link

    async def find(self, token: str) -> StoredLink:
        """Return the link with this token. Raises `InvalidLink`."""
        digest = names.digest(token)
        stored = cast(bytes | None, await self._redis.get(names.PASSWORD_LINK + digest))
        if stored is None:
            raise InvalidLink
        link = msgspec.json.decode(stored, type=StoredLink)
        newest = cast(bytes | None, await self._redis.get(names.PASSWORD_LINK_OF_USER + link.email))
        user = await self._users.get(link.email)
        if newest != digest.encode() or user is None or user.password_changed_at != link.password_changed_at:
            raise InvalidLink
        if link.expires_at <= self._now_ms():
            raise InvalidLink
        return link

    async def redeem(self, token: str, password: str) -> User:
        """Set the password of the user of a link, which ends the user's logins. Returns the user.

        Raises `InvalidLink`, `ValueError` for an invalid password, and `PasswordsBusy`.
        """
        link = await self.find(token)
        try:
            user = await self._users.set_password(link.email, password, expected_changed_at=link.password_changed_at)
        except ChangedMeanwhile:
            raise InvalidLink from None
        if user is None:
            raise InvalidLink
        await self._redis.delete(names.PASSWORD_LINK + names.digest(token), names.PASSWORD_LINK_OF_USER + link.email)
        return user
