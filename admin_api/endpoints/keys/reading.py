"""List and show keys."""

from __future__ import annotations

from typing import Any

from aiohttp import hdrs

from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys import examples
from admin_api.endpoints.keys.access import is_accessible, not_found
from admin_api.endpoints.keys.models import (
    KeyDetails,
    KeyList,
    LimitItem,
    ListQuery,
    SecretItem,
    ShowQuery,
    item_fields,
    key_item,
)
from admin_api.endpoints.ownership import requested_owner
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.endpoint import ApiCaller, Endpoint, Reply
from admin_api.http.paging import decode_cursor, encode_cursor
from admin_api.http.request_headers import entity_tag
from gateway.keys.limit_use import read_uses
from gateway.keys.limits import limits_of
from gateway.keys.listing import MAX_LISTED, KeyQuery, LabelFilter, Position, read_page


async def list_keys(deps: Dependencies, caller: ApiCaller, params: ListQuery) -> KeyList:
    """List the keys of one owner or, for admins, of all owners."""
    is_descending = params.order == "desc" if params.order else params.sort in ("created", "last_used")
    query = KeyQuery(
        owner=requested_owner(caller, params.owner, params.all),
        text=params.q or "",
        label=None if params.label is None else LabelFilter.parse(params.label),
        status=params.status,
        sort=params.sort,
        descending=is_descending,
        limit=params.limit or MAX_LISTED,
        after=_position(params, is_descending),
    )
    now = deps.now_ms()
    page = await read_page(deps.keys, query, now)
    cursor = None
    if page.next_position is not None:
        cursor = encode_cursor((params.sort, int(is_descending), *page.next_position))
    return KeyList(
        [key_item(record, now, page.last_used.get(record.key_id)) for record in page.records], page.total, cursor
    )


def _position(params: ListQuery, is_descending: bool) -> Position | None:
    if params.cursor is None:
        return None
    value_type = str if params.sort == "name" else int
    sort, descending, value, key_id = decode_cursor(params.cursor, (str, int, value_type, str))
    if (sort, descending) != (params.sort, int(is_descending)):
        raise InvalidFields([FieldFault("cursor", "must be that of a page with the same sort and order")])
    return Position(value, str(key_id))


async def show_key(deps: Dependencies, caller: ApiCaller, params: ShowQuery) -> Reply:
    """Show a key, its secrets without their text, and what is used of its limits."""
    details = await deps.keys.details(params.key_id)
    if details is None or not is_accessible(caller, details.record):
        raise not_found()
    record = details.record
    used = await deps.keys.last_uses.of_keys([record.key_id])
    now = deps.now_ms()
    limits = await read_uses(deps.redis, limits_of(record), now)
    shown = KeyDetails(
        **item_fields(record, now, used.get(record.key_id)),
        secrets=[SecretItem(**secret.values()) for secret in details.secrets],
        limits=[LimitItem(**status.values()) for status in limits],
    )
    return Reply(shown, {hdrs.ETAG: entity_tag(details.version)})


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-keys/list",
        summary="List keys, by default newest first",
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
        params=ShowQuery,
        handler=show_key,
        response=KeyDetails,
        request_example=examples.SHOW,
        response_example=examples.SHOWN,
        errors=(404,),
    ),
)
