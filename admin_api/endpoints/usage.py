"""Usage: calls, statistics, export and reconciliation. Responses come from `gateway.usage.store.queries`."""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.endpoints import usage_examples
from admin_api.endpoints.ownership import requested_owner
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.download import Download
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.field_types import (
    AnyEmail,
    BalanceDays,
    CallStatus,
    Days,
    ExportFormat,
    Flag,
    From,
    KeyId,
    Page,
    PageSize,
    Search,
    To,
)
from gateway.timestamps import parse_timestamp
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.reconciliation import Balance, reconcile
from gateway.usage.store import queries
from gateway.usage.store.export import MEDIA_TYPES, Format, export
from gateway.usage.store.models import HistoryFilters, HistoryPage, Stats

_EARLIEST_MS = 0
_LATEST_MS = 7_258_118_400_000
"""1970 and 2200: the range that ClickHouse represents correctly."""


class CallsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on calls."""

    from_: From | None = msgspec.field(name="from", default=None)
    to: To | None = None
    key_id: KeyId | None = None
    tool: Search | None = None
    table: Search | None = None
    status: CallStatus | None = None
    owner: AnyEmail | None = None
    all: Flag = False


class HistoryQuery(CallsQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on calls, and a page."""

    page: Page = 1
    page_size: PageSize = 20


class ExportQuery(CallsQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Filters on calls, and a file format."""

    format: ExportFormat = "csv"


class StatsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Number of days up to now, and the owner."""

    days: Days = 30
    owner: AnyEmail | None = None
    all: Flag = False


class BalanceQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Number of days up to now."""

    days: BalanceDays = 30


async def read_history(deps: Dependencies, caller: ApiCaller, params: HistoryQuery) -> HistoryPage:
    """Return single calls, newest first."""
    filters = _filters(caller, params)
    await wait_until_stored(deps.redis)
    try:
        return await queries.history(deps.usage, filters, params.page, params.page_size)
    except queries.PageTooDeep as error:
        raise InvalidFields([FieldFault("page", f"is too deep: {error}")]) from None


async def export_usage(deps: Dependencies, caller: ApiCaller, params: ExportQuery) -> Download:
    """Return single calls as a file."""
    filters = _filters(caller, params)
    await wait_until_stored(deps.redis)
    fmt = Format(params.format)
    name = f"usage-{deps.usage.today.isoformat()}.{fmt}"
    return Download(MEDIA_TYPES[fmt], name, export(deps.usage, filters, fmt))


async def read_stats(deps: Dependencies, caller: ApiCaller, params: StatsQuery) -> Stats:
    """Return totals by tool, table, key and day."""
    await wait_until_stored(deps.redis)
    return await queries.stats(deps.usage, params.days, requested_owner(caller, params.owner, params.all))


async def read_balance(deps: Dependencies, caller: ApiCaller, params: BalanceQuery) -> Balance:
    """Compare the accepted usage events with those that are stored, queued, spooled or dead-lettered."""
    return await reconcile(deps.redis, deps.usage, params.days)


def _filters(caller: ApiCaller, params: CallsQuery) -> HistoryFilters:
    filters = HistoryFilters(
        owner=requested_owner(caller, params.owner, params.all),
        since=_timestamp(params.from_),
        until=_timestamp(params.to, end_of_day=True),
        key_id=params.key_id,
        tool=params.tool,
        table=params.table,
        status=params.status,
    )
    if filters.since is not None and filters.until is not None and filters.since >= filters.until:
        raise InvalidFields([FieldFault("from", "must be before to")])
    return filters


def _timestamp(text: str | None, *, end_of_day: bool = False) -> int | None:
    if text is None:
        return None
    return min(max(parse_timestamp(text, end_of_day=end_of_day), _EARLIEST_MS), _LATEST_MS)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-usage/history",
        summary="Single calls, newest first",
        access="user",
        params=HistoryQuery,
        handler=read_history,
        response=HistoryPage,
        request_example=HistoryQuery(from_="2026-01-01", tool="query"),
        response_example=usage_examples.HISTORY,
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
        response_example=usage_examples.EXPORT,
        errors=(403,),
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-usage/stats",
        summary="Totals by tool, table, key and day",
        access="user",
        params=StatsQuery,
        handler=read_stats,
        response=Stats,
        request_example=StatsQuery(days=7),
        response_example=usage_examples.STATS,
        errors=(403,),
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-usage/reconcile",
        summary="Compare accepted calls with stored calls, and locate the difference",
        access="auditor",
        params=BalanceQuery,
        handler=read_balance,
        response=Balance,
        request_example=BalanceQuery(days=7),
        response_example=usage_examples.BALANCE,
    ),
)
