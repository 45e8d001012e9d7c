"""The dashboard in a real browser. Screenshots are written to `tests/artifacts/`."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from playwright.async_api import Browser, Page, expect

from gateway.client_snippets import CLIENTS, Target
from gateway.keys.secret import ApiKey
from gateway.timestamps import now_ms
from gateway.usage.event import UsageEvent
from gateway.usage.store.table import UsageTable
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api, event
from tests.support.browser import NEEDS_CHROMIUM, running_browser
from tests.support.keys import find_record, record_use
from tests.support.prefix_proxy import prefix_proxy

ARTIFACTS = Path(__file__).parents[1] / "artifacts"
SCRIPT = "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"

pytestmark = list(NEEDS_CHROMIUM)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as browser:
        yield browser


@pytest.fixture
async def page(browser: Browser, api: Api) -> AsyncIterator[Page]:
    """A page that fails the test if its console has an error, including scripts that the CSP blocks.

    It depends on `api` so that it is closed before the server.
    """
    context = await browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
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


async def log_in(page: Page, api: Api, email: str = USER, password: str = PASSWORD, view: str = "") -> None:
    await page.goto(str(api.client.make_url("/")) + view)
    await page.get_by_label("Email").fill(email)
    await page.get_by_label("Password", exact=True).fill(password)
    await page.get_by_role("button", name="Log in").click()


async def take_screenshots(page: Page, name: str, widths: tuple[int, ...] = (1280, 390)) -> None:
    """Write screenshots of the page: light and dark, wide and narrow."""
    ARTIFACTS.mkdir(exist_ok=True)
    await page.evaluate("document.getElementById('toast').classList.remove('shown')")
    for width in widths:
        await page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(
                path=ARTIFACTS / f"dashboard-{name}-{width}-{scheme}.png", full_page="dialog" not in name
            )
    await page.set_viewport_size({"width": 1280, "height": 900})
    await page.emulate_media(color_scheme="light")


async def assert_fits(page: Page, width: int = 390) -> None:
    """Assert that the page does not scroll horizontally on a phone."""
    await page.set_viewport_size({"width": width, "height": 900})
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.set_viewport_size({"width": 1280, "height": 900})


def calls(key_id: str) -> list[UsageEvent]:
    """Build thirty days of plausible calls, deterministically."""
    rng = random.Random(7)
    now = now_ms()
    tools: list[tuple[str, tuple[str, ...], int | None]] = [
        ("query_stock_daily", ("stock_daily",), 250),
        ("get_latest_price", ("stock_daily",), 1),
        ("compare_stocks", ("stock_daily", "stock_basic"), 40),
        ("list_tables", (), 3),
        ("run_sql", ("index_daily",), None),
    ]
    events = []
    for day in range(30):
        for _ in range(rng.randint(0, 14)):
            tool, tables, most = rng.choices(tools, weights=(6, 5, 2, 2, 3))[0]
            fails = rng.random() < 0.06
            key = rng.choice(((key_id, "laptop"), ("key_other", "nightly report")))
            client = rng.choice((("claude-code", "2.1.0"), ("cursor", "1.9"), ("curl", "8.5"), ("", "")))
            events.append(
                event(
                    created_at=now - day * 86_400_000 - rng.randint(60_000, 7_200_000),
                    key_id=key[0],
                    key_name=key[1],
                    tool_name=tool,
                    table_names=tables,
                    record_count=0 if fails else most and rng.randint(1, most),
                    is_error=fails,
                    status="tool_error" if fails else "ok",
                    duration_ms=rng.uniform(2, 900),
                    response_bytes=rng.randint(200, 40_000),
                    client_name=client[0],
                    client_version=client[1],
                )
            )
    return events


async def test_a_user_logs_in_creates_uses_and_revokes_a_key(page: Page, api: Api, table: UsageTable) -> None:
    await page.goto(str(api.client.make_url("/")))
    await expect(page.get_by_label("Email")).to_be_focused()
    await take_screenshots(page, "login")

    await page.get_by_label("Email").fill(USER)
    await page.get_by_label("Password", exact=True).fill("not the password")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("Wrong email or password.")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    await expect(page.get_by_role("group", name="First request")).to_contain_text("Bearer YOUR_API_KEY'")
    await take_screenshots(page, "keys-empty")

    await page.get_by_role("button", name="Create the first key").click()
    dialog = page.get_by_role("dialog", name="Create an API key")
    await expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    await dialog.get_by_role("button", name="Create key").click()
    await expect(dialog.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_label("Name", exact=True).fill("laptop")
    await dialog.get_by_label("Expires", exact=True).select_option("90")
    await dialog.get_by_text("Limits and scopes").click()
    await dialog.get_by_label("Tools", exact=True).fill("query_*, get_latest_price")
    await dialog.get_by_label("Calls per day", exact=True).fill("many")
    await dialog.get_by_role("button", name="Create key").click()
    await expect(dialog.get_by_text("Must be a whole number from 1")).to_be_visible()
    await dialog.get_by_label("Calls per day", exact=True).fill("500")
    await take_screenshots(page, "create-dialog")
    await dialog.get_by_role("button", name="Create key").click()

    shown = page.get_by_role("dialog", name="Key created")
    await expect(shown.get_by_text("it is shown only once")).to_be_visible()
    await expect(shown.get_by_role("button", name="Copy key")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(shown).to_be_visible()
    await shown.get_by_role("button", name="Copy key").click()
    copied = ApiKey.parse(await page.evaluate("navigator.clipboard.readText()"))
    record = await find_record(api.deps.keys, copied)
    assert record is not None
    assert (record.key_name, record.calls_per_day) == ("laptop", 500)
    assert record.allowed_tools == ("query_*", "get_latest_price")
    clients = shown.get_by_label("Client", exact=True)
    for client in CLIENTS.values():
        await clients.select_option(label=client.title)
        built = client.build(Target("http://127.0.0.1:8001/mcp", copied.text))
        code = shown.get_by_role("group", name=f"For {client.title}", exact=True).locator("pre")
        assert await code.inner_text() == built.text
        if built.link is not None:
            link = shown.get_by_role("link", name=f"Add to {client.title}")
            assert unquote((await link.get_attribute("href")) or "") == unquote(built.link.url)
    await clients.select_option("cursor")
    await take_screenshots(page, "secret-dialog")
    await shown.get_by_role("button", name="I have stored the key").click()
    await expect(page.locator("dialog")).to_have_count(0)
    assert copied.text not in await page.content()

    row = page.get_by_role("row", name="laptop")
    await expect(row).to_contain_text("Active")
    await expect(row).to_contain_text("never")

    await table.insert_async(calls(record.key_id), "journey")
    await record_use(api.deps.keys, record.key_id, api.deps.now_ms() - 240_000)
    await page.get_by_role("link", name="Usage").click()
    await expect(page.get_by_role("heading", name="Records by day")).to_be_visible()
    await expect(page.locator(".calls tbody tr")).to_have_count(20)
    await take_screenshots(page, "usage")
    await assert_fits(page)

    await page.get_by_role("link", name="API keys").click()
    for name in ("nightly report", "CI pipeline"):
        await api.deps.keys.create(owner=USER, key_name=name)
    revoked = await api.deps.keys.create(owner=USER, key_name="intern's script")
    await api.deps.keys.revoke(revoked[0].key_id)
    await page.reload()
    await expect(row).to_contain_text("4 minutes ago")
    await take_screenshots(page, "keys")
    await assert_fits(page)

    await page.get_by_role("button", name="Revoke laptop", exact=True).click()
    confirm = page.get_by_role("dialog", name="Revoke this key?")
    await take_screenshots(page, "revoke-dialog")
    await confirm.get_by_role("button", name="Cancel").click()
    await expect(row).to_contain_text("Active")
    await page.get_by_role("button", name="Revoke laptop", exact=True).click()
    await confirm.get_by_role("button", name="Revoke key").click()
    await expect(row).to_contain_text("Revoked")
    await expect(page.get_by_role("button", name="Revoke laptop", exact=True)).to_have_count(0)
    found = await find_record(api.deps.keys, copied)
    assert found is not None
    assert found.revoked_at is not None


async def test_a_script_in_a_name_is_never_executed(page: Page, api: Api, table: UsageTable) -> None:
    user = await api.logged_in(USER)
    key = await user.create_key(SCRIPT[:100])
    await table.insert_async(
        [event(key_id=key["key_id"], key_name=SCRIPT, tool_name=SCRIPT, table_names=(SCRIPT,), client_name=SCRIPT)],
        "script",
    )
    await log_in(page, api)
    await expect(page.get_by_role("row").get_by_text("<script>")).to_be_visible()
    await page.get_by_role("button", name="Revoke <script>").click()
    await expect(page.get_by_role("dialog")).to_contain_text("<script>")
    await page.get_by_role("button", name="Cancel").click()
    await page.get_by_role("link", name="Usage").click()
    await expect(page.locator(".calls tbody")).to_contain_text("<script>")
    assert await page.evaluate("window.pwned") is None
    assert await page.locator("main script, main img").count() == 0


async def test_unknown_counts_are_shown_as_unknown(page: Page, api: Api, table: UsageTable) -> None:
    await table.insert_async([event(record_count=None), event(record_count=0)], "unknown")
    await log_in(page, api, view="#usage")
    cells = page.locator('.calls td[data-label="Records"]')
    await expect(cells).to_have_count(2)
    assert sorted(await cells.all_text_contents()) == ["0", "unknown"]
    await expect(page.locator(".tiles")).to_contain_text("and 1 call with unknown count")
    await expect(page.get_by_role("list", name="Records, by tool")).to_contain_text("2 calls · 50 % with unknown count")


async def test_tools_with_unknown_counts_are_listed_with_their_share(page: Page, api: Api, table: UsageTable) -> None:
    unknown = [event(tool_name="run_sql", record_count=None) for _ in range(3)]
    known = [event(tool_name="run_sql"), *(event(tool_name="get_price") for _ in range(20))]
    await table.insert_async([*unknown, *known, event(tool_name="search", record_count=None)], "unknown tools")
    await log_in(page, api, view="#usage")
    panel = page.get_by_role("list", name="Calls with unknown count, unknown counts by tool")
    rows = panel.get_by_role("listitem")
    await expect(rows).to_have_count(2)
    assert (await rows.nth(0).inner_text()).split("\n")[0] == "run_sql"
    await expect(rows.nth(0)).to_contain_text("4 calls · 75 % with unknown count")
    await expect(rows.nth(1)).to_contain_text("1 call · 100 % with unknown count")
    await expect(page.locator("main")).to_contain_text("mcp-gateway metering suggest --from-history")
    await take_screenshots(page, "unknown")
    await assert_fits(page)


async def test_calls_can_be_filtered_and_paged(page: Page, api: Api, table: UsageTable) -> None:
    await table.insert_async([event(tool_name=f"tool_{number % 3}") for number in range(45)], "pages")
    await log_in(page, api, view="#usage")
    pager = page.get_by_role("navigation", name="Pages of calls")
    await expect(pager).to_contain_text("1 to 20 of 45")
    await expect(pager.get_by_role("button", name="Newer")).to_be_disabled()
    await pager.get_by_role("button", name="Older").click()
    await expect(pager).to_contain_text("21 to 40 of 45")
    await pager.get_by_role("button", name="Older").click()
    await expect(pager).to_contain_text("41 to 45 of 45")
    await expect(pager.get_by_role("button", name="Older")).to_be_disabled()
    await page.get_by_label("Tool", exact=True).fill("tool_1")
    await page.keyboard.press("Enter")
    await expect(pager).to_contain_text("1 to 15 of 15")
    await page.get_by_label("From", exact=True).fill("2031-01-02")
    await page.get_by_label("To", exact=True).fill("2031-01-01")
    await page.keyboard.press("Enter")
    await expect(page.locator("#history").get_by_role("alert")).to_have_text("from must be before to.")
    await page.get_by_role("button", name="Clear").click()
    await expect(pager).to_contain_text("1 to 20 of 45")


async def test_the_filtered_calls_can_be_downloaded(page: Page, api: Api, table: UsageTable, tmp_path: Path) -> None:
    await table.insert_async([event(tool_name="run_sql", key_name="=1+1"), event(), event(owner=ADMIN)], "download")
    await log_in(page, api, view="#usage")
    panel = page.get_by_role("region", name="Calls")
    await panel.get_by_label("Tool").fill("run_sql")
    await panel.get_by_label("Tool").press("Enter")
    await expect(panel.get_by_text("1 to 1 of 1")).to_be_visible()
    async with page.expect_download() as download:
        await panel.get_by_role("button", name="Download as CSV").click()
    file = await download.value
    assert file.suggested_filename.startswith("usage-")
    await file.save_as(tmp_path / "usage.csv")
    header, *rows = (tmp_path / "usage.csv").read_text().splitlines()
    assert header.startswith('"event_id"')
    assert len(rows) == 1
    assert "'=1+1" in rows[0]


async def test_without_usage_the_page_shows_a_first_request(page: Page, api: Api, table: UsageTable) -> None:
    await log_in(page, api, view="#usage")
    await expect(page.get_by_role("heading", name="No calls in the last 30 days")).to_be_visible()
    await expect(page.locator(".code")).to_contain_text("http://127.0.0.1:8001/mcp")
    await take_screenshots(page, "usage-empty")
    await assert_fits(page)


async def test_the_list_of_keys_has_their_limits(page: Page, api: Api) -> None:
    user = await api.logged_in(USER)
    await user.create_key(calls_per_month=2000, records_per_month=1, tool_rate_limits={"run_*": 10, "get": 5})
    await log_in(page, api)
    cell = page.locator('td[data-label="Limits"]')
    await expect(cell).to_have_text("2,000 calls/month · 1 record/month · 2 tool limits")
    await expect(cell.locator("span")).to_have_attribute("title", "run_* 10/min, get 5/min")


async def test_a_client_can_be_connected_with_a_key_that_exists(page: Page, api: Api) -> None:
    await (await api.logged_in(USER)).create_key("laptop")
    await log_in(page, api)
    await page.get_by_role("button", name="Connect a client").click()
    dialog = page.get_by_role("dialog", name="Connect a client")
    await dialog.get_by_label("Client", exact=True).select_option("curl")
    await expect(dialog.get_by_role("group", name="For curl", exact=True)).to_contain_text("Bearer YOUR_API_KEY")
    await dialog.get_by_role("group", name="For curl in PowerShell").get_by_role("button", name="Copy").click()
    assert "Invoke-RestMethod" in await page.evaluate("navigator.clipboard.readText()")
    for client in CLIENTS:
        await dialog.get_by_label("Client", exact=True).select_option(client)
        for width in (360, 768, 1440):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth"), (client, width)
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (client, width)
    await dialog.get_by_label("Client", exact=True).select_option("goose")
    await expect(dialog.get_by_role("link")).to_have_count(0)
    await take_screenshots(page, "connect-dialog", (360, 768, 1440))
    await dialog.get_by_role("button", name="Close").click()
    await expect(page.locator("dialog")).to_have_count(0)
    await take_screenshots(page, "keys-one", (360, 1440))


async def test_a_key_is_rotated_with_an_overlap(page: Page, api: Api) -> None:
    user = await api.logged_in(USER)
    old = await user.create_key("laptop")
    await log_in(page, api)
    await page.get_by_role("button", name="Rotate laptop").click()
    dialog = page.get_by_role("dialog", name="Rotate this key?")
    await dialog.get_by_label("Old secret").select_option("3600")
    await dialog.get_by_role("button", name="Rotate key").click()
    new = ApiKey.parse(await page.locator("#new-key").inner_text())
    for key in (new, ApiKey.parse(old["api_key"])):
        found = await find_record(api.deps.keys, key)
        assert found is not None
        assert found.key_id == old["key_id"]


async def test_an_admin_can_see_all_users(page: Page, api: Api, table: UsageTable) -> None:
    user = await api.logged_in(USER)
    await user.create_key("of ada")
    await table.insert_async([event()], "everybody")
    await log_in(page, api, ADMIN)
    await expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    await page.get_by_role("button", name="All users").click()
    await expect(page.get_by_role("row", name="of ada")).to_contain_text(USER)
    await page.get_by_role("link", name="Usage").click()
    await page.get_by_role("button", name="All users").click()
    await expect(page.locator('.calls td[data-label="Owner"]')).to_have_text(USER)


async def test_an_invalidated_session_returns_to_the_login(page: Page, api: Api) -> None:
    await log_in(page, api)
    await expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    await api.deps.users.set_password(USER, "changed elsewhere")
    await page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("laptop")
    await dialog.get_by_role("button", name="Create key").click()
    await expect(page.get_by_text("Your session has ended. Log in again.")).to_be_visible()
    assert await page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0


async def test_changing_the_password_keeps_the_session(page: Page, api: Api) -> None:
    await log_in(page, api)
    await page.get_by_role("button", name="Password").click()
    await page.get_by_label("Current password").fill("not the password")
    await page.get_by_label("New password").fill("another good one")
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_text("Is not your password.")).to_be_visible()
    await page.get_by_label("Current password").fill(PASSWORD)
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_text("Password changed")).to_be_visible()
    await page.get_by_role("link", name="Usage").click()
    await expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()
    await api.logged_in(USER, "another good one")


async def test_an_invited_user_sets_the_password_and_is_logged_in(page: Page, api: Api, admin: Api) -> None:
    link = (await admin.post("/api/users/invite", {"email": "new@example.com"})).body["link"]
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await page.goto(link)
    await page.get_by_label("New password").fill("new@example.com")
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_text("Must not be the email", exact=False)).to_be_visible()
    await page.get_by_label("New password").fill("another good one")
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_text("new@example.com")).to_be_visible()
    token = link.partition("token=")[2]
    assert token not in page.url
    assert [url for url in requested if token in url.partition("#")[0]] == []
    await page.goto(link)
    await page.get_by_label("New password").fill("yet another one")
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_role("alert")).to_contain_text("This link is not valid any more")


async def test_logging_out_ends_the_session(page: Page, api: Api) -> None:
    await log_in(page, api)
    await expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    (cookie,) = await page.context.cookies()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_text("You are logged out.")).to_be_visible()
    assert await page.context.cookies() == []
    assert (await api.with_token(cookie.get("value")).get("/api/auth/me")).status == 401
    await page.reload()
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()


async def test_every_control_has_an_accessible_name(page: Page, api: Api, table: UsageTable) -> None:
    user = await api.logged_in(USER)
    await user.create_key("laptop")
    await table.insert_async([event()], "names")
    await log_in(page, api, view="#usage")
    for view in ("#usage", "#keys"):
        await page.goto(str(api.client.make_url("/")) + view)
        await expect(page.get_by_role("main").get_by_role("table").first).to_be_visible()
        nameless = await page.evaluate(
            """() => [...document.querySelectorAll("button, a, input, select")]
                 .filter((element) => !(element.textContent.trim() || element.ariaLabel || element.labels?.length))
                 .map((element) => element.outerHTML)"""
        )
        assert nameless == []
    await page.reload()
    await expect(page.get_by_role("main").get_by_role("table").first).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


async def test_the_page_loads_only_from_its_own_origin(page: Page, api: Api, table: UsageTable) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await log_in(page, api)
    await page.get_by_role("link", name="Usage").click()
    await expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()
    origin = str(api.client.make_url("/"))
    assert json.dumps([url for url in requested if not url.startswith(origin)]) == "[]"


async def test_the_page_works_below_a_prefix_that_a_proxy_removes(page: Page, api: Api) -> None:
    async with prefix_proxy("/team/admin", str(api.client.make_url("")).rstrip("/")) as url:
        paths: list[str] = []
        page.on("request", lambda request: paths.append(request.url))
        await page.goto(url)
        await page.get_by_label("Email").fill(USER)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
        await page.get_by_role("link", name="Usage").click()
        await expect(page.get_by_role("heading", name="Usage", exact=True)).to_be_visible()
        link = page.get_by_role("link", name="OpenAPI document")
        assert await link.evaluate("link => link.href") == f"{url}api/openapi.json"
        assert await page.evaluate("document.styleSheets[0].cssRules.length") > 10
        assert {path for path in paths if not path.startswith(url)} == set()
        # No request is left when the proxy ends.
        await page.goto("about:blank")
