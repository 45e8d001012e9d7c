"""Revoke keys, one or many, and end the overlap of a rotation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys import examples
from admin_api.endpoints.keys.access import accessible_key, changeable_key, revoked
from admin_api.endpoints.keys.models import BulkRevoke, EndedOverlap, EndOverlap, RevokedKey, RevokedKeys, RevokeKey
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint
from gateway.keys.listing import LabelFilter
from gateway.keys.record import KeyRecord


async def revoke_key(deps: Dependencies, caller: ApiCaller, params: RevokeKey) -> RevokedKey:
    """Revoke a key permanently."""
    before = await accessible_key(deps, caller, params.key_id)
    if before.revoked_at is None:
        await deps.keys.revoke(before.key_id)
    return RevokedKey(key_id=before.key_id)


async def end_overlap(deps: Dependencies, caller: ApiCaller, params: EndOverlap) -> EndedOverlap:
    """End the overlap of a rotation: only the newest secret of the key is left."""
    before = await changeable_key(deps, caller, params.key_id)
    ended = await deps.keys.end_overlap(before.key_id)
    if ended is None:
        raise revoked()
    record, count = ended
    return EndedOverlap(key_id=record.key_id, key_prefix=record.key_prefix, ended_secrets=count)


async def bulk_revoke(deps: Dependencies, caller: ApiCaller, params: BulkRevoke) -> RevokedKeys:
    """Revoke all keys of an owner, or with a label."""
    owner, condition = await _selection(deps, params)
    records = [record for record in await deps.keys.list(owner) if record.revoked_at is None and condition(record)]
    key_ids = [record.key_id for record in records]
    if not params.dry_run:
        key_ids = list(await deps.keys.revoke_all(records, condition))
    return RevokedKeys(key_ids=key_ids, dry_run=params.dry_run)


async def _selection(deps: Dependencies, params: BulkRevoke) -> tuple[str | None, Callable[[KeyRecord], bool]]:
    """Return the owner whose keys are read, `None` for all, and the condition of a key that is revoked."""
    if (params.owner is None) == (params.label is None):
        raise InvalidFields([FieldFault("owner", "or label is required, and not both")])
    if params.label is not None:
        return None, LabelFilter.parse(params.label).matches
    user = await deps.users.get(params.owner or "")
    if user is None:
        raise InvalidFields([FieldFault("owner", "is not a user")])
    return user.email, lambda record: record.owner == user.email


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/mcp-keys/revoke",
        summary="Revoke a key permanently; idempotent",
        access="member",
        params=RevokeKey,
        handler=revoke_key,
        response=RevokedKey,
        request_example=examples.REVOKE,
        response_example=examples.REVOKED,
        errors=(404,),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/end-overlap",
        summary="End the overlap of a rotation: only the newest secret is left; idempotent",
        access="member",
        params=EndOverlap,
        handler=end_overlap,
        response=EndedOverlap,
        request_example=examples.END_OVERLAP,
        response_example=examples.ENDED_OVERLAP,
        errors=(404, 409),
    ),
    Endpoint(
        method="POST",
        path="/api/mcp-keys/bulk-revoke",
        summary="Revoke all keys of an owner or with a label permanently; idempotent",
        access="admin",
        params=BulkRevoke,
        handler=bulk_revoke,
        response=RevokedKeys,
        request_example=examples.BULK_REVOKE,
        response_example=examples.BULK_REVOKED,
    ),
)
