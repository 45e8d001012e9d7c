"""Logging in, and the own password.

- An unknown email, a wrong password and a disabled user get the same response after the same work.
- Wrong logins slow down their source, and the pair of account and source, before a password is verified.
"""

from __future__ import annotations

import logging
from typing import Any, Literal

from admin_api.dependencies import Dependencies
from admin_api.endpoints.auth.models import AccessToken, Credentials, CurrentUser, PasswordChange
from admin_api.endpoints.auth.tokens import start_session
from admin_api.endpoints.new_passwords import password_faults
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint, Nothing, Reply
from admin_api.http.problem import Problem
from gateway.accounts.login_limits import TooManyLogins
from gateway.accounts.user import User
from gateway.audit.author import Author
from gateway.protocol.forwarded import source_of

_log = logging.getLogger(__name__)


async def login(deps: Dependencies, caller: ApiCaller, params: Credentials) -> Reply:
    """Return an access token for an email and password."""
    user = await _authenticate(deps, caller, params.email, params.password)
    if user is None:
        raise Problem(401, "Wrong email or password.")
    reply = await start_session(deps, caller, user)
    await deps.audit.by(Author(user.email, caller.address)).record("auth.login", user.email)
    return reply


async def me(deps: Dependencies, caller: ApiCaller, params: Nothing) -> CurrentUser:
    """Return the user of the token."""
    return CurrentUser(caller.user.email, caller.user.is_admin)


async def change_password(deps: Dependencies, caller: ApiCaller, params: PasswordChange) -> Reply:
    """Change the password of the caller. All earlier tokens become invalid; the response has a new one."""
    email = caller.user.email
    if faults := password_faults("new_password", params.new_password, email):
        raise InvalidFields(faults)
    if await _authenticate(deps, caller, email, params.current_password) is None:
        raise InvalidFields([FieldFault("current_password", "is not your password")])
    user = await deps.users.set_password(email, params.new_password)
    if user is None:
        raise Problem(404, "This user no longer exists.")
    return await start_session(deps, caller, user)


async def _authenticate(deps: Dependencies, caller: ApiCaller, email: str, password: str) -> User | None:
    """Return the user with this password, or `None`. Raises `Problem` 429 after too many wrong logins."""
    try:
        attempt = await deps.login_limits.acquire(email, caller.address)
    except TooManyLogins as error:
        _log.warning("Too many failed logins of %r from %s", email, caller.address)
        await _audit_failure(deps, caller, email, error.retry_after, "denied")
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
        await _audit_failure(deps, caller, email, attempt.wait_after_failure, "failed")
        _log.info("Failed login of %r from %s", email, caller.address)
    else:
        await deps.login_limits.succeeded(attempt)
    return user


async def _audit_failure(
    deps: Dependencies, caller: ApiCaller, email: str, wait_seconds: int, result: Literal["failed", "denied"]
) -> None:
    """Record a wrong password (`failed`), or an attempt that came too early (`denied`)."""
    author = Author(email, caller.address)
    wait = {"wait_seconds": wait_seconds} if wait_seconds else {}
    source = source_of(caller.address)
    await deps.audit.by(author).record_repeatable(source, "auth.login", email, after=wait, result=result)


_PHRASE = "correct horse battery staple"
TOKEN_EXAMPLE = AccessToken(
    access_token="eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZGEifQ.c2ln",  # noqa: S106
    token_type="bearer",  # noqa: S106
    expires_in=43200,
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/auth/login",
        summary="Log in",
        access="open",
        params=Credentials,
        handler=login,
        response=AccessToken,
        request_example=Credentials("ada@example.com", _PHRASE),
        response_example=TOKEN_EXAMPLE,
        errors=(401, 403, 429, 503),
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
        summary="Change your password; all other logins end",
        access="user",
        params=PasswordChange,
        handler=change_password,
        response=AccessToken,
        request_example=PasswordChange(_PHRASE, "an even longer phrase"),
        response_example=TOKEN_EXAMPLE,
        errors=(429, 503),
    ),
)
