"""Requests and responses of the endpoints of users."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType

from admin_api.endpoints.new_passwords import password_faults
from admin_api.endpoints.users.policies import Policy
from admin_api.http.decoding import FieldFault
from admin_api.http.field_types import (
    AnyEmail,
    Email,
    Flag,
    NewPassword,
    UserKind,
    UserRole,
    UserSearch,
)
from admin_api.http.paging import MAX_LIMIT, Cursor, PageLimit
from gateway.accounts.user import Kind, Role
from gateway.keys.record import OwnerPolicy


class UserItem(msgspec.Struct, frozen=True, kw_only=True):
    """A user or service account. The policy has the fields that are set."""

    email: str
    role: Role
    kind: Kind
    is_admin: bool
    disabled: bool
    invited: bool
    """True until the user accepts an invitation."""
    created_at: str
    policy: OwnerPolicy


class UserList(msgspec.Struct, frozen=True):
    """Users, sorted by email; `next_cursor` is the `cursor` of the next page, `null` on the last page."""

    users: list[UserItem]
    next_cursor: str | None


class UsersQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A page of the users, and a part of their email."""

    limit: PageLimit = MAX_LIMIT
    cursor: Cursor | None = None
    q: UserSearch | None = None


class NewUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new user, with a password, or a new service account, without one."""

    email: Email
    password: NewPassword | None = None
    role: UserRole | None = None
    kind: UserKind = "user"
    is_admin: Flag | None = None
    policy: Policy | UnsetType = UNSET

    @property
    def given_role(self) -> Role:
        """Return the role, which clients of earlier versions give as `is_admin`."""
        return self.role or ("admin" if self.is_admin else "member")

    def faults(self) -> list[FieldFault]:
        """Return the fields that do not fit each other."""
        faults = []
        if self.is_admin is not None and self.is_admin != (self.given_role == "admin"):
            faults.append(FieldFault("is_admin", "must be left out, or agree with role"))
        if self.kind == "user" and self.password is None:
            faults.append(FieldFault("password", "is required for a user"))
        if self.kind == "user" and self.password is not None:
            faults += password_faults("password", self.password, self.email)
        if self.kind == "service" and self.password is not None:
            faults.append(FieldFault("password", "must be left out: a service account cannot log in"))
        if self.kind == "service" and self.given_role != "member":
            faults.append(FieldFault("role", "must be member for a service account, which cannot log in"))
        return faults


class UpdateUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Changes of a user; the policy is merged by field, and a `kind` must be that of the user."""

    email: AnyEmail
    role: UserRole | None = None
    kind: UserKind | None = None
    policy: Policy | UnsetType = UNSET


class UpdatedUser(UserItem, frozen=True, kw_only=True):
    """A changed user, with a warning for each new limit of the policy that is below what is used already."""

    warnings: list[str]


class InviteUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new user, who sets the password with a one-time link, or one who has not done so yet."""

    email: Email
    role: UserRole | None = None
    policy: Policy | UnsetType = UNSET


class ResetPassword(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user who gets a link to set a new password."""

    email: AnyEmail


class PasswordLink(msgspec.Struct, frozen=True):
    """A link with which the user sets a password, once. It replaces earlier links of the user."""

    email: str
    link: str
    expires_at: str


class DisableUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user to disable."""

    email: AnyEmail


class DisabledUser(msgspec.Struct, frozen=True):
    """The disabled user, and the number of active keys that were suspended."""

    email: str
    disabled: bool
    suspended_keys: int


class EnableUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user to enable."""

    email: AnyEmail


class EnabledUser(UserItem, frozen=True, kw_only=True):
    """The enabled user, and the number of keys that are active again."""

    resumed_keys: int


class DeleteUser(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The user to delete, and the user who gets the keys that are not revoked."""

    email: AnyEmail
    transfer_to: AnyEmail | None = None


class DeletedUser(msgspec.Struct, frozen=True, kw_only=True):
    """The deleted user, and the ids of the keys that were transferred."""

    email: str
    deleted: bool = True
    transferred_keys: list[str]
