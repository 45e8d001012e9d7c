"""The endpoints of users: reading for admins and auditors, changes for admins.

- Disabling a user invalidates their tokens and suspends their keys; enabling resumes those keys.
- The last active admin can be neither disabled, nor deleted, nor given another role.
"""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.users import examples
from admin_api.endpoints.users.models import (
    DeletedUser,
    DeleteUser,
    DisabledUser,
    DisableUser,
    EnabledUser,
    EnableUser,
    NewUser,
    UpdatedUser,
    UpdateUser,
    UserItem,
    UserList,
    UsersQuery,
)
from admin_api.endpoints.users.policies import policy_fields
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.paging import decode_cursor, encode_cursor
from gateway.keys.limit_use import warn_of_pool_use


async def list_users(deps: Dependencies, caller: ApiCaller, params: UsersQuery) -> UserList:
    """List users."""
    owners, last = await deps.owners.page(params.limit, _last_email(params.cursor), params.q or "")
    return UserList([UserItem(**owner.values()) for owner in owners], encode_cursor((last,)) if last else None)


def _last_email(cursor: str | None) -> str:
    """Return the last email of the previous page. Raises `InvalidCursor`."""
    return "" if cursor is None else str(decode_cursor(cursor, (str,))[0])


async def add_user(deps: Dependencies, caller: ApiCaller, params: NewUser) -> UserItem:
    """Add a user or a service account."""
    if faults := params.faults():
        raise InvalidFields(faults)
    policy = policy_fields(params.policy)
    await deps.creation_limits.acquire(caller.user.email, "users")
    owner = await deps.owners.add(params.email, params.password, params.given_role, policy)
    return UserItem(**owner.values())


async def update_user(deps: Dependencies, caller: ApiCaller, params: UpdateUser) -> UpdatedUser:
    """Change the role or the policy of a user."""
    policy = policy_fields(params.policy)
    if params.role is None and not policy:
        raise InvalidFields([FieldFault("body", "must contain role or a field of policy in addition to email")])
    if params.kind is not None and (await deps.owners.get(params.email)).user.kind != params.kind:
        raise InvalidFields([FieldFault("kind", "must be left out: a user does not become a service account")])
    owner = await deps.owners.update(params.email, params.role, policy)
    warnings = await warn_of_pool_use(deps.redis, owner.user.email, owner.policy, policy, deps.now_ms())
    return UpdatedUser(**owner.values(), warnings=warnings)


async def disable_user(deps: Dependencies, caller: ApiCaller, params: DisableUser) -> DisabledUser:
    """Disable a user and suspend the user's keys. Idempotent."""
    user, suspended = await deps.owners.disable(params.email)
    return DisabledUser(user.email, disabled=True, suspended_keys=suspended)


async def enable_user(deps: Dependencies, caller: ApiCaller, params: EnableUser) -> EnabledUser:
    """Enable a disabled user and resume the keys that this suspended. Idempotent."""
    owner, resumed = await deps.owners.enable(params.email)
    return EnabledUser(**owner.values(), resumed_keys=resumed)


async def delete_user(deps: Dependencies, caller: ApiCaller, params: DeleteUser) -> DeletedUser:
    """Delete a user without keys, or transfer them."""
    user, transferred = await deps.owners.delete(params.email, params.transfer_to)
    return DeletedUser(email=user.email, transferred_keys=list(transferred))


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/users",
        summary="List users, sorted by email",
        access="auditor",
        params=UsersQuery,
        handler=list_users,
        response=UserList,
        request_example=examples.LIST,
        response_example=examples.LISTED,
    ),
    Endpoint(
        method="POST",
        path="/api/users/add",
        summary="Add a user or a service account",
        access="admin",
        params=NewUser,
        handler=add_user,
        response=UserItem,
        request_example=examples.ADD,
        response_example=examples.USER,
        status=201,
        errors=(409, 429, 503),
    ),
    Endpoint(
        method="POST",
        path="/api/users/update",
        summary="Change the role or the policy of a user",
        access="admin",
        params=UpdateUser,
        handler=update_user,
        response=UpdatedUser,
        request_example=examples.UPDATE,
        response_example=examples.UPDATED,
        errors=(404, 409),
    ),
    Endpoint(
        method="POST",
        path="/api/users/disable",
        summary="Disable a user and suspend the user's keys",
        access="admin",
        params=DisableUser,
        handler=disable_user,
        response=DisabledUser,
        request_example=examples.DISABLE,
        response_example=examples.DISABLED,
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
        request_example=examples.ENABLE,
        response_example=examples.ENABLED,
        errors=(404,),
    ),
    Endpoint(
        method="POST",
        path="/api/users/delete",
        summary="Delete a user without keys, or transfer them; revoked keys do not count and stay",
        access="admin",
        params=DeleteUser,
        handler=delete_user,
        response=DeletedUser,
        request_example=examples.DELETE,
        response_example=examples.DELETED,
        errors=(404, 409),
    ),
)
