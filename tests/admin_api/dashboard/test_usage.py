"""The views of usage in a real browser: overview, calls, and readers of tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, expect

from gateway.metering.confidence import THRESHOLD
from gateway.timestamps import now_ms
from gateway.usage.store.table import UsageTable
from tests.admin_api.dashboard.support import BROWSER_TEST, LONG, calls, check_layout, log_in
from tests.support.admin_api import ADMIN, USER, Api, event
from tests.usage.denials import denial, insert_denials

pytestmark = BROWSER_TEST


async def test_the_overview_shows_totals_a_chart_and_breakdowns(page: Page, api: Api, table: UsageTable) -> None:
    await table.insert_async(calls("key_1"), "overview")
    await log_in(page, api, ADMIN, view="overview?owner=*")
    await expect(page.get_by_role("slider", name="Records by day")).to_be_visible()
    for title in ("By tool", "By table", "By key", "By owner", "By client"):
        await expect(page.get_by_role("region", name=title, exact=True)).to_be_visible()
    for measure, period, name in (
        ("Latency", "7 days", "Latency by hour"),
        ("Errors", "24 hours", "Errors by quarter of an hour"),
        ("Calls", "1 hour", "Calls by minute"),
    ):
        await page.get_by_role("group", name="Measure").get_by_role("button", name=measure, exact=True).click()
        await page.get_by_role("button", name=period).click()
        await expect(page.get_by_role("slider", name=name, exact=True)).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("slider", name="Calls by minute")).to_be_visible()


async def test_the_chart_works_by_mouse_touch_and_keyboard_and_leads_to_the_calls(
    page: Page, api: Api, table: UsageTable
) -> None:
    await table.insert_async([event() for _ in range(3)], "chart")
    await log_in(page, api, view="overview?measure=calls")
    chart = page.get_by_role("slider", name="Calls by day")
    readout = page.locator(".readout")
    await chart.focus()
    await page.keyboard.press("ArrowLeft")
    await expect(readout).to_contain_text("Calls 3")
    assert "Calls 3" in (await chart.get_attribute("aria-valuetext") or "")
    await page.keyboard.press("ArrowLeft")
    await expect(readout).to_contain_text("Calls 0")
    await page.keyboard.press("End")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Calls").first).to_be_visible()
    await expect(page.get_by_role("table").get_by_role("row")).to_have_count(4)
    await page.go_back()
    await expect(chart.locator("canvas")).to_be_visible()
    box = await chart.bounding_box()
    assert box is not None
    # Browsers report no movement with the first event.
    await page.mouse.move(box["x"] + box["width"] - 20, box["y"] + 60, steps=3)
    await expect(readout).to_contain_text("Calls 3")
    await page.mouse.click(box["x"] + box["width"] - 20, box["y"] + 60)
    await expect(page.get_by_role("table").get_by_role("row")).to_have_count(4)


async def test_the_first_tap_on_a_chart_shows_values_and_the_second_one_leads_to_the_calls(
    browser: Browser, api: Api, table: UsageTable
) -> None:
    await table.insert_async([event() for _ in range(3)], "touch")
    context = await browser.new_context(has_touch=True, viewport={"width": 400, "height": 900})
    page = await context.new_page()
    await log_in(page, api, view="overview?measure=calls")
    canvas = page.get_by_role("slider", name="Calls by day").locator("canvas")
    await canvas.scroll_into_view_if_needed()
    box = await canvas.bounding_box()
    assert box is not None
    place = (box["x"] + box["width"] - 10, box["y"] + 60)
    await page.touchscreen.tap(*place)
    await expect(page.locator(".readout")).to_contain_text("Calls 3")
    await page.touchscreen.tap(*place)
    await expect(page.get_by_role("table").get_by_role("row")).to_have_count(4)
    await context.close()


async def test_a_breakdown_filters_the_view_and_the_filter_can_be_removed(
    page: Page, api: Api, table: UsageTable
) -> None:
    await table.insert_async([event(tool_name="run_sql"), event(tool_name="search")], "filter")
    await log_in(page, api, view="overview?measure=calls")
    await page.get_by_role("region", name="By tool").get_by_role("link", name="run_sql").click()
    await expect(page.get_by_role("button", name="tool: run_sql")).to_be_visible()
    await expect(page.get_by_role("region", name="By tool").get_by_role("listitem")).to_have_count(1)
    await page.get_by_role("button", name="tool: run_sql").click()
    await expect(page.get_by_role("region", name="By tool").get_by_role("listitem")).to_have_count(2)


async def test_refused_requests_are_shown_for_the_period_and_on_the_page_of_the_key(
    page: Page, api: Api, table: UsageTable
) -> None:
    key_id = (await (await api.logged_in(USER)).create_key("laptop"))["key_id"]
    common = {"owner": USER, "created_at": now_ms() - 60_000}
    await insert_denials(
        table,
        denial(**common, key_id=key_id, tool_name="run_sql", count=12),
        denial(**common, key_id=key_id, tool_name="", status=429, reason="rate", count=3456),
        denial(**common, key_id="key_other", tool_name=LONG, status=429, reason="tool_rate"),
    )
    await log_in(page, api, view="overview")
    rows = page.get_by_role("table", name="Refused requests, the most frequent first").locator("tbody tr")
    await expect(rows).to_have_count(3)
    await expect(rows.first).to_contain_text("3,456")
    await expect(rows.first).to_contain_text("Limit used up")
    async with page.expect_download() as download:
        await page.get_by_role("region", name="Refused requests").get_by_role("button", name="CSV").first.click()
    assert (await download.value).suggested_filename.endswith(".csv")
    await rows.nth(1).get_by_role("link", name="laptop").click()
    await expect(rows).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("tool not allowed")


async def test_usage_is_broken_down_by_a_label_of_keys(page: Page, api: Api, table: UsageTable) -> None:
    user = await api.logged_in(USER)
    red = await user.create_key("red", labels={"team": "red"})
    await table.insert_async([event(key_id=red["key_id"]), event(key_id=red["key_id"]), event()], "labels")
    await log_in(page, api, view="overview?measure=calls")
    await page.get_by_label("Name of the label of keys").fill("team")
    await page.keyboard.press("Enter")
    rows = page.get_by_role("list", name="Calls, by label").get_by_role("listitem")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("red")
    await expect(rows.last).to_contain_text("without this label")


async def test_unknown_counts_are_shown_as_unknown(page: Page, api: Api, table: UsageTable) -> None:
    unknown = [event(tool_name="run_sql", record_count=None) for _ in range(3)]
    await table.insert_async([*unknown, event(tool_name="run_sql", record_count=0)], "unknown")
    await log_in(page, api, view="calls")
    cells = page.locator('td[data-label="Records"]')
    await expect(cells).to_have_count(4)
    assert sorted(await cells.all_text_contents()) == ["0", "unknown", "unknown", "unknown"]
    await page.get_by_role("link", name="Overview").click()
    await expect(page.locator(".tiles")).to_contain_text("and 3 calls with unknown count")
    rows = page.get_by_role("list", name="Calls with unknown count, unknown counts by tool").get_by_role("listitem")
    await expect(rows).to_have_count(1)
    await expect(rows).to_contain_text("75 % of 4 calls")
    await expect(page.get_by_role("main")).to_contain_text("mcp-gateway metering suggest --from-history")


async def test_calls_are_filtered_and_paged(page: Page, api: Api, table: UsageTable) -> None:
    await table.insert_async([event(tool_name=f"tool_{number % 3}") for number in range(120)], "pages")
    await log_in(page, api, view="calls")
    rows = page.get_by_role("table").locator("tbody tr")
    pager = page.get_by_role("navigation", name="Pages of calls")
    await expect(rows).to_have_count(50)
    await expect(pager.get_by_role("button", name="Previous")).to_be_disabled()
    await pager.get_by_role("button", name="Next").click()
    await expect(pager.get_by_role("button", name="Previous")).to_be_enabled()
    await pager.get_by_role("button", name="Next").click()
    await expect(rows).to_have_count(20)
    await expect(pager.get_by_role("button", name="Next")).to_be_disabled()
    await page.get_by_label("Tool", exact=True).fill("tool_1")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(40)
    await page.get_by_role("button", name="Custom").click()
    await page.get_by_label("From", exact=True).fill("2031-01-02T00:00")
    await expect(page.get_by_role("alert").filter(has_text="from must be before to.")).to_be_visible()
    await expect(rows).to_have_count(40)


async def test_a_call_opens_with_its_details_in_the_zone_of_the_viewer(page: Page, api: Api, table: UsageTable) -> None:
    await table.insert_async(calls("key_1"), "details")
    await table.insert_async([event(count_method="declared", arguments_hash="0123456789abcdef")], "one more")
    await log_in(page, api, view="calls")
    row = page.get_by_role("table").locator("tbody tr").first
    await row.get_by_role("button", name="Details").click()
    details = page.locator("tr.details")
    await expect(details).to_contain_text("0123456789abcdef")
    await expect(details).to_contain_text("the result says how many there are (declared)")
    assert "UTC" in (await row.locator("time").get_attribute("title") or "")
    await expect(page.get_by_role("main")).to_contain_text("Times are in Asia/Kat")


async def test_the_details_of_a_call_say_how_its_records_were_counted(page: Page, api: Api, table: UsageTable) -> None:
    counted: dict[str, Any] = {
        "count_path": "structuredContent.data.rows",
        "count_witness": "structuredContent.row_count",
        "count_signs": ("common_list", "witness_agrees"),
    }
    doubtful = {**counted, "record_count": None, "count_method": "unknown", "count_confidence": 0.42}
    certain = {**counted, "count_confidence": 0.999}
    events = [event(**certain, created_at=now_ms() - 2000), event(**doubtful, created_at=now_ms() - 1000)]
    await table.insert_async(events, "counts")
    await log_in(page, api, view="calls")
    rows = page.get_by_role("table").locator("tbody tr")
    await rows.nth(1).get_by_role("button", name="Details").click()
    details = page.locator("tr.details")
    for name, value in (
        ("Method", "by the form of the result: structured (structured)"),
        ("Counted in", "structuredContent.data.rows"),
        ("Number stated by", "structuredContent.row_count"),
        ("Confidence", "practically certain: 99.9 %"),
    ):
        await expect(details.locator("div", has=page.get_by_text(name, exact=True)).last).to_have_text(f"{name}{value}")
    signs = details.get_by_role("list", name="Signs").get_by_role("listitem")
    await expect(signs).to_have_text(["A list under a common name.", "The result states the same number."])
    await rows.nth(0).get_by_role("button", name="Details").click()
    await expect(details.first).to_contain_text("too doubtful to report (unknown)")
    await expect(details.first).to_contain_text(f"in doubt: 42.0 %, less than {100 * THRESHOLD:.0f} %")
    await check_layout(page, "count-details")


async def test_the_filtered_calls_can_be_downloaded(page: Page, api: Api, table: UsageTable, tmp_path: Path) -> None:
    await table.insert_async([event(tool_name="run_sql", key_name="=1+1"), event(), event(owner=ADMIN)], "download")
    await log_in(page, api, view="calls?tool=run_sql")
    panel = page.get_by_role("region", name="Calls", exact=True)
    async with page.expect_download() as download:
        await panel.get_by_role("button", name="CSV").click()
    file = await download.value
    assert file.suggested_filename.startswith("usage-")
    await file.save_as(tmp_path / "usage.csv")
    header, *rows = (tmp_path / "usage.csv").read_text().splitlines()
    assert header.startswith('"event_id"')
    assert len(rows) == 1
    assert "'=1+1" in rows[0]


async def test_a_table_leads_to_its_readers(page: Page, api: Api, table: UsageTable) -> None:
    await table.insert_async(
        [event(table_names=("stock_daily",), client_name="cursor", record_count=7), event(table_names=("other",))],
        "readers",
    )
    await log_in(page, api, view="readers")
    await page.get_by_role("link", name="stock_daily").click()
    readers = page.get_by_role("table", name="Readers of stock_daily").locator("tbody tr")
    await expect(readers).to_have_count(1)
    await expect(readers).to_contain_text("cursor")
    await page.get_by_label("Table", exact=True).fill("stock_*")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("table", name="Readers of stock_*").locator("tbody tr")).to_have_count(1)


async def test_without_usage_the_page_shows_a_first_request(page: Page, api: Api, table: UsageTable) -> None:
    await log_in(page, api, view="overview")
    await expect(page.get_by_role("heading", name="No calls in this period")).to_be_visible()
    await expect(page.locator(".code")).to_contain_text("http://127.0.0.1:8001/mcp")
    await check_layout(page, "overview-empty")


async def test_an_error_keeps_what_was_shown_and_can_be_tried_again(page: Page, api: Api, table: UsageTable) -> None:
    await table.insert_async([event()], "kept")
    await log_in(page, api, view="overview?measure=calls")
    await expect(page.get_by_role("slider")).to_be_visible()
    await page.route("**/api/mcp-usage/stats*", lambda route: route.abort())
    await page.get_by_role("button", name="Refresh").click()
    alert = page.get_by_role("alert").filter(has_text="The gateway does not respond")
    await expect(alert).to_be_visible()
    await expect(page.get_by_role("slider")).to_be_visible()
    await page.unroute("**/api/mcp-usage/stats*")
    await alert.get_by_role("button", name="Try again").click()
    await expect(alert).to_have_count(0)


async def test_a_user_sees_own_usage_only(page: Page, api: Api, table: UsageTable) -> None:
    await table.insert_async([event(owner=ADMIN, tool_name="secret_tool"), event(tool_name="own_tool")], "own")
    await log_in(page, api, USER, view="calls")
    await expect(page.get_by_role("table").locator("tbody tr")).to_have_count(1)
    await expect(page.get_by_role("button", name="All users")).to_have_count(0)
    await expect(page.get_by_role("link", name="Users")).to_have_count(0)
