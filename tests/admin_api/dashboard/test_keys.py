"""The views of API keys in a real browser."""

from __future__ import annotations

from urllib.parse import unquote

from playwright.async_api import Page, Route, expect

from gateway.client_snippets import CLIENTS, Target
from gateway.keys.secret import ApiKey
from gateway.usage.store.table import UsageTable
from tests.admin_api.dashboard.support import BROWSER_TEST, LONG, NAMES, SCRIPT, calls, check_layout, log_in
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api, event
from tests.support.keys import find_record

pytestmark = BROWSER_TEST


async def test_a_user_logs_in_creates_uses_and_revokes_a_key(page: Page, api: Api, table: UsageTable) -> None:
    await page.goto(str(api.client.make_url("/")))
    await expect(page.get_by_label("Email")).to_be_focused()
    await check_layout(page, "login")
    await page.get_by_label("Email").fill(USER)
    await page.get_by_label("Password", exact=True).fill("not the password")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("Wrong email or password.")
    await page.get_by_label("Password", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")

    await expect(page.get_by_role("heading", name="No keys yet")).to_be_visible()
    await expect(page.get_by_role("group", name="First request")).to_contain_text("Bearer YOUR_API_KEY'")
    await check_layout(page, "keys-empty")

    await page.get_by_role("button", name="Create the first key").click()
    dialog = page.get_by_role("dialog", name="Create an API key")
    await expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    await dialog.get_by_role("button", name="Create key").click()
    await expect(dialog.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_label("Name", exact=True).fill("laptop")
    await dialog.get_by_label("Expires", exact=True).select_option("90")
    await dialog.get_by_label("Labels", exact=True).fill("team=red")
    await dialog.get_by_text("Limits and scopes").click()
    await dialog.get_by_label("Tools", exact=True).fill("query_*, get_latest_price")
    await dialog.get_by_label("Calls per day", exact=True).fill("many")
    await dialog.get_by_role("button", name="Create key").click()
    await expect(dialog.get_by_text("Must be a whole number from 1")).to_be_visible()
    await dialog.get_by_label("Calls per day", exact=True).fill("500")
    await check_layout(page, "create-dialog")
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
    assert (record.key_name, record.calls_per_day, record.labels) == ("laptop", 500, {"team": "red"})
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
    await check_layout(page, "secret-dialog")
    await shown.get_by_role("button", name="I have stored the key").click()
    await expect(page.locator("dialog")).to_have_count(0)
    assert copied.text not in await page.content()

    row = page.get_by_role("row", name="laptop")
    await expect(row).to_contain_text("Active")
    await expect(row).to_contain_text("never")
    await table.insert_async(calls(record.key_id), "journey")
    await row.get_by_role("link", name="laptop").click()
    await expect(page.get_by_role("heading", name="laptop")).to_be_visible()
    await page.get_by_role("button", name="Revoke", exact=True).click()
    confirm = page.get_by_role("dialog", name="Revoke this key?")
    await check_layout(page, "revoke-dialog")
    await confirm.get_by_role("button", name="Cancel").click()
    await page.get_by_role("button", name="Revoke", exact=True).click()
    await confirm.get_by_role("button", name="Revoke key").click()
    await expect(page.get_by_text("Revoked").first).to_be_visible()
    await expect(page.get_by_role("button", name="Revoke", exact=True)).to_have_count(0)
    found = await find_record(api.deps.keys, copied)
    assert found is not None
    assert found.revoked_at is not None


async def test_keys_are_searched_sorted_and_filtered_and_back_restores_it(page: Page, api: Api) -> None:
    user = await api.logged_in(USER)
    for name in NAMES:
        await user.create_key(name, labels={"team": "red"} if name == "laptop" else {}, calls_per_month=2000)
    await log_in(page, api, view="keys")
    rows = page.get_by_role("table").get_by_role("row")
    await expect(rows).to_have_count(1 + len(NAMES))
    await page.get_by_label("Search").fill("nightly")
    await page.keyboard.press("Enter")
    await expect(rows).to_have_count(2)
    await expect(rows.nth(1)).to_contain_text("nightly report")
    await page.reload()
    await expect(rows).to_have_count(2)
    await page.go_back()
    await expect(rows).to_have_count(1 + len(NAMES))
    await page.get_by_role("button", name="Name", exact=True).click()
    await expect(page.get_by_role("columnheader", name="Name")).to_have_attribute("aria-sort", "ascending")
    await page.get_by_role("button", name="team=red").click()
    await expect(rows).to_have_count(2)
    await page.get_by_role("button", name="Clear").click()
    await expect(rows).to_have_count(1 + len(NAMES))
    await page.get_by_label("Status").select_option("revoked")
    await expect(page.get_by_text("No keys match these filters.")).to_be_visible()


async def test_a_key_shows_its_secrets_limits_and_usage(page: Page, api: Api, table: UsageTable) -> None:
    user = await api.logged_in(USER)
    key = await user.create_key("laptop", calls_per_day=500, tool_rate_limits={"run_*": 10})
    rotated = await user.post("/api/mcp-keys/rotate", {"key_id": key["key_id"], "overlap_seconds": 3600})
    assert rotated.status == 200
    await table.insert_async(calls(key["key_id"]), "key")
    await log_in(page, api, view=f"keys/{key['key_id']}")
    secrets = page.get_by_role("table", name="Secrets of this key").get_by_role("row")
    await expect(secrets).to_have_count(3)
    limits = page.get_by_role("table", name="Limits of this key")
    await expect(limits.get_by_role("row", name="Calls per day")).to_contain_text("0 of 500")
    await expect(limits.get_by_role("row", name="Calls per minute of run_*")).to_contain_text("0 of 10")
    await expect(page.get_by_role("region", name="Usage in the last 30 days")).to_contain_text("Calls")
    await page.get_by_role("button", name="End overlap").click()
    await page.get_by_role("dialog").get_by_role("button", name="End overlap").click()
    await expect(secrets).to_have_count(2)


async def test_a_key_is_edited_suspended_resumed_and_rotated(page: Page, api: Api) -> None:
    user = await api.logged_in(USER)
    old = await user.create_key("laptop", calls_per_day=500)
    await log_in(page, api, view=f"keys/{old['key_id']}")
    await page.get_by_role("button", name="Edit", exact=True).click()
    dialog = page.get_by_role("dialog", name="Edit this key")
    await dialog.get_by_label("Name", exact=True).fill("desktop")
    await dialog.get_by_label("Calls per day", exact=True).fill("400")
    await dialog.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("heading", name="desktop")).to_be_visible()
    for act in ("Suspend", "Resume"):
        await page.get_by_role("button", name=act, exact=True).click()
        await page.get_by_role("dialog").get_by_role("button", name=f"{act} key").click()
        await expect(page.locator("dialog")).to_have_count(0)
    await page.get_by_role("button", name="Rotate", exact=True).click()
    dialog = page.get_by_role("dialog", name="Rotate this key?")
    await dialog.get_by_label("Old secret").select_option("3600")
    await dialog.get_by_role("button", name="Rotate key").click()
    new = ApiKey.parse(await page.locator("#new-key").inner_text())
    for secret in (new, ApiKey.parse(old["api_key"])):
        found = await find_record(api.deps.keys, secret)
        assert found is not None
        assert (found.key_id, found.key_name, found.calls_per_day) == (old["key_id"], "desktop", 400)


async def test_an_admin_creates_a_key_for_somebody_else_and_transfers_it(page: Page, api: Api) -> None:
    await log_in(page, api, ADMIN, view="keys?owner=*")
    await page.get_by_role("button", name="Create key").click()
    dialog = page.get_by_role("dialog", name="Create an API key")
    await dialog.get_by_label("Name", exact=True).fill("of ada")
    await dialog.get_by_label("Owner", exact=True).fill("nobody@example.com")
    await dialog.get_by_role("button", name="Create key").click()
    await expect(dialog.get_by_label("Owner", exact=True)).to_have_attribute("aria-invalid", "true")
    await dialog.get_by_label("Owner", exact=True).fill(USER)
    await dialog.get_by_role("button", name="Create key").click()
    await page.get_by_role("button", name="I have stored the key").click()
    row = page.get_by_role("row", name="of ada")
    await expect(row).to_contain_text(USER)
    await row.get_by_role("link", name="of ada").click()
    await page.get_by_role("button", name="Transfer").click()
    await page.get_by_role("dialog").get_by_label("New owner").fill(ADMIN)
    await page.get_by_role("dialog").get_by_role("button", name="Transfer key").click()
    await expect(page.get_by_role("region", name="About this key")).to_contain_text(ADMIN)


async def test_a_creation_whose_answer_was_lost_makes_one_key(page: Page, api: Api) -> None:
    async def lose_the_answer(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await log_in(page, api, view="keys")
    await page.get_by_role("button", name="Create the first key").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Name", exact=True).fill("laptop")
    await page.route("**/api/mcp-keys/create", lose_the_answer)
    await dialog.get_by_role("button", name="Create key").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("The gateway does not respond")
    await page.unroute("**/api/mcp-keys/create")
    await dialog.get_by_role("button", name="Create key").click()
    await expect(page.get_by_text("its secret was lost on the way")).to_be_visible()
    await expect(page.get_by_role("heading", name="laptop")).to_be_visible()
    assert len(await api.deps.keys.list(USER)) == 1


async def test_a_script_in_a_name_is_never_executed(page: Page, api: Api, table: UsageTable) -> None:
    user = await api.logged_in(USER)
    key = await user.create_key(SCRIPT[:100])
    await table.insert_async(
        [event(key_id=key["key_id"], key_name=SCRIPT, tool_name=SCRIPT, table_names=(SCRIPT,), client_name=SCRIPT)],
        "script",
    )
    await log_in(page, api, view="keys")
    await page.get_by_role("link", name="<script>").click()
    await expect(page.get_by_role("heading", name="<script>")).to_be_visible()
    for view in ("Overview", "Calls", "Tables"):
        await page.get_by_role("link", name=view, exact=True).first.click()
        await expect(page.get_by_role("main")).to_contain_text("<script>")
    assert await page.evaluate("window.pwned") is None
    assert await page.locator("main script, main img").count() == 0


async def test_a_client_can_be_connected_with_a_key_that_exists(page: Page, api: Api) -> None:
    await (await api.logged_in(USER)).create_key(LONG)
    await log_in(page, api, view="keys")
    await page.get_by_role("button", name="Connect a client").click()
    dialog = page.get_by_role("dialog", name="Connect a client")
    await dialog.get_by_label("Client", exact=True).select_option("curl")
    await expect(dialog.get_by_role("group", name="For curl", exact=True)).to_contain_text("Bearer YOUR_API_KEY")
    await dialog.get_by_role("group", name="For curl in PowerShell").get_by_role("button", name="Copy").click()
    assert "Invoke-RestMethod" in await page.evaluate("navigator.clipboard.readText()")
    for client in CLIENTS:
        await dialog.get_by_label("Client", exact=True).select_option(client)
        for width in (360, 1440):
            await page.set_viewport_size({"width": width, "height": 900})
            assert await dialog.evaluate("(dialog) => dialog.scrollWidth <= dialog.clientWidth"), (client, width)
    await dialog.get_by_label("Client", exact=True).select_option("goose")
    await expect(dialog.get_by_role("link")).to_have_count(0)
    await dialog.get_by_role("button", name="Close").click()
    await expect(page.locator("dialog")).to_have_count(0)
