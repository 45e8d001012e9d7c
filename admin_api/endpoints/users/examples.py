"""Examples of the requests and responses of users, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from admin_api.endpoints.users.models import (
    DeletedUser,
    DeleteUser,
    DisabledUser,
    DisableUser,
    EnabledUser,
    EnableUser,
    InviteUser,
    NewUser,
    PasswordLink,
    ResetPassword,
    UpdatedUser,
    UpdateUser,
    UserItem,
    UserList,
    UsersQuery,
)
from admin_api.endpoints.users.policies import PolicyFields
from gateway.keys.record import OwnerPolicy

_EMAIL = "ada@example.com"
_USER: dict[str, Any] = {
    "email": _EMAIL,
    "role": "member",
    "kind": "user",
    "is_admin": False,
    "disabled": False,
    "invited": False,
    "created_at": "2026-01-01T00:00:00.000Z",
    "policy": OwnerPolicy(calls_per_day=10_000, max_keys=20),
}

USER = UserItem(**_USER)
LIST = UsersQuery(limit=50, q="ada")
LISTED = UserList([USER], next_cursor=None)
ADD = NewUser(_EMAIL, "correct horse battery staple", "member", policy=PolicyFields(calls_per_day=10_000, max_keys=20))
UPDATE = UpdateUser(_EMAIL, policy=PolicyFields(calls_per_day=10_000))
UPDATED = UpdatedUser(**_USER, warnings=[])
INVITE = InviteUser(_EMAIL, "member")
RESET = ResetPassword(_EMAIL)
LINK = PasswordLink(
    _EMAIL,
    "https://admin.example.com/#/accept?token=pJ0cWzq2Jm1aRb7cLw3fX0kQ9vTnY5dE8gHsUiOaBcM",
    "2026-01-08T00:00:00.000Z",
)
DISABLE = DisableUser(_EMAIL)
DISABLED = DisabledUser(_EMAIL, disabled=True, suspended_keys=3)
ENABLE = EnableUser(_EMAIL)
ENABLED = EnabledUser(**_USER, resumed_keys=3)
DELETE = DeleteUser(_EMAIL, transfer_to="grace@example.com")
DELETED = DeletedUser(email=_EMAIL, transferred_keys=["key_2xKqT0aZ7bLm9cNd4Pe8"])
