"""Setting a password with the one-time link of an invitation or a reset. It ends the user's logins, and logs in."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.auth.login import TOKEN_EXAMPLE
from admin_api.endpoints.auth.models import AcceptLink, AccessToken
from admin_api.endpoints.auth.tokens import start_session
from admin_api.endpoints.new_passwords import password_faults
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint, Reply
from gateway.accounts.password_links import InvalidLink
from gateway.audit.author import Author


async def accept_link(deps: Dependencies, caller: ApiCaller, params: AcceptLink) -> Reply:
    """Set the password of the user of the link, and return an access token."""
    try:
        link = await deps.password_links.find(params.token)
        if faults := password_faults("password", params.password, link.email):
            raise InvalidFields(faults)
        by_user = deps.by(Author(link.email, caller.address))
        user = await by_user.password_links.redeem(params.token, params.password)
    except InvalidLink:
        problem = "is not valid any more: the link was used, replaced or has expired; ask an admin for a new one"
        raise InvalidFields([FieldFault("token", problem)]) from None
    await by_user.audit.record("auth.login", user.email, after={"link": link.purpose})
    return await start_session(deps, caller, user)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/auth/accept-invite",
        summary="Set the password with the link of an invitation or a reset, and log in",
        access="open",
        params=AcceptLink,
        handler=accept_link,
        response=AccessToken,
        request_example=AcceptLink("pJ0cWzq2Jm1aRb7cLw3fX0kQ9vTnY5dE8gHsUiOaBcM", "correct horse battery staple"),
        response_example=TOKEN_EXAMPLE,
        errors=(403, 503),
    ),
)
