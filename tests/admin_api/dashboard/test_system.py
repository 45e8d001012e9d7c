"""The view of the system in a real browser."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import pytest
import redis.asyncio
from playwright.async_api import Page, expect

from admin_api.dependencies import Dependencies
from gateway.doctor import Check
from gateway.redis import names
from gateway.usage.event import pack
from gateway.usage.store.table import UsageTable
from tests.admin_api.dashboard.support import BROWSER_TEST, LONG, log_in
from tests.support.admin_api import ADMIN, Api, event
from tests.usage.support import streamed

pytestmark = BROWSER_TEST


@pytest.fixture
def deps(deps: Dependencies) -> Dependencies:
    async def diagnose() -> Sequence[Check]:
        return [
            Check("clock", "ok", "agrees with the clock of Redis"),
            Check("upstream", "failed", f"http://{LONG}.example.com/mcp cannot be reached", "start it"),
        ]

    return dataclasses.replace(deps, diagnose=diagnose)


async def test_the_state_of_the_engines_the_delivery_and_the_findings_are_shown(
    page: Page, api: Api, table: UsageTable
) -> None:
    await log_in(page, api, ADMIN, view="system")
    await expect(page.get_by_role("region", name="Redis")).to_contain_text("answers")
    await expect(page.get_by_role("region", name="ClickHouse")).to_contain_text("OK")
    await expect(page.get_by_role("region", name="Upstream")).to_contain_text("Fix: start it")
    await expect(page.get_by_role("region", name="Delivery of usage")).to_contain_text("Balanced")
    findings = page.get_by_role("table", name="Findings, the worst first").locator("tbody tr")
    await expect(findings.first).to_contain_text("upstream")
    await expect(findings).to_have_count(2)
    await expect(page.get_by_role("region", name="Versions")).to_contain_text("0.0.0-test")
    await expect(page.get_by_text("ClickHouse has refused no events.")).to_be_visible()


async def test_dead_letters_are_shown_retried_and_dropped(
    page: Page, api: Api, table: UsageTable, redis: redis.asyncio.Redis
) -> None:
    for content in (pack([event(tool_name="one")]), pack([event(tool_name=LONG)]), b"junk"):
        reason = "Code: 27. DB::Exception: Cannot parse input: expected a number. " * 8
        await redis.xadd(names.USAGE_DEAD_LETTERS, {"e": content, "reason": reason})
    await log_in(page, api, ADMIN, view="system")
    letters = page.get_by_role("table", name="Dead letters, the oldest first").locator("tbody tr")
    await expect(letters).to_have_count(3)
    await letters.first.get_by_role("button", name="Details").click()
    await expect(page.get_by_role("table", name="Events of this letter")).to_contain_text("one")
    await letters.first.get_by_role("button", name="Retry").click()
    await page.get_by_role("dialog").get_by_role("button", name="Retry").click()
    await expect(page.get_by_text("1 dead letter sent to ClickHouse again")).to_be_visible()
    await expect(letters).to_have_count(2)
    assert len(await streamed(redis)) == 1
    await page.get_by_role("button", name="Drop all").click()
    await page.get_by_role("dialog").get_by_role("button", name="Drop").click()
    await expect(page.get_by_text("ClickHouse has refused no events.")).to_be_visible()
