"""Users, for admins.

- Disabling a user ends the user's tokens and revokes the user's keys.
- The last admin who can log in cannot be disabled, or nobody could administer the gateway any more.
"""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.http.endpoint import Caller, Endpoint, Nothing
from admin_api.http.field_types import AnyEmail, Email, Flag, NewPassword
from admin_api.http.problem import Problem
from gateway.accounts.users import User, UserExists
from gateway.timestamps import format_rfc3339


class AccountItem(msgspec.Struct, frozen=True):
    """A user as others see it."""

    email: str
    is_admin: bool
    disabled: bool
    created_at: str


class AccountList(msgspec.Struct, frozen=True):
    """All users by email."""

    users: list[AccountItem]


class NewAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user to be."""

    email: Email
    password: NewPassword
    is_admin: Flag = False


class DisableAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to disable."""

    email: AnyEmail


class EnableAccount(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom to enable again."""

    email: AnyEmail


class DisabledAccount(msgspec.Struct, frozen=True):
    """Who was disabled, and how many keys were revoked with it."""

    email: str
    disabled: bool
    revoked_keys: int


async def list_accounts(deps: Dependencies, caller: Caller, given: Nothing) -> AccountList:
    """All users."""
    return AccountList([_item(user) for user in await deps.users.list()])


async def add_account(deps: Dependencies, caller: Caller, given: NewAccount) -> AccountItem:
    """Make a user."""
    try:
        user = await deps.users.add(given.email, given.password, given.is_admin)
    except UserExists:
        raise Problem(409, "There is a user with this email already.") from None
    await deps.audit.record(
        actor=caller.user.email,
        action="user.add",
        address=caller.address,
        user=user.email,
        details={"is_admin": str(user.is_admin).lower()},
    )
    return _item(user)


async def disable_account(deps: Dependencies, caller: Caller, given: DisableAccount) -> DisabledAccount:
    """Refuse a user from now on, and revoke the user's keys; repeating it is fine."""
    user = await deps.users.get(given.email)
    if user is None:
        raise Problem(404, "There is no such user.")
    able = [other for other in await deps.users.list() if other.is_admin and not other.disabled]
    if [other.email for other in able] == [user.email]:
        raise Problem(409, "This is the last admin; make another one first.")
    await deps.users.disable(user.email)
    revoked = await deps.keys.revoke_all(user.email)
    await deps.audit.record(
        actor=caller.user.email,
        action="user.disable",
        address=caller.address,
        user=user.email,
        details={"revoked_keys": str(revoked)},
    )
    return DisabledAccount(user.email, disabled=True, revoked_keys=revoked)


async def enable_account(deps: Dependencies, caller: Caller, given: EnableAccount) -> AccountItem:
    """Let a disabled user log in again; the user's keys stay revoked. Repeating it is fine."""
    user = await deps.users.enable(given.email)
    if user is None:
        raise Problem(404, "There is no such user.")
    await deps.audit.record(actor=caller.user.email, action="user.enable", address=caller.address, user=user.email)
    return _item(user)


def _item(user: User) -> AccountItem:
    return AccountItem(user.email, user.is_admin, user.disabled, format_rfc3339(user.created_at))


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/users",
        summary="All users",
        access="admin",
        takes=Nothing,
        handler=list_accounts,
        answers=AccountList,
    ),
    Endpoint(
        method="POST",
        path="/api/users/add",
        summary="Make a user",
        access="admin",
        takes=NewAccount,
        handler=add_account,
        answers=AccountItem,
        status=201,
        refusals=(409, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/users/disable",
        summary="Disable a user and revoke the user's keys",
        access="admin",
        takes=DisableAccount,
        handler=disable_account,
        answers=DisabledAccount,
        refusals=(404, 409),
    ),
    Endpoint(
        method="POST",
        path="/api/users/enable",
        summary="Enable a user again; keys stay revoked",
        access="admin",
        takes=EnableAccount,
        handler=enable_account,
        answers=AccountItem,
        refusals=(404,),
    ),
)
