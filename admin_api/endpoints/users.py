"""Users, for admins.

- Disabling a user invalidates their tokens and revokes their keys.
- The last active admin cannot be disabled.
"""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.endpoint import ApiCaller, Endpoint, Nothing
from admin_api.http.field_types import AnyEmail, Email, Flag, NewPassword
from admin_api.http.problem import Problem
from gateway.accounts.users import User, UserExists
from gateway.timestamps import format_rfc3339


class UserItem(msgspec.Struct, frozen=True):
    """A user."""

    email: str
    is_admin: bool
    disabled: bool
    created_at: str


class UserList(msgspec.Struct, frozen=True):
    """All users, sorted by email."""

    users: list[UserItem]


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new user."""

    email: Email
    password: NewPassword
    is_admin: Flag = False


class DisableUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user to disable."""

    email: AnyEmail


class EnableUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user to enable."""

    email: AnyEmail


class DisabledUser(msgspec.Struct, frozen=True):
    """The disabled user, and the number of keys that were revoked."""

    email: str
    disabled: bool
    revoked_keys: int


async def list_users(deps: Dependencies, caller: ApiCaller, params: Nothing) -> UserList:
    """List all users."""
    return UserList([_item(user) for user in await deps.users.list()])


async def add_user(deps: Dependencies, caller: ApiCaller, params: NewUser) -> UserItem:
    """Add a user."""
    try:
        user = await deps.users.add(params.email, params.password, params.is_admin)
    except UserExists:
        raise Problem(409, "A user with this email exists already.") from None
    await deps.audit.record(
        actor=caller.user.email,
        action="user.add",
        address=caller.address,
        user=user.email,
        details={"is_admin": str(user.is_admin).lower()},
    )
    return _item(user)


async def disable_user(deps: Dependencies, caller: ApiCaller, params: DisableUser) -> DisabledUser:
    """Disable a user and revoke the user's keys. Idempotent."""
    user = await deps.users.get(params.email)
    if user is None:
        raise Problem(404, "This user does not exist.")
    active_admins = [other for other in await deps.users.list() if other.is_admin and not other.disabled]
    if [other.email for other in active_admins] == [user.email]:
        raise Problem(409, "This is the last active admin. Add another admin first.")
    await deps.users.disable(user.email)
    revoked = await deps.keys.revoke_all(user.email)
    await deps.audit.record(
        actor=caller.user.email,
        action="user.disable",
        address=caller.address,
        user=user.email,
        details={"revoked_keys": str(revoked)},
    )
    return DisabledUser(user.email, disabled=True, revoked_keys=revoked)


async def enable_user(deps: Dependencies, caller: ApiCaller, params: EnableUser) -> UserItem:
    """Enable a disabled user; the user's keys stay revoked. Idempotent."""
    user = await deps.users.enable(params.email)
    if user is None:
        raise Problem(404, "This user does not exist.")
    await deps.audit.record(actor=caller.user.email, action="user.enable", address=caller.address, user=user.email)
    return _item(user)


def _item(user: User) -> UserItem:
    return UserItem(user.email, user.is_admin, user.disabled, format_rfc3339(user.created_at))


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/users",
        summary="List all users",
        access="admin",
        params=Nothing,
        handler=list_users,
        response=UserList,
    ),
    Endpoint(
        method="POST",
        path="/api/users/add",
        summary="Add a user",
        access="admin",
        params=NewUser,
        handler=add_user,
        response=UserItem,
        status=201,
        errors=(409, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/users/disable",
        summary="Disable a user and revoke the user's keys",
        access="admin",
        params=DisableUser,
        handler=disable_user,
        response=DisabledUser,
        errors=(404, 409),
    ),
    Endpoint(
        method="POST",
        path="/api/users/enable",
        summary="Enable a disabled user; keys stay revoked",
        access="admin",
        params=EnableUser,
        handler=enable_user,
        response=UserItem,
        errors=(404,),
    ),
)
