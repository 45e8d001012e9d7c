"""The rules for new passwords, as faults of the field that has one."""

from __future__ import annotations

from admin_api.http.decoding import FieldFault
from gateway.password_policy import validate_new_password


def password_faults(field: str, password: str, email: str) -> list[FieldFault]:
    """Return the fault of a field with a new password for this user; empty if the password can be used."""
    try:
        validate_new_password(password, email)
    except ValueError as error:
        return [FieldFault(field, str(error))]
    return []
