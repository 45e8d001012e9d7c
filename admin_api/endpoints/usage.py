"""What was read: single calls, and their sums. The answers are those of `gateway.usage.store.queries`."""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.endpoints.ownership import owner_asked_for
from admin_api.http.decoding import FieldFault, InvalidFields
from admin_api.http.download import Download
from admin_api.http.endpoint import Caller, Endpoint
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
"""1970 and 2200: what lies beyond is no time of a call, and ClickHouse would misread it."""


class CallsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which calls."""

    from_: From | None = msgspec.field(name="from", default=None)
    to: To | None = None
    key_id: KeyId | None = None
    tool: Search | None = None
    table: Search | None = None
    status: CallStatus | None = None
    owner: AnyEmail | None = None
    all: Flag = False


class HistoryQuery(CallsQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which calls, and which page of them."""

    page: Page = 1
    page_size: PageSize = 20


class ExportQuery(CallsQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which calls, and as what kind of file."""

    format: ExportFormat = "csv"


class StatsQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days up to now, and whose calls."""

    days: Days = 30
    owner: AnyEmail | None = None
    all: Flag = False


class BalanceQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many days up to now."""

    days: BalanceDays = 30


async def read_history(deps: Dependencies, caller: Caller, given: HistoryQuery) -> HistoryPage:
    """Single calls, newest first."""
    filters = _filters(caller, given)
    await wait_until_stored(deps.redis)
    try:
        return await queries.history(deps.usage, filters, given.page, given.page_size)
    except queries.PageTooDeep as error:
        raise InvalidFields([FieldFault("page", f"is too deep: {error}")]) from None


async def export_usage(deps: Dependencies, caller: Caller, given: ExportQuery) -> Download:
    """Single calls as a file."""
    filters = _filters(caller, given)
    await wait_until_stored(deps.redis)
    fmt = Format(given.format)
    name = f"usage-{deps.usage.today.isoformat()}.{fmt}"
    return Download(MEDIA_TYPES[fmt], name, export(deps.usage, filters, fmt))


async def read_stats(deps: Dependencies, caller: Caller, given: StatsQuery) -> Stats:
    """Sums by tool, table, key and day."""
    await wait_until_stored(deps.redis)
    return await queries.stats(deps.usage, given.days, owner_asked_for(caller, given.owner, given.all))


async def read_balance(deps: Dependencies, caller: Caller, given: BalanceQuery) -> Balance:
    """Whether everything that was accepted is somewhere."""
    return await reconcile(deps.redis, deps.usage, given.days)


def _filters(caller: Caller, given: CallsQuery) -> HistoryFilters:
    filters = HistoryFilters(
        owner=owner_asked_for(caller, given.owner, given.all),
        since=_moment(given.from_),
        until=_moment(given.to, end_of_day=True),
        key_id=given.key_id,
        tool=given.tool,
        table=given.table,
        status=given.status,
    )
    if filters.since is not None and filters.until is not None and filters.since >= filters.until:
        raise InvalidFields([FieldFault("from", "must be before to")])
    return filters


def _moment(text: str | None, *, end_of_day: bool = False) -> int | None:
    if text is None:
        return None
    return min(max(parse_timestamp(text, end_of_day=end_of_day), _EARLIEST_MS), _LATEST_MS)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-usage/history",
        summary="Single calls, newest first",
        access="user",
        takes=HistoryQuery,
        handler=read_history,
        answers=HistoryPage,
        refusals=(403,),
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-usage/export",
        summary="Single calls as a file, by owner and time, the earliest first",
        access="user",
        takes=ExportQuery,
        handler=export_usage,
        answers=tuple(MEDIA_TYPES.values()),
        refusals=(403,),
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-usage/stats",
        summary="Sums by tool, table, key and day",
        access="user",
        takes=StatsQuery,
        handler=read_stats,
        answers=Stats,
        refusals=(403,),
    ),
    Endpoint(
        method="GET",
        path="/api/mcp-usage/reconcile",
        summary="Whether every call that was accepted is written, or where it is",
        access="admin",
        takes=BalanceQuery,
        handler=read_balance,
        answers=Balance,
    ),
)
