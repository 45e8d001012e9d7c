"""Finding the key and the owner that a command names."""

from __future__ import annotations

from gateway.cli.support.output import CliError
from gateway.cli.support.stores import Stores
from gateway.keys.record import KeyRecord


async def get_key(stores: Stores, key_id: str) -> KeyRecord:
    """Return the record of a key; it may be revoked or expired. Raises `CliError`."""
    record = await stores.keys.get(key_id)
    if record is None:
        raise no_such_key(key_id)
    return record


async def get_changeable_key(stores: Stores, key_id: str) -> KeyRecord:
    """Return the record of a key that is not revoked. Raises `CliError`."""
    record = await get_key(stores, key_id)
    if record.revoked_at is not None:
        raise revoked(key_id)
    return record


async def get_enabled_owner(stores: Stores, email: str) -> str:
    """Return the owner with this email. Raises `CliError` for an unknown or disabled one, and for an auditor."""
    user = await stores.users.get(email)
    if user is None:
        raise CliError(f"there is no user {email}: add it with `mcp-gateway user add {email}`")
    if user.disabled:
        raise CliError(f"{user.email} is disabled: name another owner")
    if user.role == "auditor":
        raise CliError(f"{user.email} is an auditor, who owns no keys: name another owner")
    return user.email


def no_such_key(key_id: str) -> CliError:
    """Return the error for an unknown key id."""
    if key_id.startswith("sk-"):
        return CliError("that is an API key: use its key id, key_…, which `mcp-gateway key list` shows")
    return CliError(f"there is no key {key_id}: list them with `mcp-gateway key list`")


def revoked(key_id: str) -> CliError:
    """Return the error for a change of a revoked key."""
    return CliError(f"{key_id} is revoked, which is permanent: create a new key")
