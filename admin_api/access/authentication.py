"""Authentication by the token in `Authorization` or in the cookie of the dashboard.

`Authorization` wins if both are sent. Every kind of invalid token gets the same response.
"""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import hdrs, web

from admin_api.access.client import Client
from admin_api.access.page_cookie import require_own_page, token_in_cookie
from admin_api.dependencies import Dependencies
from admin_api.http.problem import Problem
from gateway.accounts.sessions import Session
from gateway.accounts.tokens import Claims
from gateway.accounts.user import User


@dataclass(frozen=True)
class Login:
    """The token that a request was authenticated with, its user, and its session."""

    user: User
    session: Session | None
    """`None` for a token of an earlier version or of the command line."""
    claims: Claims
    token: str
    by_cookie: bool


async def authenticate(deps: Dependencies, client: Client, request: web.Request) -> Login:
    """Return the login of a request. Raises `Problem` 401, and 403 for a request by cookie from another site."""
    by_cookie = hdrs.AUTHORIZATION not in request.headers
    token = token_in_cookie(request) if by_cookie else _bearer_token(request)
    if token is None:
        raise _unauthorized("Log in first: send Authorization: Bearer with the token of /api/auth/login.", "")
    claims = deps.tokens.verify(token)
    found = None if claims is None else await deps.sessions.find(claims, token)
    if claims is None or found is None:
        raise _unauthorized("Invalid or expired token; log in again.", ', error="invalid_token"')
    if by_cookie:
        require_own_page(client, request)
    if found.session is not None:
        await deps.sessions.touch(found.user, found.session)
    return Login(found.user, found.session, claims, token, by_cookie)


def _bearer_token(request: web.Request) -> str:
    """Return the token in `Authorization`; empty if it has another form."""
    values = request.headers.getall(hdrs.AUTHORIZATION)
    scheme, _, token = values[0].partition(" ")
    return token.strip() if len(values) == 1 and scheme.lower() == "bearer" else ""


def _unauthorized(detail: str, error: str) -> Problem:
    return Problem(401, detail, headers={hdrs.WWW_AUTHENTICATE: f'Bearer realm="admin"{error}'})
