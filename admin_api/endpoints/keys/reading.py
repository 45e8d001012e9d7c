"""List and show keys."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys import examples
from admin_api.endpoints.keys.access import accessible_key
from admin_api.endpoints.keys.models import (
    KeyDetails,
    KeyList,
    KeyQuery,
    LimitItem,
    ListQuery,
    SecretItem,
    item_fields,
    key_item,
)
from admin_api.endpoints.ownership import requested_owner
from admin_api.http.endpoint import ApiCaller, Endpoint
from gateway.keys.limit_use import read_uses
from gateway.keys.limits import limits_of


async def list_keys(deps: Dependencies, caller: ApiCaller, params: ListQuery) -> KeyList:
    """List the keys of one owner or, for admins, of all owners."""
    records = await deps.keys.list(requested_owner(caller, params.owner, params.all))
    used = await deps.keys.last_uses.of_keys([record.key_id for record in records])
    now = deps.now_ms()
    return KeyList([key_item(record, now, used.get(record.key_id)) for record in records])


async def show_key(deps: Dependencies, caller: ApiCaller, params: KeyQuery) -> KeyDetails:
    """Show a key, its secrets without their text, and what is used of its limits."""
    record = await accessible_key(deps, caller, params.key_id)
    used = await deps.keys.last_uses.of_keys([record.key_id])
    secrets = await deps.keys.live_secrets(record.key_id)
    now = deps.now_ms()
    limits = await read_uses(deps.redis, limits_of(record), now)
    return KeyDetails(
        **item_fields(record, now, used.get(record.key_id)),
        secrets=[SecretItem(**secret.values()) for secret in secrets],
        limits=[LimitItem(**status.values()) for status in limits],
    )


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-keys/list",
        summary="List keys, newest first",
        access="user",
        params=ListQuery,
        handler=list_keys,
        response=KeyList,
        request_example=examples.LIST,
        response_example=examples.LISTED,
        errors=(403,),
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-keys/show",
        summary="Show a key, with its secrets but not their text, and what is used and left of its limits",
        access="user",
        params=KeyQuery,
        handler=show_key,
        response=KeyDetails,
        request_example=examples.SHOW,
        response_example=examples.SHOWN,
        errors=(404,),
    ),
)
