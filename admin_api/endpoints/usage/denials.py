"""The requests that were refused with 403 or 429."""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.endpoints.exports import download, record_export
from admin_api.endpoints.usage.field_types import DenialStatus, ExportFormat, Search
from admin_api.endpoints.usage.parameters import PeriodQuery
from admin_api.http.download import Download
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.field_types import KeyId
from admin_api.http.paging import Cursor, PageLimit, decode_cursor, encode_cursor
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.store.formats import MEDIA_TYPES, Format
from gateway.usage.store.logs import denials
from gateway.usage.store.logs.denials import Denial, DenialFilters, Position


class DenialsSelection(PeriodQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on refused requests, in a period."""

    key_id: KeyId | None = None
    tool: Search | None = None
    status: DenialStatus | None = None
    reason: Search | None = None

    def filters(self, caller: ApiCaller) -> DenialFilters:
        """Return all filters. Raises `InvalidFields`, `InvalidPeriod` and `Problem` 403."""
        period = self.period()
        return DenialFilters(
            owner=self.requested_owner(caller),
            key_id=self.key_id,
            tool=self.tool,
            status=self.status,
            reason=self.reason,
            since=period.since,
            until=period.until,
        )


class DenialsQuery(DenialsSelection, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on refused requests, and a page."""

    limit: PageLimit = 100
    cursor: Cursor | None = None


class DenialsExportQuery(DenialsSelection, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on refused requests, and a file format."""

    format: ExportFormat = "csv"


class Denials(msgspec.Struct, frozen=True):
    """Refused requests, the most frequent first."""

    denials: list[Denial]
    next_cursor: str | None


async def read_denials(deps: Dependencies, caller: ApiCaller, params: DenialsQuery) -> Denials:
    """Return how many requests were refused, by key, tool, status and reason."""
    filters, after = params.filters(caller), _position(params.cursor)
    await wait_until_stored(deps.redis)
    page = await denials.read_page(deps.usage, filters, params.limit, after)
    page = page.named({key.key_id: key.key_name for key in await deps.keys.get_all(page.key_ids)})
    return Denials(page.denials, None if page.next_position is None else encode_cursor(page.next_position))


async def export_denials(deps: Dependencies, caller: ApiCaller, params: DenialsExportQuery) -> Download:
    """Return the counts as the workers made them, as a file."""
    filters, fmt = params.filters(caller), Format(params.format)
    await record_export(deps, "usage.export_denials", params)
    return download(deps, "denials", fmt, denials.export(deps.usage, filters, fmt))


def _position(cursor: str | None) -> Position | None:
    if cursor is None:
        return None
    parts: Any = decode_cursor(cursor, (int, int, str, str, str, int, str))
    return Position(*parts)


_DENIAL = Denial(
    key_id="key_2xKqT0aZ7bLm9cNd4Pe8",
    key_name="laptop",
    owner="ada@example.com",
    tool_name="run_sql",
    status=429,
    reason="rate",
    count=17,
    last_at="2026-01-07T08:30:00.456Z",
)

ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-usage/denials",
        summary="Requests that were refused with 403 or 429, by key, tool and reason, the most frequent first",
        access="user",
        params=DenialsQuery,
        handler=read_denials,
        response=Denials,
        request_example=DenialsQuery(from_="2026-01-01", status=429, limit=50),
        response_example=Denials([_DENIAL], None),
        errors=(403,),
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-usage/denials/export",
        summary="Counts of refused requests as a file, as the workers made them, sorted by owner and time",
        access="user",
        params=DenialsExportQuery,
        handler=export_denials,
        response=tuple(MEDIA_TYPES.values()),
        request_example=DenialsExportQuery(from_="2026-01-01"),
        response_example="id,created_at,owner,key_id,tool_name,status,reason,count,gateway_id\n",
        errors=(403,),
    ),
)
