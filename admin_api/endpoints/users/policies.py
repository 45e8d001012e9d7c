"""The policy of an owner in a request."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, UnsetType

from admin_api.endpoints.restrictions import RestrictionFields
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.field_types import ExpiresDays, Limit, MaxKeyDays
from gateway.keys.validation import InvalidField, validate_policy


class DefaultsFields(RestrictionFields, frozen=True, kw_only=True):
    """The values that a new key gets for fields that its creation leaves out."""

    expires_days: ExpiresDays | UnsetType = UNSET


Defaults = Annotated[
    DefaultsFields | None,
    msgspec.Meta(
        description="Values of new keys for fields that their creation leaves out; merged by field, `null` clears all.",
        extra={"must": "be an object of scopes, limits and expires_days, or null for none"},
    ),
]


class PolicyFields(RestrictionFields, frozen=True, kw_only=True):
    """Scopes for all keys of an owner, and limits that they share; `null` clears a field."""

    max_keys: Limit | UnsetType = UNSET
    max_key_days: MaxKeyDays | UnsetType = UNSET
    defaults: Defaults | UnsetType = UNSET


Policy = Annotated[
    PolicyFields,
    msgspec.Meta(
        description="Scopes for all keys of the user, and limits that they share: those of a key, `max_keys`, "
        "`max_key_days`, and `defaults` of new keys. Merged by field; `null` clears one.",
        extra={"must": "be an object of scopes and limits"},
    ),
]


def policy_fields(policy: PolicyFields | UnsetType) -> dict[str, Any]:
    """Return the fields that a request sets. Raises `InvalidFields`."""
    if policy is UNSET:
        return {}
    fields = policy.set_fields()
    if isinstance(fields.get("defaults"), DefaultsFields):
        fields["defaults"] = fields["defaults"].set_fields()
    try:
        return validate_policy(fields)
    except InvalidField as error:
        raise InvalidFields([FieldFault(f"policy.{error.field}", error.problem)]) from None
