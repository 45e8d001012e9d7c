"""Refreshing and ending logins, and listing them."""

from __future__ import annotations

from typing import Any

from admin_api.access.page_cookie import set_cookie
from admin_api.dependencies import Dependencies
from admin_api.endpoints.auth.login import TOKEN_EXAMPLE
from admin_api.endpoints.auth.models import (
    AccessToken,
    EndedSessions,
    EndSessions,
    LoggedOut,
    SessionItem,
    SessionList,
)
from admin_api.endpoints.auth.tokens import start_session, token_reply
from admin_api.http.endpoint import ApiCaller, Endpoint, Nothing, Reply
from admin_api.http.problem import Problem


async def logout(deps: Dependencies, caller: ApiCaller, params: Nothing) -> Reply:
    """End the login of the request: its token is invalid from now on."""
    login = caller.login
    ids = [] if login.session is None else [login.session.id]
    if ids:
        await deps.sessions.end(login.user, ids)
    else:
        await deps.sessions.end_token(login.claims, login.token)
    await _audit(deps, caller, "auth.logout", ids)
    headers = set_cookie(caller.client, "", 0) if login.by_cookie else {}
    return Reply(LoggedOut(), headers)


async def refresh(deps: Dependencies, caller: ApiCaller, params: Nothing) -> Reply:
    """Return a new token, and end that of the request."""
    login = caller.login
    if login.session is None:
        await deps.sessions.end_token(login.claims, login.token)
        return await start_session(deps, caller, login.user)
    renewed = await deps.sessions.renew(login.user, login.session)
    if renewed is None:
        raise Problem(401, "This login has ended. Log in again.")
    return token_reply(deps, caller, login.user, renewed)


async def list_sessions(deps: Dependencies, caller: ApiCaller, params: Nothing) -> SessionList:
    """List the logins of the caller."""
    sessions = await deps.sessions.list(caller.user)
    current_id = _current_id(caller)
    items = [SessionItem(**session.values(), current=session.id == current_id) for session in sessions]
    return SessionList(caller.user.role, items)


async def end_sessions(deps: Dependencies, caller: ApiCaller, params: EndSessions) -> EndedSessions:
    """End one login of the caller, or all but the current one."""
    living = [session.id for session in await deps.sessions.list(caller.user)]
    if params.session_id is not None and params.session_id not in living:
        raise Problem(404, "You have no login with this session_id. It may have ended.")
    ids = [params.session_id] if params.session_id else [one for one in living if one != _current_id(caller)]
    await deps.sessions.end(caller.user, ids)
    await _audit(deps, caller, "auth.end_sessions", ids)
    return EndedSessions(ids)


def _current_id(caller: ApiCaller) -> str | None:
    return caller.login.session.id if caller.login.session else None


async def _audit(deps: Dependencies, caller: ApiCaller, act: str, ids: list[str]) -> None:
    await deps.audit.record(act, caller.user.email, after={"sessions": ids})


_SESSION = SessionItem(
    session_id="ses_3fX0kQ9vTzq2Jm1aRb7cLw",
    started_at="2026-01-01T08:00:00.000Z",
    last_used_at="2026-01-01T09:30:00.000Z",
    expires_at="2026-01-01T20:00:00.000Z",
    address="192.0.2.7",
    user_agent="Mozilla/5.0",
    current=True,
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/auth/logout",
        summary="Log out: the token is invalid immediately",
        access="user",
        params=Nothing,
        handler=logout,
        response=LoggedOut,
        request_example=Nothing(),
        response_example=LoggedOut(),
    ),
    Endpoint(
        method="POST",
        path="/api/auth/refresh",
        summary="Exchange the token for a new one; the old one is invalid immediately",
        access="user",
        params=Nothing,
        handler=refresh,
        response=AccessToken,
        request_example=Nothing(),
        response_example=TOKEN_EXAMPLE,
    ),
    Endpoint(
        method="GET",
        path="/api/auth/sessions",
        summary="Your role, and your logins",
        access="user",
        params=Nothing,
        handler=list_sessions,
        response=SessionList,
        request_example=Nothing(),
        response_example=SessionList("member", [_SESSION]),
    ),
    Endpoint(
        method="POST",
        path="/api/auth/sessions/end",
        summary="End one of your logins, or all but the current one",
        access="user",
        params=EndSessions,
        handler=end_sessions,
        response=EndedSessions,
        request_example=EndSessions("ses_3fX0kQ9vTzq2Jm1aRb7cLw"),
        response_example=EndedSessions(["ses_3fX0kQ9vTzq2Jm1aRb7cLw"]),
        errors=(404,),
    ),
)
