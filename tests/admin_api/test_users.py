"""The endpoints of users, for admins."""

from __future__ import annotations

import pytest

from admin_api.endpoints.keys.creation import create_key
from admin_api.endpoints.keys.models import CreateKey
from admin_api.http.endpoint import ApiCaller
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api


async def test_users_are_listed_without_password_hashes(admin: Api) -> None:
    response = await admin.get("/api/users")
    assert [user["email"] for user in response.body["users"]] == [USER, ADMIN]
    assert set(response.body["users"][0]) == {"email", "is_admin", "disabled", "created_at"}


async def test_a_new_user_can_log_in(admin: Api) -> None:
    response = await admin.post("/api/users/add", {"email": "Bob@Example.com", "password": PASSWORD})
    assert (response.status, response.body["email"], response.body["is_admin"]) == (201, "bob@example.com", False)
    await admin.logged_in("bob@example.com")
    again = await admin.post("/api/users/add", {"email": "bob@example.com", "password": PASSWORD})
    assert again.status == 409


async def test_invalid_input_is_400_and_names_every_field(admin: Api) -> None:
    response = await admin.post("/api/users/add", {"email": "x", "password": "short", "is_admin": "yes", "x": 1})
    assert (response.status, response.fields) == (400, {"email", "password", "is_admin", "x"})


async def test_disabling_a_user_invalidates_tokens_and_suspends_keys(admin: Api, user: Api) -> None:
    await user.create_key("one")
    await user.create_key("two")
    response = await admin.post("/api/users/disable", {"email": USER.upper()})
    assert (response.status, response.body) == (200, {"email": USER, "disabled": True, "suspended_keys": 2})
    assert (await user.get("/api/mcp-keys/list")).status == 401
    assert {(key["status"], key["suspended_by"]) for key in await admin.keys(owner=USER)} == {("suspended", "admin")}
    again = await admin.post("/api/users/disable", {"email": USER})
    assert (again.status, again.body["suspended_keys"]) == (200, 0)


async def test_a_key_that_is_created_while_its_owner_is_disabled_is_suspended(admin: Api, user: Api) -> None:
    authenticated = await user.deps.users.get(USER)
    assert authenticated is not None
    await admin.post("/api/users/disable", {"email": USER})
    await create_key(user.deps, ApiCaller("192.0.2.1", "localhost", authenticated), CreateKey(key_name="late"))
    assert [key["status"] for key in await admin.keys(owner=USER)] == ["suspended"]
    assert (await admin.post("/api/users/enable", {"email": USER})).body["resumed_keys"] == 1


async def test_enabling_a_user_restores_the_login_and_the_keys_but_no_token(admin: Api, user: Api) -> None:
    await user.create_key("one")
    suspended = {"key_id": (await user.create_key("two"))["key_id"]}
    await user.post("/api/mcp-keys/suspend", suspended)
    await admin.post("/api/users/disable", {"email": USER})
    resumed = await admin.post("/api/mcp-keys/resume", suspended)
    assert (resumed.status, resumed.body["detail"]) == (
        409,
        "The owner of this key is disabled. Enable the user with /api/users/enable first.",
    )
    response = await admin.post("/api/users/enable", {"email": USER.upper()})
    assert (response.status, response.body["email"], response.body["disabled"]) == (200, USER, False)
    assert response.body["resumed_keys"] == 1
    assert (await user.get("/api/mcp-keys/list")).status == 401
    again = await admin.logged_in(USER)
    assert {key["key_name"]: key["status"] for key in await again.keys()} == {"one": "active", "two": "suspended"}
    assert (await again.post("/api/mcp-keys/resume", suspended)).body["status"] == "active"
    assert (await admin.post("/api/users/enable", {"email": "nobody@example.com"})).status == 404
    entries = [entry["action"] for entry in (await admin.get("/api/audit")).body["items"]]
    assert entries[:2] == ["key.resume", "user.enable"]


async def test_the_last_admin_cannot_be_disabled(admin: Api) -> None:
    assert (await admin.post("/api/users/disable", {"email": ADMIN})).status == 409
    await admin.post("/api/users/add", {"email": "b@x.org", "password": PASSWORD, "is_admin": True})
    assert (await admin.post("/api/users/disable", {"email": ADMIN})).status == 200
    assert (await admin.get("/api/users")).status == 401


@pytest.mark.parametrize("email", ["nobody@example.com", "nobody"])
async def test_an_unknown_user_is_404(admin: Api, email: str) -> None:
    assert (await admin.post("/api/users/disable", {"email": email})).status == 404
