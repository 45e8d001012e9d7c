"""Shared helpers of the tests of usage."""

from __future__ import annotations

from typing import Any

from gateway.usage.event import UsageEvent
from gateway.usage.store.table import UsageTable
from tests.support.admin_api import Api

OTHER = "bob@example.com"


async def insert(table: UsageTable, *events: UsageEvent) -> None:
    await table.insert_async(events, f"token {events[0].event_id}")


async def history(api: Api, **query: Any) -> Any:
    response = await api.get("/api/mcp-usage/history", **query)
    assert response.status == 200, response
    return response.body
