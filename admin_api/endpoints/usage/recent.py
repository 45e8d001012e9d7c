"""The calls of the last seconds, for a live view."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.usage import examples
from admin_api.endpoints.usage.field_types import RecentGrouping, Seconds
from admin_api.endpoints.usage.parameters import OwnersQuery
from admin_api.http.endpoint import ApiCaller, Endpoint
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.store.queries.models import RecentCalls
from gateway.usage.store.queries.recent import DEFAULT_SECONDS, recent_calls


class RecentQuery(OwnersQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Owner, number of seconds, and grouping of the calls."""

    by: RecentGrouping = "key_tool"
    seconds: Seconds = DEFAULT_SECONDS


async def read_recent_calls(deps: Dependencies, caller: ApiCaller, params: RecentQuery) -> RecentCalls:
    """Return sums and percentiles of the last seconds."""
    owner = params.requested_owner(caller)
    await wait_until_stored(deps.redis)
    return await recent_calls(deps.usage, params.by, owner=owner, seconds=params.seconds)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-usage/recent",
        summary="The calls of the last seconds, by key and tool, or by key, tool, owner or client",
        access="user",
        params=RecentQuery,
        handler=read_recent_calls,
        response=RecentCalls,
        request_example=RecentQuery(by="tool", seconds=60),
        response_example=examples.RECENT,
        errors=(403,),
    ),
)
