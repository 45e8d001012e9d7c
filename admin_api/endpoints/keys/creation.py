"""Create and rotate keys. The secret of a key is only in these responses."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys import examples
from admin_api.endpoints.keys.access import accessible_key, actor, audit, enabled_owner, revoked, suspend_if_disabled
from admin_api.endpoints.keys.models import CreatedKey, CreateKey, RotateKey, expiry
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.problem import Problem
from gateway.keys.record import KeyRecord
from gateway.keys.secret import ApiKey
from gateway.timestamps import format_rfc3339


async def create_key(deps: Dependencies, caller: ApiCaller, params: CreateKey) -> CreatedKey:
    """Create a key for the caller or, by an admin, for another user."""
    fields = params.set_fields()
    owner = await _owner(deps, caller, fields.pop("owner", None))
    if "expires_days" in fields:
        fields["expires_at"] = expiry(deps.now_ms(), fields.pop("expires_days"))
    record, key = await deps.keys.create(owner=owner, actor=actor(caller), **fields)
    await suspend_if_disabled(deps, record.owner)
    await audit(deps, caller, "key.create", record, {"key_name": record.key_name})
    return _created(record, key)


async def _owner(deps: Dependencies, caller: ApiCaller, email: str | None) -> str:
    if email is None or email.strip().casefold() == caller.user.email:
        return caller.user.email
    if not caller.user.is_admin:
        raise Problem(403, "Only an admin may create keys for others: leave out owner.")
    return await enabled_owner(deps, email)


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


def _created(record: KeyRecord, key: ApiKey) -> CreatedKey:
    return CreatedKey(
        key_id=record.key_id,
        key_name=record.key_name,
        api_key=key.text,
        key_prefix=record.key_prefix,
        created_at=format_rfc3339(record.created_at),
        expires_at=format_rfc3339(record.expires_at),
    )


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/mcp-keys/create",
        summary="Create a key, by an admin also for another user; its secret is shown only once",
        access="member",
        params=CreateKey,
        handler=create_key,
        response=CreatedKey,
        request_example=examples.CREATE,
        response_example=examples.CREATED,
        status=201,
        errors=(403,),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/rotate",
        summary="Give a key a new secret; the old one works until the overlap ends",
        access="member",
        params=RotateKey,
        handler=rotate_key,
        response=CreatedKey,
        request_example=examples.ROTATE,
        response_example=examples.CREATED,
        errors=(404, 409),
    ),
)
