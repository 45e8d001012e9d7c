"""Steps and data that the tests of the page share."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent
from tests.support.admin_api import PASSWORD, USER, Api, event
from tests.support.browser import NEEDS_CHROMIUM

BROWSER_TEST = [*NEEDS_CHROMIUM, pytest.mark.asyncio(loop_scope="session")]
"""Marks of a test in the browser that these tests share."""
WIDTHS = (360, 768, 1024, 1440)
SCREENSHOTS = os.environ.get("SCREENSHOTS")
"""Folder of the screenshots; without it, only the layout is checked."""
SCRIPT = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
LONG = "quarterly-reconciliation-of-regional-inventory-and-sales-forecasts-for-the-nordics"
NAMES = ("laptop", "nightly report", "مفتاح التقارير", "🚀 launch", LONG)
"""Names of keys, among them one from right to left, one with emoji, and a long one without spaces."""


async def open_page(page: Page, api: Api, view: str = "") -> None:
    await page.goto(f"{api.client.make_url('/')}#/{view}")


async def log_in(page: Page, api: Api, email: str = USER, password: str = PASSWORD, view: str = "") -> None:
    await open_page(page, api, view)
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Log in").click()


async def check_layout(page: Page, name: str, widths: tuple[int, ...] = WIDTHS) -> None:
    """Assert that the page never scrolls horizontally and shows all views. `SCREENSHOTS` makes it write screenshots."""
    await expect(page.locator(".loading, [aria-busy]")).to_have_count(0)
    for width in widths:
        await page.set_viewport_size({"width": width, "height": 900})
        assert await page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, (page.url, width)
        if width >= 768 and await page.get_by_role("navigation", name="Views").count():
            hidden = await page.locator("nav[aria-label=Views]").evaluate("nav => nav.scrollWidth - nav.clientWidth")
            assert hidden <= 0, ("a view is out of sight", width)
        if SCREENSHOTS:
            await _take_screenshot(page, Path(SCREENSHOTS), f"{name}-{width}")
    await page.set_viewport_size({"width": 1280, "height": 900})


async def _take_screenshot(page: Page, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240
    await page.evaluate("scrollTo(0, 0); document.getElementById('toast').classList.remove('shown')")
    is_dark = await page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    is_dialog = await page.locator("dialog").count() > 0
    path = folder / f"{name}-{'dark' if is_dark else 'light'}.png"
    await page.screenshot(path=path, full_page=not is_dialog)


def calls(key_id: str, owner: str = USER, days: int = 30) -> list[UsageEvent]:
    """Build plausible calls of so many days, deterministically, with denied and uncounted ones."""
    return list(_calls(random.Random(7), key_id, owner, days))


def _calls(rng: random.Random, key_id: str, owner: str, days: int) -> Iterator[UsageEvent]:
    now = now_ms()
    tools: list[tuple[str, tuple[str, ...], int | None]] = [
        ("query_stock_daily", ("stock_daily",), 250),
        ("get_latest_price", ("stock_daily",), 1),
        ("compare_stocks", ("stock_daily", "stock_basic"), 40),
        ("list_tables", (), 3),
        ("run_sql", ("index_daily",), None),
        (LONG, (LONG,), 9),
    ]
    clients = (("claude-code", "2.1.0"), ("cursor", "1.9"), ("curl", "8.5"), ("", ""), (LONG, "1"))
    for day in range(days):
        for _ in range(rng.randint(0, 14)):
            tool, tables, most = rng.choices(tools, weights=(6, 5, 2, 2, 3, 1))[0]
            status = rng.choices(("ok", "tool_error", "rpc_error", "denied"), weights=(90, 5, 3, 2))[0]
            is_error = status in ("tool_error", "rpc_error")
            client, version = rng.choice(clients)
            key, name = rng.choice(((key_id, "laptop"), ("key_other", LONG)))
            yield event(
                created_at=now - day * 86_400_000 - rng.randint(60_000, 7_200_000),
                key_id=key,
                key_name=name,
                owner=owner,
                tool_name=tool,
                table_names=tables,
                record_count=0 if is_error else most and rng.randint(1, most),
                is_error=is_error,
                status=status,
                duration_ms=rng.uniform(2, 900),
                response_bytes=rng.randint(200, 40_000),
                client_name=client,
                client_version=version,
            )
