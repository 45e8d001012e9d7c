"""The endpoints of users, for admins."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from admin_api.access.authentication import Login
from admin_api.access.client import Client
from admin_api.dependencies import Dependencies
from admin_api.endpoints.keys.creation import create_key
from admin_api.endpoints.keys.models import CreateKey
from admin_api.http.endpoint import ApiCaller
from gateway.accounts.creation_limits import CreationLimits
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api, Response
from tests.support.clock import Clock


async def test_users_are_listed_without_password_hashes(admin: Api) -> None:
    response = await admin.get("/api/users")
    assert [user["email"] for user in response.body["users"]] == [USER, ADMIN]
    fields = {"email", "role", "kind", "is_admin", "disabled", "invited", "created_at", "policy"}
    assert set(response.body["users"][0]) == fields
    assert [(user["role"], user["kind"], user["is_admin"], user["policy"]) for user in response.body["users"]] == [
        ("member", "user", False, {}),
        ("admin", "user", True, {}),
    ]


async def test_users_are_listed_in_pages(admin: Api) -> None:
    first = await admin.get("/api/users", limit=1)
    assert [user["email"] for user in first.body["users"]] == [USER]
    second = await admin.get("/api/users", limit=1, cursor=first.body["next_cursor"])
    assert ([user["email"] for user in second.body["users"]], second.body["next_cursor"]) == ([ADMIN], None)
    found = await admin.get("/api/users", q="ROOT")
    assert [user["email"] for user in found.body["users"]] == [ADMIN]


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit", "0"), ("limit", "201"), ("limit", "x"), ("page", "1"), ("cursor", USER), ("cursor", "WzEsMl0")],
)
async def test_an_invalid_page_is_400(admin: Api, name: str, value: str) -> None:
    response = await admin.get("/api/users", **{name: value})
    assert (response.status, response.fields) == (400, {name})


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
    claims = user.deps.tokens.verify(user.token or "")
    stored = await user.deps.users.get(USER)
    assert claims is not None
    assert stored is not None
    login = Login(stored, None, claims, user.token or "", by_cookie=False)
    await admin.post("/api/users/disable", {"email": USER})
    await create_key(user.deps, ApiCaller(Client("192.0.2.1", "localhost"), login), CreateKey(key_name="late"))
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
    entries = [entry.act for entry in await admin.audited_changes()]
    assert entries[:4] == ["key.resume", "key.resume", "key.resume", "user.enable"]


async def test_the_last_admin_cannot_be_disabled(admin: Api) -> None:
    assert (await admin.post("/api/users/disable", {"email": ADMIN})).status == 409
    await admin.post("/api/users/add", {"email": "b@x.org", "password": PASSWORD, "is_admin": True})
    assert (await admin.post("/api/users/disable", {"email": ADMIN})).status == 200
    assert (await admin.get("/api/users")).status == 401


@pytest.mark.parametrize("email", ["nobody@example.com", "nobody"])
async def test_an_unknown_user_is_404(admin: Api, email: str) -> None:
    assert (await admin.post("/api/users/disable", {"email": email})).status == 404


async def test_a_service_account_cannot_log_in(admin: Api) -> None:
    response = await admin.post("/api/users/add", {"email": "ci@example.com", "kind": "service", "password": None})
    assert (response.status, response.body["kind"], response.body["role"]) == (201, "service", "member")
    login = await admin.post("/api/auth/login", {"email": "ci@example.com", "password": PASSWORD})
    assert login.status == 401
    assert (await admin.post("/api/users/add", {"email": "ci@example.com", "kind": "service"})).status == 409
    role = await admin.post("/api/users/update", {"email": "ci@example.com", "role": "auditor"})
    assert (role.status, role.fields) == (400, {"role"})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "password"),
        ({"kind": "service", "password": PASSWORD}, "password"),
        ({"password": "qwertyuiop"}, "password"),
        ({"password": "New@Example.com"}, "password"),
        ({"kind": "service", "role": "admin"}, "role"),
        ({"kind": "robot", "password": PASSWORD}, "kind"),
        ({"role": "root", "password": PASSWORD}, "role"),
        ({"role": "member", "is_admin": True, "password": PASSWORD}, "is_admin"),
        ({"policy": [], "password": PASSWORD}, "policy"),
        ({"policy": None, "password": PASSWORD}, "policy"),
    ],
)
async def test_fields_that_do_not_fit_each_other_are_400(admin: Api, body: dict[str, Any], field: str) -> None:
    response = await admin.post("/api/users/add", {"email": "new@example.com", **body})
    assert (response.status, response.fields) == (400, {field})
    assert (await admin.get("/api/users", q="new")).body["users"] == []


@pytest.mark.parametrize(
    ("body", "role"),
    [
        ({}, "member"),
        ({"is_admin": True}, "admin"),
        ({"is_admin": False}, "member"),
        ({"is_admin": False, "role": "auditor"}, "auditor"),
        ({"is_admin": True, "role": "admin"}, "admin"),
    ],
)
async def test_the_role_can_be_given_as_in_earlier_versions(admin: Api, body: dict[str, Any], role: str) -> None:
    response = await admin.post("/api/users/add", {"email": "new@example.com", "password": PASSWORD, **body})
    assert (response.status, response.body["role"], response.body["is_admin"]) == (201, role, role == "admin")


async def test_a_role_counts_from_the_next_request_of_a_living_token(admin: Api, user: Api) -> None:
    assert (await user.get("/api/users")).status == 403
    response = await admin.post("/api/users/update", {"email": USER.upper(), "role": "admin"})
    assert (response.status, response.body["role"], response.body["is_admin"]) == (200, "admin", True)
    assert (await user.get("/api/users")).status == 200
    assert (await user.post("/api/users/update", {"email": ADMIN, "role": "member"})).status == 200
    assert (await admin.get("/api/users")).status == 403


async def test_the_last_admin_keeps_the_role(admin: Api) -> None:
    response = await admin.post("/api/users/update", {"email": ADMIN, "role": "auditor", "policy": {"max_keys": 1}})
    assert (response.status, response.body["detail"]) == (
        409,
        "This is the last active admin. Add another admin first.",
    )
    assert (await admin.get("/api/users", q=ADMIN)).body["users"][0]["policy"] == {}


async def test_an_update_without_changes_and_of_an_unknown_user_is_refused(admin: Api) -> None:
    for body in ({"email": USER}, {"email": USER, "policy": {}}):
        response = await admin.post("/api/users/update", body)
        assert (response.status, response.fields) == (400, {"body"})
    unknown = await admin.post("/api/users/update", {"email": "nobody@example.com", "policy": {"max_keys": 1}})
    assert unknown.status == 404


async def test_changes_of_users_are_audited(admin: Api) -> None:
    await admin.post("/api/users/add", {"email": "ci@example.com", "kind": "service", "policy": {"max_keys": 1}})
    await admin.post("/api/users/update", {"email": USER, "role": "auditor"})
    await admin.post("/api/users/update", {"email": USER, "policy": {"calls_per_day": 5, "read_only": True}})
    entries = await admin.audited_changes()
    limits_before = {"policy": {"calls_per_day": None, "read_only": False}}
    assert [(entry.act, entry.object, entry.before, entry.after) for entry in entries[:2]] == [
        ("user.update", USER, limits_before, {"policy": {"calls_per_day": 5, "read_only": True}}),
        ("user.update", USER, {"role": "member"}, {"role": "auditor"}),
    ]
    added = entries[2]
    assert (added.act, added.object, added.before) == ("user.add", "ci@example.com", {})
    expected = {"role": "member", "kind": "service", "policy": {"max_keys": 1}}
    assert expected.items() <= added.after.items()


async def test_a_user_is_deleted_with_the_login_and_the_tokens(admin: Api, user: Api) -> None:
    response = await admin.post("/api/users/delete", {"email": USER.upper()})
    assert (response.status, response.body) == (200, {"email": USER, "deleted": True, "transferred_keys": []})
    assert (await user.get("/api/mcp-keys/list")).status == 401
    assert (await user.post("/api/auth/login", {"email": USER, "password": PASSWORD})).status == 401
    assert (await admin.post("/api/users/delete", {"email": USER})).status == 404


async def test_the_keys_of_a_deleted_user_are_transferred(admin: Api, user: Api) -> None:
    key_id = (await user.create_key())["key_id"]
    refused = await admin.post("/api/users/delete", {"email": USER})
    assert (refused.status, refused.body["detail"]) == (
        409,
        "This user owns 1 key. Revoke them first, or name their new owner in transfer_to.",
    )
    unknown = await admin.post("/api/users/delete", {"email": USER, "transfer_to": "nobody@example.com"})
    assert (unknown.status, unknown.fields) == (400, {"transfer_to"})
    response = await admin.post("/api/users/delete", {"email": USER, "transfer_to": ADMIN})
    assert (response.status, response.body["transferred_keys"]) == (200, [key_id])
    assert [(key["key_id"], key["status"]) for key in await admin.keys()] == [(key_id, "active")]
    entries = await admin.audited_changes()
    assert [(entry.act, entry.object) for entry in entries[:2]] == [("user.delete", USER), ("key.transfer", key_id)]
    assert (entries[0].before["role"], entries[0].after) == ("member", {})
    assert (entries[1].before, entries[1].after) == ({"owner": USER}, {"owner": ADMIN})


async def test_the_last_admin_is_not_deleted(admin: Api) -> None:
    assert (await admin.post("/api/users/delete", {"email": ADMIN})).status == 409
    await admin.post("/api/users/add", {"email": "b@x.org", "password": PASSWORD, "role": "admin"})
    assert (await admin.post("/api/users/delete", {"email": ADMIN})).status == 200
    assert (await admin.get("/api/users")).status == 401


async def test_too_many_new_users_in_a_minute_are_429(
    serve: Callable[[Dependencies], Awaitable[Api]], admin: Api, clock: Clock
) -> None:
    limits = CreationLimits(admin.deps.redis, now_ms=clock.now_ms, per_minute=2)
    limited = await (await serve(dataclasses.replace(admin.deps, creation_limits=limits))).logged_in(ADMIN)

    async def add(number: int) -> Response:
        return await limited.post("/api/users/add", {"email": f"ci{number}@example.com", "kind": "service"})

    assert [(await add(number)).status for number in range(2)] == [201, 201]
    refused = await add(2)
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert (await admin.get("/api/users", q="ci2@")).body["users"] == []
    clock.advance(60)
    assert (await add(2)).status == 201
