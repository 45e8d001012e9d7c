"""Update keys.

An owner who would widen a key beyond what an admin has set gets 403 with the fields (`gateway.keys.ceilings`).
A limit below what is used already is accepted with a warning.
"""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs

from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys import examples
from admin_api.endpoints.keys.access import accessible_key, actor, not_found, revoked
from admin_api.endpoints.keys.models import UpdatedKey, UpdateKey, expiry, item_fields
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint, Reply
from admin_api.http.problem import Problem
from admin_api.http.request_headers import IF_MATCH, accepted_version, entity_tag
from gateway.keys import ceilings
from gateway.keys.limit_use import warn_of_use


async def update_key(deps: Dependencies, caller: ApiCaller, params: UpdateKey) -> Reply:
    """Change a key's name, expiry, limits, scopes or labels."""
    accepts_version = accepted_version(caller.client.headers)
    changes = params.set_fields()
    before = await accessible_key(deps, caller, changes.pop("key_id"))
    if not changes:
        raise InvalidFields([FieldFault("body", "must contain a field to change in addition to key_id")])
    if before.revoked_at is not None:
        raise revoked()
    if "expires_days" in changes:
        changes["expires_at"] = expiry(deps.now_ms(), changes.pop("expires_days"))
    try:
        updated = await deps.keys.update(before.key_id, actor(caller), accepts_version=accepts_version, **changes)
    except ceilings.AboveCeiling as error:
        raise _above_ceiling(error) from None
    if updated is None:
        raise not_found()
    record = updated.record
    used = await deps.keys.last_uses.of_keys([record.key_id])
    now = deps.now_ms()
    warnings = await warn_of_use(deps.redis, record, changes, now)
    item = UpdatedKey(**item_fields(record, now, used.get(record.key_id)), warnings=warnings)
    return Reply(item, {hdrs.ETAG: entity_tag(updated.version)})


def _above_ceiling(error: ceilings.AboveCeiling) -> Problem:
    names = {"expires_at": "expires_days"}
    faults = [FieldFault(names.get(field, field), problem) for field, problem in error.problems.items()]
    problems = "; ".join(f"{fault.field} {fault.detail}" for fault in faults)
    return Problem(403, f"{problems}. An admin has set this; only an admin may widen it.", errors=faults)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="POST",
        path="/api/mcp-keys/update",
        summary="Change a key's name, expiry, limits, scopes or labels; an owner stays within what an admin has set",
        access="member",
        params=UpdateKey,
        handler=update_key,
        response=UpdatedKey,
        request_example=examples.UPDATE,
        response_example=examples.UPDATED,
        errors=(403, 404, 409, 412),
        request_headers=(IF_MATCH,),
    ),
)
