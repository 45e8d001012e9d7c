"""A headless Chromium."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, async_playwright

from bench.system_packages import find

CHROMIUM = find("chromium")
NEEDS_CHROMIUM = (pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is missing"))
"""Marks of a test that drives it."""

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextlib.asynccontextmanager
async def running_browser(*flags: str) -> AsyncIterator[Browser]:
    """Run it with these flags."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=[*_FLAGS, *flags])
        yield browser
        await browser.close()
