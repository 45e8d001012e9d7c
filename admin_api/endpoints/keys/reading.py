"""List keys."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys.models import KeyList, ListQuery, key_item
from admin_api.endpoints.ownership import requested_owner
from admin_api.http.endpoint import ApiCaller, Endpoint


async def list_keys(deps: Dependencies, caller: ApiCaller, params: ListQuery) -> KeyList:
    """List the keys of one owner or, for admins, of all owners."""
    records = await deps.keys.list(requested_owner(caller, params.owner, params.all))
    used = await deps.keys.last_used([record.key_id for record in records])
    now = deps.now_ms()
    return KeyList([key_item(record, now, used.get(record.key_id)) for record in records])


ENDPOINTS: tuple[Endpoint[Any], ...] = (
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
)
