"""The view of alerts in a real browser."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

import msgspec
import pytest
import pytest_asyncio
import redis.asyncio
from playwright.async_api import Page, expect

from admin_api.dependencies import Dependencies
from gateway.alerts.alert import Cause
from gateway.alerts.running import alerting
from tests.admin_api.dashboard.support import BROWSER_TEST, LONG, log_in
from tests.alerts.receiver import Receiver, running_receiver
from tests.support.admin_api import ADMIN, USER, Api

pytestmark = BROWSER_TEST


@pytest_asyncio.fixture(loop_scope="session")
async def receiver() -> AsyncIterator[Receiver]:
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def deps(deps: Dependencies, receiver: Receiver) -> Dependencies:
    return dataclasses.replace(deps, webhook=receiver.address())


async def test_alerts_are_listed_with_the_state_of_their_delivery(page: Page, api: Api, deps: Dependencies) -> None:
    key = await (await api.logged_in(USER)).create_key("laptop")
    causes = [
        Cause(type="limit_80", subject=key["key_id"], text="It has used 80 % of a limit.", hold_ms=60_000),
        Cause(type="upstream_unreachable", subject=f"{LONG}.example.com:443", text=f"{LONG} is away.", hold_ms=60_000),
    ]
    failed, _ = await deps.alerts.raise_alerts(causes)
    error = f"{LONG}.example.com answered with status 500"
    await deps.alerts.update(msgspec.structs.replace(failed, status="failed", attempts=40, last_error=error), None)
    await log_in(page, api, ADMIN, view="alerts")
    rows = page.get_by_role("table", name="Alerts, newest first").locator("tbody tr")
    await expect(rows).to_have_count(2)
    await expect(page.get_by_role("row", name="Limit at 80 %")).to_contain_text("Failed")
    await expect(page.get_by_role("row", name="Limit at 80 %")).to_contain_text("40 attempts")
    await expect(page.get_by_role("row", name="Upstream away")).to_contain_text("Waiting")
    await page.get_by_role("link", name=key["key_id"]).click()
    await expect(page.get_by_role("heading", name="laptop")).to_be_visible()


async def test_a_test_alert_tells_the_answer_of_the_receiver(
    page: Page, api: Api, receiver: Receiver, redis: redis.asyncio.Redis
) -> None:
    async with alerting(redis, receiver.address()):
        await log_in(page, api, ADMIN, view="alerts")
        await page.get_by_role("button", name="Send a test alert").click()
        await expect(page.get_by_text("The test alert was received")).to_be_visible()
        await expect(page.get_by_role("table").locator("tbody tr")).to_have_count(1)
        receiver.status = 500
        await page.get_by_role("button", name="Send a test alert").click()
        await expect(page.get_by_role("alert").first).to_contain_text("the receiver answered with status 500")
