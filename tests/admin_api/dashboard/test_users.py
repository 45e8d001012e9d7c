"""The view of users in a real browser."""

from __future__ import annotations

from playwright.async_api import Page, expect

from tests.admin_api.dashboard.support import BROWSER_TEST, LONG, check_layout, log_in
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api

pytestmark = BROWSER_TEST


async def test_a_user_is_invited_with_a_link_that_is_shown_once(page: Page, api: Api) -> None:
    await log_in(page, api, ADMIN, view="users")
    await page.get_by_role("button", name="Invite").click()
    dialog = page.get_by_role("dialog", name="Invite a user")
    await dialog.get_by_label("Email").fill("new@example.com")
    await dialog.get_by_label("Role").select_option("auditor")
    await dialog.get_by_role("button", name="Make a link").click()
    shown = page.get_by_role("dialog", name="Invitation")
    await expect(shown).to_contain_text("accept?token=")
    await check_layout(page, "dialog-invitation")
    link = await shown.locator(".secret code").inner_text()
    await shown.get_by_role("button", name="Close").click()
    assert link not in await page.content()
    row = page.get_by_role("row", name="new@example.com")
    await expect(row).to_contain_text("Auditor")
    await expect(row).to_contain_text("Invited")


async def test_a_service_account_is_added_edited_disabled_enabled_and_deleted(page: Page, api: Api) -> None:
    await log_in(page, api, ADMIN, view="users")
    await page.get_by_role("button", name="Add", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Email").fill("reports@example.com")
    await dialog.get_by_text("Limits and scopes").click()
    await dialog.get_by_label("Keys at most").fill("3")
    await check_layout(page, "dialog-add-user")
    await dialog.get_by_role("button", name="Add").click()
    row = page.get_by_role("row", name="reports@example.com")
    await expect(row).to_contain_text("Service account")
    policy = await api.deps.keys.policies.find("reports@example.com")
    assert policy is not None
    assert policy.max_keys == 3
    await api.deps.keys.create(owner="reports@example.com", key_name="nightly")

    await row.get_by_role("button", name="Edit").click()
    await dialog.get_by_label("Calls per day").fill("many")
    await dialog.get_by_role("button", name="Save").click()
    await expect(dialog.get_by_text("Must be a whole number from 1")).to_be_visible()
    await dialog.get_by_label("Calls per day").fill("1000")
    await dialog.get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("1,000 calls/day")
    for act, status in (("Disable", "Disabled"), ("Enable", "Active")):
        await row.get_by_role("button", name=act).click()
        await dialog.get_by_role("button", name=act).click()
        await expect(row).to_contain_text(status)
    await row.get_by_role("button", name="Delete").click()
    await dialog.get_by_role("button", name="Delete").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("This user owns 1 key")
    await dialog.get_by_label("Transfer the keys to").fill(USER)
    await dialog.get_by_role("button", name="Delete").click()
    await expect(row).to_have_count(0)
    assert [key.key_name for key in await api.deps.keys.list(USER)] == ["nightly"]


async def test_a_password_is_reset_with_a_link(page: Page, api: Api) -> None:
    await log_in(page, api, ADMIN, view=f"users?q={USER}")
    await page.get_by_role("button", name=f"Reset password {USER}").click()
    await page.get_by_role("dialog").get_by_role("button", name="Make a link").click()
    link = await page.get_by_role("dialog", name="Password reset").locator(".secret code").inner_text()
    await page.context.clear_cookies()
    await page.goto(link)
    await page.get_by_label("New password").fill("another good one")
    await page.get_by_role("button", name="Set password").click()
    await expect(page.get_by_text(USER)).to_be_visible()


async def test_an_auditor_sees_users_and_their_keys_without_acts(page: Page, api: Api) -> None:
    await api.deps.users.add("audit@example.com", PASSWORD, "auditor")
    key = await (await api.logged_in(USER)).create_key(LONG)
    await log_in(page, api, "audit@example.com", view="users")
    await expect(page.get_by_role("row", name=USER)).to_be_visible()
    for name in ("Add", "Invite", "Edit", "Delete"):
        await expect(page.get_by_role("button", name=name)).to_have_count(0)
    await page.goto(f"{api.client.make_url('/')}#/keys/{key['key_id']}")
    await expect(page.get_by_role("heading", name=LONG)).to_be_visible()
    await expect(page.get_by_role("button", name="Revoke")).to_have_count(0)
