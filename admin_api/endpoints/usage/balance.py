"""Reconciliation of accepted and stored calls."""

from __future__ import annotations

from typing import Any

import msgspec

from admin_api.dependencies import Dependencies
from admin_api.endpoints.usage import examples
from admin_api.endpoints.usage.field_types import BalanceDays
from admin_api.http.endpoint import ApiCaller, Endpoint
from gateway.usage.reconciliation import Balance, reconcile


class BalanceQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Number of days up to now."""

    days: BalanceDays = 30


async def read_balance(deps: Dependencies, caller: ApiCaller, params: BalanceQuery) -> Balance:
    """Compare the accepted usage events with those that are stored, queued, spooled or dead-lettered."""
    return await reconcile(deps.redis, deps.usage, params.days)


ENDPOINTS: tuple[Endpoint[Any], ...] = (
    Endpoint(
        method="GET",
        path="/api/mcp-usage/reconcile",
        summary="Compare accepted calls with stored calls, and locate the difference",
        access="auditor",
        params=BalanceQuery,
        handler=read_balance,
        response=Balance,
        request_example=BalanceQuery(days=7),
        response_example=examples.BALANCE,
    ),
)
