"""The frame of the page in a real browser: sessions, accessibility, and the places from which it is served."""

from __future__ import annotations

from playwright.async_api import Page, expect

from gateway.usage.store.table import UsageTable
from tests.admin_api.dashboard.support import BROWSER_TEST, check_layout, log_in
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api
from tests.support.prefix_proxy import prefix_proxy

pytestmark = BROWSER_TEST


async def test_an_ended_session_returns_to_the_login(page: Page, api: Api) -> None:
    await log_in(page, api, view="keys")
    await expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    await api.deps.users.set_password(USER, "changed elsewhere")
    await page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("laptop")
    await dialog.get_by_role("button", name="Create key").click()
    await expect(page.get_by_text("Your session has ended. Log in again.")).to_be_visible()


async def test_no_script_can_read_the_session_and_logging_out_ends_it(page: Page, api: Api) -> None:
    await log_in(page, api, view="keys")
    await expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    assert await page.evaluate("[document.cookie, sessionStorage.length, localStorage.length]") == ["", 0, 0]
    (cookie,) = await page.context.cookies()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_text("You are logged out.")).to_be_visible()
    assert await page.context.cookies() == []
    assert (await api.with_token(cookie.get("value")).get("/api/auth/me")).status == 401
    await page.reload()
    await expect(page.get_by_role("button", name="Log in")).to_be_visible()


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


async def test_other_sessions_are_listed_and_ended(page: Page, api: Api) -> None:
    other = await api.logged_in(USER)
    await log_in(page, api, view="keys")
    await page.get_by_role("button", name="Sessions").click()
    rows = page.get_by_role("table", name="Your sessions").locator("tbody tr")
    await expect(rows).to_have_count(2)
    await check_layout(page, "sessions-dialog")
    await page.get_by_role("button", name="End", exact=True).click()
    await expect(rows).to_have_count(1)
    assert (await other.get("/api/auth/me")).status == 401


async def test_changing_the_password_keeps_the_session(page: Page, api: Api) -> None:
    await log_in(page, api, view="keys")
    await page.get_by_role("button", name="Password").click()
    await page.get_by_label("Current password").fill("not the password")
    await page.get_by_label("New password").fill("another good one")
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_text("Is not your password.")).to_be_visible()
    await page.get_by_label("Current password").fill(PASSWORD)
    await page.get_by_role("button", name="Change password").click()
    await expect(page.get_by_text("Password changed")).to_be_visible()
    await page.get_by_role("link", name="Calls").click()
    await expect(page.get_by_role("heading", name="Calls").first).to_be_visible()
    await api.logged_in(USER, "another good one")


async def test_an_answer_that_a_view_cannot_show_leaves_the_rest_of_the_page(page: Page, api: Api) -> None:
    await log_in(page, api, view="keys")
    await expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    await page.route("**/api/mcp-usage/stats*", lambda route: route.fulfill(json={}))
    await page.get_by_role("link", name="Overview").click()
    await expect(page.get_by_role("alert").first).to_contain_text("This view cannot be shown")
    await page.get_by_role("link", name="API keys").click()
    await expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()


async def test_the_first_tab_leads_to_the_content(page: Page, api: Api) -> None:
    await log_in(page, api, view="keys")
    await expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="API keys")).to_be_visible()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to content")).to_be_focused()


async def test_the_page_loads_only_from_its_own_origin(page: Page, api: Api, table: UsageTable) -> None:
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    await log_in(page, api, ADMIN)
    for name in ("Overview", "Calls", "Tables", "Users", "Audit", "Alerts", "System"):
        await page.get_by_role("link", name=name, exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
    origin = str(api.client.make_url("/"))
    assert [url for url in requested if not url.startswith(origin)] == []


async def test_the_page_works_below_a_prefix_that_a_proxy_removes(page: Page, api: Api) -> None:
    async with prefix_proxy("/team/admin", str(api.client.make_url("")).rstrip("/")) as url:
        paths: list[str] = []
        page.on("request", lambda request: paths.append(request.url))
        await page.goto(url)
        await page.get_by_label("Email").fill(USER)
        await page.get_by_label("Password", exact=True).fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
        await page.get_by_role("link", name="Overview").click()
        await expect(page.get_by_role("heading", name="Overview", exact=True)).to_be_visible()
        link = page.get_by_role("link", name="OpenAPI document")
        assert await link.evaluate("link => link.href") == f"{url}api/openapi.json"
        assert {path for path in paths if not path.startswith(url)} == set()
        # No request is left when the proxy ends.
        await page.goto("about:blank")
