"""Changes of a key's record, and who may make them.

- An admin's change of somebody's key moves its ceiling, also to no ceiling. The owner stays within it.
- An admin's change of an own key sets no ceiling, but lifts one that it exceeds.
- The owner or an admin suspends a key. What an admin suspended only an admin resumes: an admin's suspension replaces
  the owner's, and the owner's never replaces an admin's.
- A disabled owner suspends a key independently of that.
- The owner's policy bounds what everybody does, also admins: they raise the policy first.

Pure: does no I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from gateway.keys import ceilings
from gateway.keys.record import KeyRecord, KeyRestrictions, OwnerPolicy, Restrictions
from gateway.timestamps import DAY_MS

Key = TypeVar("Key", bound=KeyRecord)


class Actor(msgspec.Struct, frozen=True):
    """The person who makes a change. An operator on the command line has no email and owns no key."""

    email: str | None
    is_admin: bool

    def administers(self, owner: str) -> bool:
        """Return True for an admin who is not the owner."""
        return self.is_admin and self.email != owner


OPERATOR = Actor(None, is_admin=True)


class SuspendedByAdmin(Exception):
    """An admin suspended the key, so its owner may not resume it."""


class OwnerDisabled(Exception):
    """The owner of the key is disabled: the key is resumed by enabling the owner."""


class BeyondPolicy(Exception):
    """A change would exceed a bound of the owner's policy; `field` has its name, `problem` the largest value."""

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field} {problem}")


def too_many_keys(key: KeyRecord) -> BeyondPolicy:
    """Return the error for a key that its owner must not have in addition to the others."""
    most = key.owner_policy.max_keys if key.owner_policy is not None else 0
    keys = "1 key that is" if most == 1 else f"{most} keys that are"
    return BeyondPolicy("max_keys", f"allows {key.owner} {keys} neither revoked nor expired")


def new_fields(owner: str, policy: OwnerPolicy | None, fields: Mapping[str, Any], now_ms: int) -> dict[str, Any]:
    """Return the fields of a new key, with the policy's values for those that are left out. Raises `BeyondPolicy`."""
    if policy is None:
        return dict(fields)
    defaults = policy.defaults
    filled = {
        name: value
        for name in Restrictions.__struct_fields__
        if name not in fields and (value := getattr(defaults, name)) not in (None, False)
    }
    if "expires_at" in fields:
        _check_end(owner, policy, fields["expires_at"], now_ms)
    elif days := [days for days in (defaults.expires_days, policy.max_key_days) if days is not None]:
        filled["expires_at"] = now_ms + min(days) * DAY_MS
    return {**fields, **filled}


def _check_end(owner: str, policy: OwnerPolicy, end: int | None, now_ms: int) -> None:
    most = policy.max_key_days
    if most is not None and (end is None or end > now_ms + most * DAY_MS):
        raise BeyondPolicy("expires_days", f"must be at most {most}, the max_key_days of {owner}")


def initial_ceiling(owner: str, fields: Mapping[str, Any], actor: Actor) -> KeyRestrictions | None:
    """Return the ceiling of a new key with these fields."""
    return ceilings.moved(None, fields) if actor.administers(owner) else None


def update(key: Key, fields: Mapping[str, Any], actor: Actor, now_ms: int) -> Key:
    """Set fields. Raises `ceilings.AboveCeiling` and `BeyondPolicy`."""
    ceiling = key.ceiling
    if not actor.is_admin:
        fields = ceilings.narrowed(ceiling, fields, now_ms)
    elif actor.administers(key.owner):
        ceiling = ceilings.moved(ceiling, fields)
    else:
        ceiling = ceilings.lifted(ceiling, fields)
    if key.owner_policy is not None and "expires_at" in fields:
        _check_end(key.owner, key.owner_policy, fields["expires_at"], now_ms)
    return msgspec.structs.replace(key, **fields, ceiling=ceiling)


def transfer(key: Key, owner: str, policy: OwnerPolicy | None) -> Key:
    """Give the key to an owner who is not disabled; without effect if it is theirs already."""
    if key.owner == owner:
        return key
    return msgspec.structs.replace(key, owner=owner, owner_policy=policy, owner_disabled_at=None)


def suspend(key: Key, actor: Actor, now_ms: int) -> Key:
    """Suspend the key; without effect if that is done already."""
    by_admin = actor.administers(key.owner)
    if key.suspended_by == "admin" or (key.suspended_by == "owner" and not by_admin):
        return key
    return msgspec.structs.replace(key, suspended_at=now_ms, suspended_by="admin" if by_admin else "owner")


def resume(key: Key, actor: Actor) -> Key:
    """End a suspension, if there is one. Raises `SuspendedByAdmin` and `OwnerDisabled`."""
    if key.owner_disabled_at is not None:
        raise OwnerDisabled(key.key_id)
    if key.suspended_by == "admin" and not actor.is_admin:
        raise SuspendedByAdmin(key.key_id)
    return msgspec.structs.replace(key, suspended_at=None, suspended_by=None)


def disable_owner(key: Key, now_ms: int) -> Key:
    """Suspend the key because its owner was disabled."""
    return key if key.owner_disabled_at is not None else msgspec.structs.replace(key, owner_disabled_at=now_ms)


def enable_owner(key: Key) -> Key:
    """End the suspension by `disable_owner`, and no other."""
    return msgspec.structs.replace(key, owner_disabled_at=None)


def if_owned(owner: str, make: Callable[[Key], Key]) -> Callable[[Key], Key | None]:
    """Return the change for keys of an owner, without those that were transferred in the meantime."""
    return lambda key: make(key) if key.owner == owner else None
