"""The response that gives a client its token: in the body or, for the dashboard, in a cookie."""

from __future__ import annotations

from admin_api.access.page_cookie import is_page, set_cookie
from admin_api.dependencies import Dependencies
from admin_api.endpoints.auth.models import AccessToken
from admin_api.http.endpoint import ApiCaller, Reply
from gateway.accounts.sessions import Session
from gateway.accounts.user import User


async def start_session(deps: Dependencies, caller: ApiCaller, user: User) -> Reply:
    """Start a session of a user and return its token, as a cookie to a page or to a caller that has one."""
    session = await deps.sessions.start(user, caller.address, caller.client.user_agent)
    return token_reply(deps, caller, user, session)


def token_reply(deps: Dependencies, caller: ApiCaller, user: User, session: Session) -> Reply:
    """Return the token of a session."""
    token = deps.tokens.issue(user, session_id=session.id, expires_at_ms=session.expires_at)
    expires_in = max(1, (session.expires_at - deps.now_ms()) // 1000)
    wants_cookie = is_page(caller.client) if caller.authenticated is None else caller.authenticated.by_cookie
    if wants_cookie:
        return Reply(AccessToken(expires_in=expires_in), set_cookie(caller.client, token, expires_in))
    return Reply(AccessToken(access_token=token, token_type="bearer", expires_in=expires_in))  # noqa: S106
