"""Logging in, and one's own account.

- An unknown email, a wrong password and a disabled user are answered with the same bytes after the same work.
- Failed logins are limited per account and per address before any password is checked.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import Caller, Endpoint, Nothing
from admin_api.http.field_types import Email, NewPassword, Password
from admin_api.http.problem import Problem
from gateway.accounts.login_limits import TooManyLogins
from gateway.accounts.users import User

_log = logging.getLogger(__name__)


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An email and its password."""

    email: Email
    password: Password


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token for `Authorization: Bearer`."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int
    """In seconds."""


class Account(msgspec.Struct, frozen=True):
    """Who is logged in."""

    email: str
    is_admin: bool


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The password in force and the one to replace it."""

    current_password: Password
    new_password: NewPassword


async def login(deps: Dependencies, caller: Caller, given: Login) -> AccessToken:
    """Exchange an email and a password for a token."""
    user = await _checked(deps, caller, given.email, given.password)
    if user is None:
        raise Problem(401, "Wrong email or password.")
    return _token(deps, user)


async def me(deps: Dependencies, caller: Caller, given: Nothing) -> Account:
    """Who the token belongs to."""
    return Account(caller.user.email, caller.user.is_admin)


async def change_password(deps: Dependencies, caller: Caller, given: PasswordChange) -> AccessToken:
    """Change one's own password, which ends every token of before; the answer has a new one."""
    email = caller.user.email
    if await _checked(deps, caller, email, given.current_password) is None:
        raise InvalidFields([FieldFault("current_password", "is not your password")])
    user = await deps.users.set_password(email, given.new_password)
    if user is None:
        raise Problem(404, "There is no such user any more.")
    await deps.audit.record(actor=email, action="user.password", address=caller.address, user=email)
    return _token(deps, user)


async def _checked(deps: Dependencies, caller: Caller, email: str, password: str) -> User | None:
    """The user whose password this is, within the limits on failures."""
    try:
        attempt = await deps.login_limits.acquire(email, caller.address)
    except TooManyLogins as error:
        _log.warning("Too many failed logins of %r from %s", email, caller.address)
        raise Problem(
            429,
            f"Too many failed logins; try again in {error.retry_after} seconds.",
            headers={"Retry-After": str(error.retry_after)},
        ) from None
    try:
        user = await deps.users.authenticate(email, password)
    except Exception:
        await deps.login_limits.refund(attempt)
        raise
    if user is None:
        _log.info("Failed login of %r from %s", email, caller.address)
    else:
        await deps.login_limits.refund(attempt)
    return user


def _token(deps: Dependencies, user: User) -> AccessToken:
    return AccessToken(access_token=deps.tokens.issue(user), expires_in=deps.tokens.lifetime_seconds)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/auth/login",
        summary="Log in",
        access="open",
        takes=Login,
        handler=login,
        answers=AccessToken,
        refusals=(401, 429, 503),
        too_large="password",
    ),
    Endpoint(
        method="GET",
        path="/api/auth/me",
        summary="Who is logged in",
        access="user",
        takes=Nothing,
        handler=me,
        answers=Account,
    ),
    Endpoint(
        method="POST",
        path="/api/auth/password",
        summary="Change one's own password",
        access="user",
        takes=PasswordChange,
        handler=change_password,
        answers=AccessToken,
        refusals=(429, 503),
    ),
)
