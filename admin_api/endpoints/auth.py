"""Login, and the user of the token.

- An unknown email, a wrong password and a disabled user get the same response after the same work.
- Wrong logins slow down their source, and the pair of account and source, before a password is verified.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.endpoints.new_passwords import password_faults
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint, Nothing
from admin_api.http.field_types import Email, NewPassword, Password
from admin_api.http.problem import Problem
from gateway.accounts.login_limits import TooManyLogins
from gateway.accounts.user import User

_log = logging.getLogger(__name__)


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Credentials."""

    email: Email
    password: Password


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token for `Authorization: Bearer`."""

    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105
    expires_in: int
    """Lifetime in seconds."""


class CurrentUser(msgspec.Struct, frozen=True):
    """The logged-in user."""

    email: str
    is_admin: bool


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The current and the new password."""

    current_password: Password
    new_password: NewPassword


async def login(deps: Dependencies, caller: ApiCaller, params: Login) -> AccessToken:
    """Return an access token for an email and password."""
    user = await _authenticate(deps, caller, params.email, params.password)
    if user is None:
        raise Problem(401, "Wrong email or password.")
    return _token(deps, user)


async def me(deps: Dependencies, caller: ApiCaller, params: Nothing) -> CurrentUser:
    """Return the user of the token."""
    return CurrentUser(caller.user.email, caller.user.is_admin)


async def change_password(deps: Dependencies, caller: ApiCaller, params: PasswordChange) -> AccessToken:
    """Change the password of the caller. All earlier tokens become invalid; the response has a new one."""
    email = caller.user.email
    if faults := password_faults("new_password", params.new_password, email):
        raise InvalidFields(faults)
    if await _authenticate(deps, caller, email, params.current_password) is None:
        raise InvalidFields([FieldFault("current_password", "is not your password")])
    user = await deps.users.set_password(email, params.new_password)
    if user is None:
        raise Problem(404, "This user no longer exists.")
    await deps.audit.record(actor=email, action="user.password", address=caller.address, user=email)
    return _token(deps, user)


async def _authenticate(deps: Dependencies, caller: ApiCaller, email: str, password: str) -> User | None:
    """Return the user with this password, or `None`. Raises `Problem` 429 after too many wrong logins."""
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
        await deps.login_limits.withdraw(attempt)
        raise
    if user is None:
        await deps.login_limits.failed(attempt)
        _log.info("Failed login of %r from %s", email, caller.address)
    else:
        await deps.login_limits.succeeded(attempt)
    return user


def _token(deps: Dependencies, user: User) -> AccessToken:
    return AccessToken(access_token=deps.tokens.issue(user), expires_in=deps.tokens.lifetime_seconds)


_TOKEN_EXAMPLE = AccessToken(access_token="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln", expires_in=43200)  # noqa: S106

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/auth/login",
        summary="Log in",
        access="open",
        params=Login,
        handler=login,
        response=AccessToken,
        request_example=Login("ada@example.com", "correct horse battery staple"),
        response_example=_TOKEN_EXAMPLE,
        errors=(401, 429, 503),
        oversized_field="password",
    ),
    Endpoint(
        method="GET",
        path="/api/auth/me",
        summary="The logged-in user",
        access="user",
        params=Nothing,
        handler=me,
        response=CurrentUser,
        request_example=Nothing(),
        response_example=CurrentUser("ada@example.com", is_admin=False),
    ),
    Endpoint(
        method="POST",
        path="/api/auth/password",
        summary="Change your password",
        access="user",
        params=PasswordChange,
        handler=change_password,
        response=AccessToken,
        request_example=PasswordChange("correct horse battery staple", "an even longer phrase"),
        response_example=_TOKEN_EXAMPLE,
        errors=(429, 503),
    ),
)
