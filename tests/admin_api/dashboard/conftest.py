"""A real browser on the page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Page

from tests.support.admin_api import Api
from tests.support.browser import running_browser

TIME_ZONE = "Asia/Kathmandu"
"""A zone with an odd offset, +05:45."""


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture
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
    # Browsers also log responses with an error status, which some tests cause on purpose.
    assert [error for error in errors if "the server responded with a status of 4" not in error] == []
