"""A user or service account, and the stored form.

Pure: does no I/O.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec

MAX_EMAIL_LENGTH = 254

Role = Literal["admin", "auditor", "member"]
"""Admins change everything, auditors read everything and change nothing, members have their own keys and usage."""
Kind = Literal["user", "service"]
"""A service account owns keys and cannot log in."""

NO_PASSWORD = "!"  # noqa: S105
"""First character of a value, in the place of a hash, that no password matches."""
_CHARACTER = r"[^@\s\x00-\x1f\x7f-\x9f]"
_EMAIL = re.compile(f"{_CHARACTER}{{1,64}}@{_CHARACTER}{{1,189}}")
EMAIL_PATTERN = rf"^\s*{_EMAIL.pattern}\s*$"
"""An email as somebody may write it, with white space around it; for JSON Schema, too."""


class InvalidRole(ValueError):
    """A user of this kind cannot have this role."""


class NoOwner(ValueError):
    """Keys cannot be given to this user."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user of the admin API, or a service account. Timestamps are milliseconds since the epoch."""

    email: str
    password_hash: str
    role: Role
    kind: Kind
    disabled: bool
    created_at: int
    password_changed_at: int

    @property
    def is_admin(self) -> bool:
        """True for an admin."""
        return self.role == "admin"

    @property
    def is_active_admin(self) -> bool:
        """True for an admin who is not disabled."""
        return self.is_admin and not self.disabled

    @property
    def has_password(self) -> bool:
        """True for a user who can log in, false for a service account and a user who has not accepted an invitation."""
        return not self.password_hash.startswith(NO_PASSWORD)

    @property
    def is_invited(self) -> bool:
        """True for a user who has not accepted an invitation yet."""
        return self.kind == "user" and not self.has_password

    @property
    def reads_all(self) -> bool:
        """True if the user may read the keys and the usage of all owners."""
        return self.role in ("admin", "auditor")

    def __repr__(self) -> str:
        return f"User({self.email!r}, {self.role}, {self.kind}, disabled={self.disabled})"


def encode_user(user: User) -> bytes:
    """Return the stored form. It also has `is_admin`, for earlier versions."""
    return msgspec.json.encode({**msgspec.structs.asdict(user), "is_admin": user.is_admin})


def decode_user(stored: bytes) -> User:
    """Read the stored form; that of earlier versions has `is_admin` instead of a role and a kind."""
    fields: dict[str, Any] = msgspec.json.decode(stored)
    return msgspec.convert({"role": "admin" if fields["is_admin"] else "member", "kind": "user", **fields}, User)


def possible_owner(user: User | None) -> str:
    """Return the email of a user to whom keys can be given; `None` is an unknown one. Raises `NoOwner`."""
    if user is None:
        raise NoOwner("must be the email of a user: this user does not exist")
    if user.disabled:
        raise NoOwner("must not be disabled: enable the user first")
    if user.role == "auditor":
        raise NoOwner("must not be an auditor, who owns no keys")
    return user.email


def normalize_email(email: str) -> str:
    """Return the form in which an email is stored and compared. Raises `ValueError` if it is not an email address."""
    email = email.strip().casefold()
    if len(email) > MAX_EMAIL_LENGTH or not _EMAIL.fullmatch(email):
        raise ValueError("is not an email address")
    return email


def validate_role(kind: Kind, role: Role) -> Role:
    """Return the role. Raises `InvalidRole` if a user of this kind cannot have it."""
    if kind == "service" and role != "member":
        raise InvalidRole("must be member for a service account, which cannot log in")
    return role
