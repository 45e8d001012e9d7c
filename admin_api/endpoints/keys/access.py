"""Access to the key and the owner that a request names.

The key of another owner is 404, like an unknown key. An admin may act on every key, an auditor may read every key.
"""

from __future__ import annotations

from admin_api.dependencies import Dependencies
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller
from admin_api.http.problem import Problem
from gateway.accounts.user import NoOwner, possible_owner
from gateway.keys.changes import Actor
from gateway.keys.record import KeyRecord


async def accessible_key(deps: Dependencies, caller: ApiCaller, key_id: str) -> KeyRecord:
    """Return a key that the caller may act on; it may be revoked. Raises `Problem` 404."""
    record = await deps.keys.get(key_id)
    if record is None or not is_accessible(caller, record):
        raise not_found()
    return record


def is_accessible(caller: ApiCaller, record: KeyRecord) -> bool:
    """Return True for a key of the caller, and for every key if the caller reads all."""
    return record.owner == caller.user.email or caller.user.reads_all


async def changeable_key(deps: Dependencies, caller: ApiCaller, key_id: str) -> KeyRecord:
    """Return a key that the caller may change. Raises `Problem` 404, and 409 for a revoked key."""
    record = await accessible_key(deps, caller, key_id)
    if record.revoked_at is not None:
        raise revoked()
    return record


async def enabled_owner(deps: Dependencies, email: str) -> str:
    """Return the owner with this email. Raises `InvalidFields` for an unknown or disabled one, and for an auditor."""
    try:
        return possible_owner(await deps.users.get(email))
    except NoOwner as error:
        raise InvalidFields([FieldFault("owner", str(error))]) from None


async def suspend_if_disabled(deps: Dependencies, owner: str) -> None:
    """Suspend the keys of an owner who was disabled while a key was added, perhaps too early to have found that key."""
    user = await deps.users.get(owner)
    if user is None or user.disabled:
        await deps.keys.disable_owner(owner)


def not_found() -> Problem:
    """Return the response to an unknown key id, and to that of a key of somebody else."""
    return Problem(404, "You have no key with this key_id.")


def revoked() -> Problem:
    """Return the response to a change of a revoked key."""
    return Problem(409, "This key is revoked permanently. Create a new one.")


def actor(caller: ApiCaller) -> Actor:
    """Return the caller as the author of a change."""
    return Actor(caller.user.email, caller.user.is_admin)
