"""Reconciliation over HTTP."""

from __future__ import annotations

import datetime

from gateway.timestamps import now_ms
from gateway.usage.store.table import UsageTable
from tests.admin_api.usage.support import insert
from tests.support.admin_api import Api, event


async def test_an_admin_can_reconcile_accepted_and_stored_events(admin: Api, table: UsageTable) -> None:
    assert (await admin.get("/api/mcp-usage/reconcile")).body == {
        "days": 30, "since": (datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=29)).isoformat(),
        "accepted": 0, "written": 0, "waiting": 0, "spooled": 0, "dead_lettered": 0, "dropped": 0, "summed": 0,
        "balanced": True,
    }  # fmt: skip
    await insert(table, event(created_at=now_ms()))
    balance = (await admin.get("/api/mcp-usage/reconcile", days=1)).body
    assert (balance["accepted"], balance["written"], balance["balanced"]) == (0, 1, False)
    response = await admin.get("/api/mcp-usage/reconcile", days=366)
    assert (response.status, response.fields) == (400, {"days"})


async def test_reconciliation_is_for_admins_only(user: Api) -> None:
    assert (await user.get("/api/mcp-usage/reconcile")).status == 403
