"""Single calls: the history in pages, and exports."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.exports import download, record_export
from admin_api.endpoints.usage import examples
from admin_api.endpoints.usage.field_types import ExportFormat, Page, PageSize
from admin_api.endpoints.usage.parameters import CallsQuery
from admin_api.http import paging
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.download import Download
from admin_api.http.endpoint import ApiCaller, Endpoint
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.store.export import export
from gateway.usage.store.formats import MEDIA_TYPES, Format
from gateway.usage.store.queries.history import Cursor, PageTooDeep, history, history_after
from gateway.usage.store.queries.models import HistoryPage

_PAGE_SIZE = 20


class HistoryQuery(CallsQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on calls, and a page: by its number and size, or by the cursor of the page before it and a limit."""

    page: Page = 1
    page_size: PageSize = _PAGE_SIZE
    limit: paging.PageLimit | None = None
    cursor: paging.Cursor | None = None

    @property
    def size(self) -> int:
        """Return the number of items. Raises `InvalidFields`."""
        if self.limit is None:
            return self.page_size
        if self.page_size != _PAGE_SIZE:
            raise InvalidFields([FieldFault("limit", "must not be combined with page_size")])
        return self.limit

    @property
    def after(self) -> Cursor | None:
        """Return the last call of the page before. Raises `InvalidFields` and `InvalidCursor`."""
        if self.cursor is None:
            return None
        if self.page != 1:
            raise InvalidFields([FieldFault("cursor", "must not be combined with page")])
        try:
            return Cursor.parse(self.cursor)
        except ValueError:
            raise paging.InvalidCursor(self.cursor) from None


class ExportQuery(CallsQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on calls, and a file format."""

    format: ExportFormat = "csv"


async def read_history(deps: Dependencies, caller: ApiCaller, params: HistoryQuery) -> HistoryPage:
    """Return single calls, newest first."""
    filters, size, after = params.filters(caller), params.size, params.after
    await wait_until_stored(deps.redis)
    if after is not None:
        return await history_after(deps.usage, filters, after, size)
    try:
        return await history(deps.usage, filters, params.page, size)
    except PageTooDeep as error:
        raise InvalidFields([FieldFault("page", f"is too deep: {error}")]) from None


async def export_usage(deps: Dependencies, caller: ApiCaller, params: ExportQuery) -> Download:
    """Return single calls as a file."""
    filters = params.filters(caller)
    await record_export(deps, "usage.export", params)
    fmt = Format(params.format)
    return download(deps, "usage", fmt, export(deps.usage, filters, fmt))


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-usage/history",
        summary="Single calls, newest first",
        access="user",
        params=HistoryQuery,
        handler=read_history,
        response=HistoryPage,
        request_example=HistoryQuery(from_="2026-01-01", tool="query", page_size=50),
        response_example=examples.HISTORY,
        errors=(403,),
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-usage/export",
        summary="Single calls as a file, sorted by owner and time, oldest first",
        access="user",
        params=ExportQuery,
        handler=export_usage,
        response=tuple(MEDIA_TYPES.values()),
        request_example=ExportQuery(from_="2026-01-01"),
        response_example=examples.EXPORT,
        errors=(403,),
    ),
)
