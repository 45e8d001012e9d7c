"""Requests and responses of logins."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from admin_api.http.field_types import Email, LinkToken, NewPassword, Password, SessionId
from gateway.accounts.user import Role


class Credentials(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An email and password."""

    email: Email
    password: Password


class AccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token for `Authorization: Bearer`. The dashboard gets it as a cookie, and only `expires_in` here."""

    access_token: str | UnsetType = UNSET
    token_type: Literal["bearer"] | UnsetType = UNSET
    expires_in: int
    """Lifetime in seconds."""


class CurrentUser(msgspec.Struct, frozen=True):
    """The logged-in user."""

    email: str
    is_admin: bool


class PasswordChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The current and the new password."""

    current_password: Password
    new_password: NewPassword


class AcceptLink(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a link, and the password that its user chooses."""

    token: LinkToken
    password: NewPassword


class LoggedOut(msgspec.Struct, frozen=True):
    """The login has ended."""

    logged_out: bool = True


class SessionItem(msgspec.Struct, frozen=True, kw_only=True):
    """A login of the user. `current` is true for that of the request; `address` and `user_agent` are of the login."""

    session_id: str
    started_at: str
    last_used_at: str
    expires_at: str
    address: str
    user_agent: str
    current: bool


class SessionList(msgspec.Struct, frozen=True):
    """The role of the user, and the user's logins, the one that was used last first."""

    role: Role
    sessions: list[SessionItem]


class EndSessions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The login to end; all but the current one if it is left out."""

    session_id: SessionId | None = None


class EndedSessions(msgspec.Struct, frozen=True):
    """The ids of the logins that were ended."""

    session_ids: list[str]
