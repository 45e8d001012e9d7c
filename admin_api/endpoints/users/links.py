"""Invitations, and resets of passwords: one-time links, which admins pass on to their users."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.users import examples
from admin_api.endpoints.users.models import InviteUser, PasswordLink, ResetPassword
from admin_api.endpoints.users.policies import policy_fields
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint
from gateway.accounts.password_links import NoLinkFor, Purpose
from gateway.accounts.user import User
from gateway.timestamps import format_rfc3339


async def invite_user(deps: Dependencies, caller: ApiCaller, params: InviteUser) -> PasswordLink:
    """Add a user without a password, and return the link of the invitation."""
    await deps.creation_limits.acquire(caller.user.email, "users")
    owner = await deps.owners.invite(params.email, params.role, policy_fields(params.policy))
    return await _issue(deps, caller, owner.user, "invite")


async def reset_link(deps: Dependencies, caller: ApiCaller, params: ResetPassword) -> PasswordLink:
    """Return a link with which a user sets a new password; the old one works until then."""
    owner = await deps.owners.get(params.email)
    return await _issue(deps, caller, owner.user, "reset")


async def _issue(deps: Dependencies, caller: ApiCaller, user: User, purpose: Purpose) -> PasswordLink:
    try:
        link = await deps.password_links.issue_recorded(user, purpose, deps.audit)
    except NoLinkFor as error:
        raise InvalidFields([FieldFault("email", str(error))]) from None
    return PasswordLink(user.email, link.url(caller.client.dashboard_url), format_rfc3339(link.expires_at))


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/users/invite",
        summary="Add a user, who sets the password with a one-time link; it is valid for 7 days",
        access="admin",
        params=InviteUser,
        handler=invite_user,
        response=PasswordLink,
        request_example=examples.INVITE,
        response_example=examples.LINK,
        status=201,
        errors=(409, 429),
    ),
    Endpoint(
        method="POST",
        path="/api/users/reset-link",
        summary="Make a one-time link with which a user sets a new password; it is valid for 1 hour",
        access="admin",
        params=ResetPassword,
        handler=reset_link,
        response=PasswordLink,
        request_example=examples.RESET,
        response_example=examples.LINK,
        errors=(404,),
    ),
)
