"""API keys: create, list, revoke, rotate, update.

- The secret of a key is only in the responses to create and rotate; digests are in no response.
- An owner who would widen a key beyond what an admin has set gets 403 with the fields (`gateway.keys.ceilings`).
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from admin_api.dependencies import Dependencies
from admin_api.endpoints.key_access import accessible_key, actor, audit, not_found, revoked
from admin_api.endpoints.key_models import (
    CreatedKey,
    CreateKey,
    KeyCeiling,
    KeyItem,
    KeyList,
    ListQuery,
    RevokedKey,
    RevokeKey,
    RotateKey,
    UpdateKey,
)
from admin_api.endpoints.ownership import requested_owner
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.problem import Problem
from gateway.keys import ceilings
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.timestamps import DAY_MS, format_rfc3339


async def create_key(deps: Dependencies, caller: ApiCaller, params: CreateKey) -> CreatedKey:
    """Create a key for the caller."""
    fields = msgspec.structs.asdict(params)
    expires_at = _expiry(deps, fields.pop("expires_days"))
    record, key = await deps.keys.create(owner=caller.user.email, expires_at=expires_at, **fields)
    owner = await deps.users.get(record.owner)
    if owner is None or owner.disabled:
        # Disabled since the request was authenticated, perhaps too early to have found this key.
        await deps.keys.disable_owner(record.owner)
    await audit(deps, caller, "key.create", record, {"key_name": record.key_name})
    return _created(record, key)


async def list_keys(deps: Dependencies, caller: ApiCaller, params: ListQuery) -> KeyList:
    """List the keys of one owner or, for admins, of all owners."""
    records = await deps.keys.list(requested_owner(caller, params.owner, params.all))
    used = await deps.keys.last_used([record.key_id for record in records])
    now = deps.now_ms()
    return KeyList([_item(record, now, used.get(record.key_id)) for record in records])


async def revoke_key(deps: Dependencies, caller: ApiCaller, params: RevokeKey) -> RevokedKey:
    """Revoke a key permanently."""
    before = await accessible_key(deps, caller, params.key_id)
    if before.revoked_at is None:
        await deps.keys.revoke(before.key_id)
        await audit(deps, caller, "key.revoke", before)
    return RevokedKey(key_id=before.key_id)


async def rotate_key(deps: Dependencies, caller: ApiCaller, params: RotateKey) -> CreatedKey:
    """Give a key a new secret."""
    before = await accessible_key(deps, caller, params.key_id)
    if before.status(deps.now_ms()) == "expired":
        raise Problem(409, "This key has expired. Set a new expiry with /api/mcp-keys/update first.")
    rotated = await deps.keys.rotate(before.key_id, params.overlap_seconds)
    if rotated is None:
        raise revoked()
    record, key = rotated
    await audit(deps, caller, "key.rotate", record, {"overlap_seconds": str(params.overlap_seconds)})
    return _created(record, key)


async def update_key(deps: Dependencies, caller: ApiCaller, params: UpdateKey) -> KeyItem:
    """Change a key's name, expiry, limits, scopes or labels."""
    changes: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(params).items() if value is not UNSET
    }
    before = await accessible_key(deps, caller, changes.pop("key_id"))
    if not changes:
        raise InvalidFields([FieldFault("body", "must contain a field to change in addition to key_id")])
    if before.revoked_at is not None:
        raise revoked()
    if "expires_days" in changes:
        changes["expires_at"] = _expiry(deps, changes.pop("expires_days"))
    try:
        record = await deps.keys.update(before.key_id, actor(caller), **changes)
    except ceilings.AboveCeiling as error:
        raise _above_ceiling(error) from None
    if record is None:
        raise not_found()
    details = {name: msgspec.json.encode(value).decode()[:500] for name, value in changes.items()}
    await audit(deps, caller, "key.update", record, details)
    used = await deps.keys.last_used([record.key_id])
    return _item(record, deps.now_ms(), used.get(record.key_id))


def _above_ceiling(error: ceilings.AboveCeiling) -> Problem:
    names = {"expires_at": "expires_days"}
    faults = [FieldFault(names.get(field, field), problem) for field, problem in error.problems.items()]
    problems = "; ".join(f"{fault.field} {fault.detail}" for fault in faults)
    return Problem(403, f"{problems}. An admin has set this; only an admin may widen it.", errors=faults)


def _expiry(deps: Dependencies, days: int | None) -> int | None:
    return None if days is None else deps.now_ms() + days * DAY_MS


def _created(record: KeyRecord, key: ApiKey) -> CreatedKey:
    return CreatedKey(
        key_id=record.key_id,
        key_name=record.key_name,
        api_key=key.text,
        key_prefix=record.key_prefix,
        created_at=format_rfc3339(record.created_at),
        expires_at=format_rfc3339(record.expires_at),
    )


def _item(record: KeyRecord, now_ms: int, last_used: int | None) -> KeyItem:
    return KeyItem(
        key_id=record.key_id,
        key_name=record.key_name,
        key_prefix=record.key_prefix,
        owner=record.owner,
        status=record.status(now_ms),
        created_at=format_rfc3339(record.created_at),
        revoked_at=format_rfc3339(record.revoked_at),
        suspended_at=format_rfc3339(record.suspended_since),
        suspended_by=record.suspender,
        last_used_at=format_rfc3339(last_used),
        **ceilings.values(record),
        ceiling=KeyCeiling(**ceilings.set_values(record.ceiling)),
        labels=record.labels,
    )


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/mcp-keys/create",
        summary="Create a key; its secret is shown only once",
        access="user",
        params=CreateKey,
        handler=create_key,
        response=CreatedKey,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-keys/list",
        summary="List keys, newest first",
        access="user",
        params=ListQuery,
        handler=list_keys,
        response=KeyList,
        errors=(403,),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/revoke",
        summary="Revoke a key permanently; idempotent",
        access="user",
        params=RevokeKey,
        handler=revoke_key,
        response=RevokedKey,
        errors=(404,),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/rotate",
        summary="Give a key a new secret; the old one works until the overlap ends",
        access="user",
        params=RotateKey,
        handler=rotate_key,
        response=CreatedKey,
        errors=(404, 409),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/update",
        summary="Change a key's name, expiry, limits, scopes or labels; an owner stays within what an admin has set",
        access="user",
        params=UpdateKey,
        handler=update_key,
        response=KeyItem,
        errors=(403, 404, 409),
    ),
)
