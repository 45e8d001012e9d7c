"""One real browser on the page, and the fixtures that run on its event loop."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
import redis.asyncio
from playwright.async_api import Browser, Page

from admin_api.dependencies import Dependencies
from gateway.redis.client import connect
from gateway.usage.store.table import UsageTable
from tests.support.admin_api import ADMIN, USER, Api, add_users, empty, serving
from tests.support.browser import running_browser

TIME_ZONE = "Asia/Kathmandu"
"""A zone with an odd offset, +05:45."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def redis_client(valkey_url: str) -> AsyncIterator[redis.asyncio.Redis]:
    async with connect(valkey_url) as client:
        await client.flushall()
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def table(usage_table: UsageTable) -> UsageTable:
    await empty(usage_table)
    return usage_table


@pytest_asyncio.fixture(loop_scope="session")
async def api(deps: Dependencies) -> AsyncIterator[Api]:
    await add_users(deps)
    async with serving(deps) as api:
        yield api


@pytest_asyncio.fixture(loop_scope="session")
async def admin(api: Api) -> Api:
    return await api.logged_in(ADMIN)


@pytest_asyncio.fixture(loop_scope="session")
async def user(api: Api) -> Api:
    return await api.logged_in(USER)


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser, api: Api) -> AsyncIterator[Page]:
    """A page that fails the test if its console has an error, including scripts that the CSP blocks.

    It depends on `api` so that it is closed before the server.
    """
    context = await browser.new_context(
        viewport={"width": 1280, "height": 900}, color_scheme="light", locale="en-US", timezone_id=TIME_ZONE
    )
    await context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = await context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.set_default_timeout(5000)
    yield page
    await context.close()
    # Browsers also log requests that fail or are refused, which some tests cause on purpose.
    expected = ("the server responded with a status of 4", "net::ERR_FAILED")
    assert [error for error in errors if not any(text in error for text in expected)] == []
