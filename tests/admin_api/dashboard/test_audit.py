"""The view of the audit log in a real browser."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page, expect

from gateway.usage.store.logs.log_table import AUDIT_LOG
from gateway.usage.store.table import UsageTable
from tests.admin_api.dashboard.support import BROWSER_TEST, LONG, log_in
from tests.support.admin_api import ADMIN, USER, Api
from tests.support.audit import audit_entries

pytestmark = BROWSER_TEST


async def test_acts_are_filtered_exported_and_shown_with_values_before_and_after(
    page: Page, api: Api, table: UsageTable, tmp_path: Path
) -> None:
    user = await api.logged_in(USER)
    key = await user.create_key(LONG, calls_per_day=100)
    await user.post("/api/mcp-keys/update", {"key_id": key["key_id"], "calls_per_day": None, "calls_per_month": 50})
    await AUDIT_LOG.insert(table, await audit_entries(api.deps.redis), "audit")
    await log_in(page, api, ADMIN, view="audit")
    rows = page.get_by_role("table", name="Acts, newest first").locator("> tbody > tr")
    await expect(rows).to_have_count(3)
    await expect(page.get_by_role("row", name="auth.login")).to_contain_text("Done")
    await page.get_by_label("Act", exact=True).fill("key.*")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(2)
    await rows.first.get_by_role("button", name="Details").click()
    changed = page.get_by_role("table", name="Values before and after").get_by_role("row")
    await expect(changed.filter(has_text="calls_per_day")).to_have_text("calls_per_day100not set")
    await expect(changed.filter(has_text="calls_per_month")).to_have_text("calls_per_monthnot set50")
    async with page.expect_download() as download:
        await page.get_by_role("button", name="NDJSON").click()
    file = await download.value
    await file.save_as(tmp_path / "audit")
    assert len((tmp_path / "audit").read_text().splitlines()) == 2
    await rows.first.get_by_role("link", name=key["key_id"]).click()
    await expect(page.get_by_role("heading", name=LONG)).to_be_visible()
