"""The audit log, for admins and auditors."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.endpoints.exports import download, record_export
from admin_api.endpoints.usage.field_types import ExportFormat, From, TimeZone, To
from admin_api.http.download import Download
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.field_types import search_text
from admin_api.http.paging import Cursor, PageLimit, decode_cursor, encode_cursor
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.store.formats import MEDIA_TYPES, Format
from gateway.usage.store.logs import audit
from gateway.usage.store.logs.audit import AuditFilters, AuditItem, Position
from gateway.usage.store.queries.period import parse_period

Glob = Annotated[str, search_text(256, "A text, or a glob: `*` is any text, `?` one character.")]


class AuditSelection(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on entries."""

    actor: Glob | None = None
    act: Glob | None = None
    object: Glob | None = None
    from_: From | None = msgspec.field(name="from", default=None)
    to: To | None = None
    tz: TimeZone | None = None


class AuditQuery(AuditSelection, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on entries, and a page."""

    limit: PageLimit = 100
    cursor: Cursor | None = None


class AuditExportQuery(AuditSelection, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on entries, and a file format."""

    format: ExportFormat = "csv"


class AuditItems(msgspec.Struct, frozen=True):
    """Entries, newest first."""

    items: list[AuditItem]
    next_cursor: str | None


async def read_audit(deps: Dependencies, caller: ApiCaller, params: AuditQuery) -> AuditItems:
    """Return one page of the audit log."""
    filters, after = _filters(params), _position(params.cursor)
    await wait_until_stored(deps.redis)
    page = await audit.read_page(deps.usage, filters, params.limit, after)
    return AuditItems(page.items, None if page.next_position is None else encode_cursor(page.next_position))


async def export_audit(deps: Dependencies, caller: ApiCaller, params: AuditExportQuery) -> Download:
    """Return the audit log as a file."""
    filters, fmt = _filters(params), Format(params.format)
    await record_export(deps, "audit.export", params)
    return download(deps, "audit", fmt, audit.export(deps.usage, filters, fmt))


def _filters(params: AuditSelection) -> AuditFilters:
    period = parse_period(params.from_, params.to, params.tz)
    return AuditFilters(
        actor=params.actor, act=params.act, object_=params.object, since=period.since, until=period.until
    )


def _position(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    created_at, entry_id = decode_cursor(cursor, (int, str))
    return Position(int(created_at), str(entry_id))


_ITEM = AuditItem(
    id="0198f3c2a7d04e6f8b1c2d3e4f5a6b7c",
    created_at="2026-01-01T12:00:00.123Z",
    actor="ada@example.com",
    act="key.update",
    object="key_2xKqT0aZ7bLm9cNd4Pe8",
    address="192.0.2.7",
    before={"calls_per_day": None},
    after={"calls_per_day": 1000},
    result="ok",
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/audit",
        summary="Read the audit log, newest first",
        access="auditor",
        params=AuditQuery,
        handler=read_audit,
        response=AuditItems,
        request_example=AuditQuery(act="key.*", limit=50),
        response_example=AuditItems([_ITEM], None),
    ),
    Endpoint(
        method="GET",
        path="/api/audit/export",
        summary="The audit log as a file, oldest first",
        access="auditor",
        params=AuditExportQuery,
        handler=export_audit,
        response=tuple(MEDIA_TYPES.values()),
        request_example=AuditExportQuery(from_="2026-01-01"),
        response_example="id,created_at,actor,act,object,address,before,after,result\n",
    ),
)
