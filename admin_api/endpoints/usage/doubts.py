"""Counts that are too doubtful to report."""

from __future__ import annotations

from typing import Any

from admin_api.dependencies import Dependencies
from admin_api.endpoints.usage import examples
from admin_api.endpoints.usage.field_types import Days
from admin_api.endpoints.usage.parameters import PeriodQuery
from admin_api.http.endpoint import ApiCaller, Endpoint
from gateway.usage.consumer.read_your_writes import wait_until_stored
from gateway.usage.store.queries.doubts import doubts
from gateway.usage.store.queries.models import Doubts


class DoubtsQuery(PeriodQuery, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A period, by default the last 30 days."""

    days: Days | None = None


async def read_doubts(deps: Dependencies, caller: ApiCaller, params: DoubtsQuery) -> Doubts:
    """Return where the records of calls with doubtful counts are, by tool."""
    owner, period = params.requested_owner(caller), params.statistics_period(params.days, deps.usage.now_ms())
    await wait_until_stored(deps.redis)
    return await doubts(deps.usage, period, owner)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-usage/doubts",
        summary="Calls whose count is too doubtful to report, by tool and place of the records",
        access="user",
        params=DoubtsQuery,
        handler=read_doubts,
        response=Doubts,
        request_example=DoubtsQuery(days=7),
        response_example=examples.DOUBTS,
        errors=(403,),
    ),
)
