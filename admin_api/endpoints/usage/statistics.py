"""Statistics: sums and percentiles of a period, by tool, table, key, time and more."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.usage import examples
from admin_api.endpoints.usage.field_types import Days, Label
from admin_api.endpoints.usage.parameters import FilteredQuery
from admin_api.http.endpoint import ApiCaller, Endpoint
from admin_api.http.field_types import Flag
from gateway.keys.listing import label_values
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.store.queries.models import Stats
from gateway.usage.store.queries.statistics import OPTIONAL_LISTS, StatsRequest, stats


class StatsQuery(FilteredQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A period, filters, and lists in addition to those by tool, table, key and day."""

    days: Days | None = None
    by_owner: Flag = False
    by_client: Flag = False
    by_label: Label | None = None
    by_hour: Flag = False
    by_quarter_hour: Flag = False
    by_minute: Flag = False


async def read_stats(deps: Dependencies, caller: ApiCaller, params: StatsQuery) -> Stats:
    """Return sums and percentiles by tool, table, key, day, and what else is requested."""
    filters = params.filters(caller)
    request = StatsRequest(
        period=params.statistics_period(params.days, deps.usage.now_ms()),
        filters=filters,
        by=frozenset(name for name in OPTIONAL_LISTS if getattr(params, f"by_{name}")),
        label_values=await label_values(deps.keys, filters.owner, params.by_label) if params.by_label else None,
    )
    await wait_until_stored(deps.redis)
    return await stats(deps.usage, request)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-usage/stats",
        summary="Sums and percentiles by tool, table, key, day, and more",
        access="user",
        params=StatsQuery,
        handler=read_stats,
        response=Stats,
        request_example=StatsQuery(days=7, tz="Europe/Berlin", by_owner=True),
        response_example=examples.STATS,
        errors=(403,),
    ),
)
