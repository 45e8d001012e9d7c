"""Users, for admins.

- Disabling a user invalidates their tokens and suspends their keys; enabling resumes those keys.
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
    """The disabled user, and the number of active keys that were suspended."""

    email: str
    disabled: bool
    suspended_keys: int


class EnabledUser(msgspec.Struct, frozen=True):
    """The enabled user, and the number of keys that are active again."""

    email: str
    is_admin: bool
    disabled: bool
    created_at: str
    resumed_keys: int


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
    """Disable a user and suspend the user's keys. Idempotent."""
    user = await deps.users.get(params.email)
    if user is None:
        raise Problem(404, "This user does not exist.")
    active_admins = [other for other in await deps.users.list() if other.is_admin and not other.disabled]
    if [other.email for other in active_admins] == [user.email]:
        raise Problem(409, "This is the last active admin. Add another admin first.")
    await deps.users.disable(user.email)
    suspended = await deps.keys.disable_owner(user.email)
    await deps.audit.record(
        actor=caller.user.email,
        action="user.disable",
        address=caller.address,
        user=user.email,
        details={"suspended_keys": str(suspended)},
    )
    return DisabledUser(user.email, disabled=True, suspended_keys=suspended)


async def enable_user(deps: Dependencies, caller: ApiCaller, params: EnableUser) -> EnabledUser:
    """Enable a disabled user and resume the keys that this suspended. Idempotent."""
    user = await deps.users.enable(params.email)
    if user is None:
        raise Problem(404, "This user does not exist.")
    resumed = await deps.keys.enable_owner(user.email)
    await deps.audit.record(
        actor=caller.user.email,
        action="user.enable",
        address=caller.address,
        user=user.email,
        details={"resumed_keys": str(resumed)},
    )
    return EnabledUser(**msgspec.structs.asdict(_item(user)), resumed_keys=resumed)


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
        summary="Disable a user and suspend the user's keys",
        access="admin",
        params=DisableUser,
        handler=disable_user,
        response=DisabledUser,
        errors=(404, 409),
    ),
    Endpoint(
        method="POST",
        path="/api/users/enable",
        summary="Enable a disabled user and resume the keys that disabling suspended",
        access="admin",
        params=EnableUser,
        handler=enable_user,
        response=EnabledUser,
        errors=(404,),
    ),
)
