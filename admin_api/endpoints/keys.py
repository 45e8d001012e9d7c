"""API keys: create, list, revoke, rotate, update.

- An API key is in the answer to create and to rotate, and nowhere else; digests are in no answer.
- Somebody else's key is 404, like one that does not exist; an admin may act on every key.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from admin_api.dependencies import Dependencies
from admin_api.endpoints.key_models import (
    CreatedKey,
    CreateKey,
    KeyItem,
    KeyList,
    ListQuery,
    RevokedKey,
    RevokeKey,
    RotateKey,
    UpdateKey,
)
from admin_api.endpoints.ownership import owner_asked_for
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import Caller, Endpoint
from admin_api.http.problem import Problem
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.timestamps import format_rfc3339

_DAY_MS = 86_400_000


async def create_key(deps: Dependencies, caller: Caller, given: CreateKey) -> CreatedKey:
    """Make a key for the caller."""
    fields = msgspec.structs.asdict(given)
    expires_at = _expiry(deps, fields.pop("expires_days"))
    record, key = await deps.keys.create(owner=caller.user.email, expires_at=expires_at, **fields)
    await _audit(deps, caller, "key.create", record, {"key_name": record.key_name})
    return _created(record, key)


async def list_keys(deps: Dependencies, caller: Caller, given: ListQuery) -> KeyList:
    """The keys of one owner, or an admin's view of all."""
    records = await deps.keys.list(owner_asked_for(caller, given.owner, given.all))
    used = await deps.keys.last_used([record.key_id for record in records])
    now = deps.now_ms()
    return KeyList([_item(record, now, used.get(record.key_id)) for record in records])


async def revoke_key(deps: Dependencies, caller: Caller, given: RevokeKey) -> RevokedKey:
    """Refuse a key from now on."""
    before = await _key_of(deps, caller, given.key_id)
    if before.revoked_at is None:
        await deps.keys.revoke(before.key_id)
        await _audit(deps, caller, "key.revoke", before)
    return RevokedKey(key_id=before.key_id)


async def rotate_key(deps: Dependencies, caller: Caller, given: RotateKey) -> CreatedKey:
    """Give a key a new secret."""
    before = await _key_of(deps, caller, given.key_id)
    if before.status(deps.now_ms()) == "expired":
        raise Problem(409, "This key has expired; give it a new expiry with /api/mcp-keys/update first.")
    rotated = await deps.keys.rotate(before.key_id, given.overlap_seconds)
    if rotated is None:
        raise Problem(409, "This key is revoked for good; create a new one.")
    record, key = rotated
    await _audit(deps, caller, "key.rotate", record, {"overlap_seconds": str(given.overlap_seconds)})
    return _created(record, key)


async def update_key(deps: Dependencies, caller: Caller, given: UpdateKey) -> KeyItem:
    """Change a key's name, expiry, limits, scopes or labels."""
    changes: dict[str, Any] = {
        name: value for name, value in msgspec.structs.asdict(given).items() if value is not UNSET
    }
    before = await _key_of(deps, caller, changes.pop("key_id"))
    if not changes:
        raise InvalidFields([FieldFault("body", "must hold something to change beside key_id")])
    if before.revoked_at is not None:
        raise Problem(409, "This key is revoked for good; create a new one.")
    if "expires_days" in changes:
        changes["expires_at"] = _expiry(deps, changes.pop("expires_days"))
    record = await deps.keys.update(before.key_id, **changes)
    if record is None:
        raise _not_found()
    details = {name: msgspec.json.encode(value).decode()[:500] for name, value in changes.items()}
    await _audit(deps, caller, "key.update", record, details)
    used = await deps.keys.last_used([record.key_id])
    return _item(record, deps.now_ms(), used.get(record.key_id))


async def _key_of(deps: Dependencies, caller: Caller, key_id: str) -> KeyRecord:
    record = await deps.keys.get(key_id)
    if record is None or (record.owner != caller.user.email and not caller.user.is_admin):
        raise _not_found()
    return record


def _not_found() -> Problem:
    return Problem(404, "You have no key with this key_id.")


def _expiry(deps: Dependencies, days: int | None) -> int | None:
    return None if days is None else deps.now_ms() + days * _DAY_MS


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
        expires_at=format_rfc3339(record.expires_at),
        revoked_at=format_rfc3339(record.revoked_at),
        last_used_at=format_rfc3339(last_used),
        allowed_tools=record.allowed_tools,
        allowed_tables=record.allowed_tables,
        allowed_ips=record.allowed_ips,
        rate_limit_per_minute=record.rate_limit_per_minute,
        records_per_day=record.records_per_day,
        calls_per_day=record.calls_per_day,
        labels=record.labels,
    )


async def _audit(
    deps: Dependencies, caller: Caller, action: str, record: KeyRecord, details: dict[str, str] | None = None
) -> None:
    await deps.audit.record(
        actor=caller.user.email,
        action=action,
        address=caller.address,
        key_id=record.key_id,
        owner=record.owner,
        details=details,
    )


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/mcp-keys/create",
        summary="Create a key; its secret is shown this once",
        access="user",
        takes=CreateKey,
        handler=create_key,
        answers=CreatedKey,
        status=201,
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-keys/list",
        summary="List keys, newest first",
        access="user",
        takes=ListQuery,
        handler=list_keys,
        answers=KeyList,
        refusals=(403,),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/revoke",
        summary="Revoke a key; repeating it is fine",
        access="user",
        takes=RevokeKey,
        handler=revoke_key,
        answers=RevokedKey,
        refusals=(404,),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/rotate",
        summary="Give a key a new secret; the old one works until the overlap ends",
        access="user",
        takes=RotateKey,
        handler=rotate_key,
        answers=CreatedKey,
        refusals=(404, 409),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/update",
        summary="Change a key's name, expiry, limits, scopes or labels",
        access="user",
        takes=UpdateKey,
        handler=update_key,
        answers=KeyItem,
        refusals=(404, 409),
    ),
)
