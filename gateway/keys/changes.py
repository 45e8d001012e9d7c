"""Changes of a key's record, and who may make them.

- An admin's change of somebody's key moves its ceiling, also to no ceiling. The owner stays within it.
- An admin's change of an own key sets no ceiling, but lifts one that it exceeds.
- The owner or an admin suspends a key. What an admin suspended only an admin resumes: an admin's suspension replaces
  the owner's, and the owner's never replaces an admin's.
- A disabled owner suspends a key independently of that.

Pure: does no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from gateway.keys import ceilings
from gateway.keys.record import KeyRecord, KeyRestrictions

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


def initial_ceiling(owner: str, fields: Mapping[str, Any], actor: Actor) -> KeyRestrictions | None:
    """Return the ceiling of a new key with these fields."""
    return ceilings.moved(None, fields) if actor.administers(owner) else None


def update(key: Key, fields: Mapping[str, Any], actor: Actor, now_ms: int) -> Key:
    """Set fields. Raises `ceilings.AboveCeiling`."""
    ceiling = key.ceiling
    if not actor.is_admin:
        fields = ceilings.narrowed(ceiling, fields, now_ms)
    elif actor.administers(key.owner):
        ceiling = ceilings.moved(ceiling, fields)
    else:
        ceiling = ceilings.lifted(ceiling, fields)
    return msgspec.structs.replace(key, **fields, ceiling=ceiling)


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
