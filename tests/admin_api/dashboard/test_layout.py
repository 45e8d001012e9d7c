"""Every view with the worst data, in both themes and at all widths: nothing breaks, and axe finds nothing."""

from __future__ import annotations

import pytest
import redis.asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from gateway.alerts.alert import Cause
from gateway.redis import names
from gateway.timestamps import now_ms
from gateway.usage.event import pack
from gateway.usage.store.logs.log_table import AUDIT_LOG
from gateway.usage.store.table import UsageTable
from tests.admin_api.dashboard.support import (
    BROWSER_TEST,
    LONG,
    NAMES,
    SCREENSHOTS,
    WIDTHS,
    calls,
    check_layout,
    log_in,
    open_page,
)
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api, event
from tests.support.audit import audit_entries
from tests.usage.denials import denial, insert_denials

pytestmark = BROWSER_TEST

VIEWS = {
    "overview": "overview?owner=*",
    "overview-latency": "overview?owner=*&measure=latency&period=7d",
    "overview-filtered": f"overview?owner=*&tool={LONG}&measure=denied&period=custom&from=2026-01-01T00:00:00.000Z",
    "keys": "keys?owner=*",
    "calls": "calls?owner=*",
    "tables": "readers?owner=*",
    "readers": f"readers?owner=*&table={LONG}",
    "users": "users",
    "audit": "audit",
    "alerts": "alerts",
    "system": "system",
}


async def add_worst_data(api: Api, table: UsageTable, redis: redis.asyncio.Redis) -> str:
    """Add data with long names, names from right to left, and emoji; return the id of a key."""
    owner = f"{LONG[:60]}@reports.internal.example.com"
    await api.deps.users.add(owner, PASSWORD)
    user = await api.logged_in(USER)
    limits = {"calls_per_month": 2000, "records_per_day": 10**9, "tool_rate_limits": {f"{LONG}_*": 10}}
    scopes = {"allowed_tools": ["query_*", LONG], "allowed_tables": [LONG], "allowed_ips": ["2001:db8::/32"]}
    for name in NAMES:
        key = await user.create_key(name, labels={"team": "red", "project": LONG}, **limits, **scopes)
    await user.post("/api/mcp-keys/rotate", {"key_id": key["key_id"], "overlap_seconds": 3600})
    await table.insert_async(calls(key["key_id"], days=5) + calls("key_2", owner, days=2), "worst")
    await api.deps.alerts.raise_alerts(
        [Cause(type="upstream_unreachable", subject=f"{LONG}.example.com", text=f"{LONG} is away.", hold_ms=1)]
    )
    await AUDIT_LOG.insert(table, await audit_entries(redis), "worst")
    refused = {"created_at": now_ms() - 1000, "owner": USER, "key_id": key["key_id"], "tool_name": LONG}
    await insert_denials(table, denial(**refused), denial(**refused, status=429, reason="tool_rate", count=10**9))
    await redis.xadd(names.USAGE_DEAD_LETTERS, {"e": pack([event(tool_name=LONG)]), "reason": "Code: 27. " * 40})
    return str(key["key_id"])


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 360)])
async def test_no_view_breaks_with_the_worst_data_and_axe_finds_nothing(
    page: Page, api: Api, table: UsageTable, redis: redis.asyncio.Redis, scheme: str, width: int
) -> None:
    key_id = await add_worst_data(api, table, redis)
    # The layout is the same in both themes.
    widths = WIDTHS if scheme == "light" or SCREENSHOTS else ()
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await log_in(page, api, ADMIN, view="keys")
    for name, view in {**VIEWS, "key": f"keys/{key_id}"}.items():
        await page.set_viewport_size({"width": width, "height": 900})
        await open_page(page, api, view)
        await expect(page.get_by_role("main").get_by_role("heading", level=1)).to_be_visible()
        await expect(page.locator(".loading, [aria-busy]")).to_have_count(0)
        for details in (await page.get_by_role("button", name="Details").all())[:1]:
            await details.click()
        results = await Axe().run(page)
        assert results.response["violations"] == [], name
        await check_layout(page, name, widths)
    for button in ("Connect a client", "Edit"):
        await page.get_by_role("button", name=button, exact=True).click()
        assert (await Axe().run(page)).response["violations"] == [], button
        await check_layout(page, f"dialog-{button.lower().replace(' ', '-')}", widths)
        await page.keyboard.press("Escape")


async def test_the_print_has_the_content_without_the_controls(page: Page, api: Api, table: UsageTable) -> None:
    await table.insert_async(calls("key_1"), "print")
    await log_in(page, api, view="overview")
    await expect(page.locator(".tiles")).to_be_visible()
    await page.emulate_media(media="print")
    await expect(page.locator(".tiles")).to_be_visible()
    await expect(page.get_by_role("region", name="By tool", exact=True)).to_be_visible()
    for name in ("Refresh", "Log out", "30 days"):
        await expect(page.get_by_role("button", name=name)).to_be_hidden()
    await check_layout(page, "print", (768,))
