"""Invitations and resets of passwords by one-time links."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import redis.asyncio

from admin_api.dependencies import Dependencies
from gateway.redis import names
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api, Response
from tests.support.clock import Clock
from tests.support.passwords import CountingHasher

NEW = "new@example.com"
CHOSEN = "another good one"


def token_of(response: Response) -> str:
    assert response.status in (200, 201), response
    token: str = response.body["link"].partition("#/accept?token=")[2]
    assert len(token) == 43
    return token


async def invite(admin: Api, **body: Any) -> str:
    return token_of(await admin.post("/api/users/invite", {"email": NEW, **body}))


async def reset(admin: Api, email: str = USER) -> str:
    return token_of(await admin.post("/api/users/reset-link", {"email": email}))


async def accept(api: Api, token: str, password: str = CHOSEN) -> Response:
    return await api.with_token(None).post("/api/auth/accept-invite", {"token": token, "password": password})


async def login(api: Api, email: str, password: str) -> int:
    return (await api.post("/api/auth/login", {"email": email, "password": password})).status


async def test_an_invited_user_sets_a_password_once_and_is_logged_in(admin: Api) -> None:
    token = await invite(admin, role="auditor", policy={"max_keys": 3})
    (listed,) = (await admin.get("/api/users", q=NEW)).body["users"]
    assert (listed["invited"], listed["role"], listed["policy"]) == (True, "auditor", {"max_keys": 3})
    response = await accept(admin, token)
    assert (response.status, set(response.body)) == (200, {"access_token", "token_type", "expires_in"})
    me = await admin.with_token(response.body["access_token"]).get("/api/auth/me")
    assert me.body["email"] == NEW
    assert await login(admin, NEW, CHOSEN) == 200
    assert (await admin.get("/api/users", q=NEW)).body["users"][0]["invited"] is False
    again = await accept(admin, token, "yet another one")
    assert (again.status, again.fields) == (400, {"token"})
    assert await login(admin, NEW, CHOSEN) == 200


async def test_the_page_gets_a_cookie_for_a_link(admin: Api) -> None:
    page = admin.with_headers(X_Gateway_Page="1")
    response = await accept(page, await invite(admin))
    assert (response.status, set(response.body)) == (200, {"expires_in"})
    assert "HttpOnly" in response.headers["Set-Cookie"]


async def test_the_link_leads_to_the_dashboard(
    serve: Callable[[Dependencies], Awaitable[Api]], admin: Api, deps: Dependencies
) -> None:
    response = await admin.post("/api/users/invite", {"email": NEW})
    assert response.body["link"].startswith(str(admin.client.make_url("/#/accept?token=")))
    forwarded = admin.with_headers(X_Forwarded_Proto="https", X_Forwarded_Host="a.example", X_Forwarded_Prefix="/x/")
    response = await forwarded.post("/api/users/invite", {"email": NEW})
    assert response.body["link"].startswith("https://a.example/x/#/accept?token=")
    public = await serve(dataclasses.replace(deps, admin_public_url="https://admin.example.com/gateway"))
    response = await public.with_token(admin.token).post("/api/users/invite", {"email": NEW})
    assert response.body["link"].startswith("https://admin.example.com/gateway/#/accept?token=")


async def test_nobody_logs_in_before_the_invitation_is_accepted(admin: Api, hasher: CountingHasher) -> None:
    await invite(admin)
    before = len(hasher.verifications)
    assert await login(admin, NEW, "!") == 401
    assert await login(admin, "nobody@example.com", "!") == 401
    first, second = hasher.verifications[before:]
    assert first == second


async def test_a_weak_password_is_400_and_the_link_stays_valid(admin: Api) -> None:
    token = await invite(admin)
    for password in ("short", "qwertyuiop", NEW):
        response = await accept(admin, token, password)
        assert (response.status, response.fields) == (400, {"password"})
    assert (await accept(admin, token)).status == 200


async def test_an_invitation_is_valid_for_seven_days(admin: Api, clock: Clock) -> None:
    token = await invite(admin)
    clock.advance(7 * 86_400 - 1)
    admin = await admin.logged_in(ADMIN)
    assert (await accept(admin, token)).status == 200
    response = await admin.post("/api/users/invite", {"email": "second@example.com"})
    clock.advance(7 * 86_400)
    assert (await accept(admin, token_of(response))).fields == {"token"}


async def test_a_reset_link_is_valid_for_an_hour(admin: Api, clock: Clock) -> None:
    first = await reset(admin)
    clock.advance(3601)
    assert (await accept(admin, first)).fields == {"token"}
    second = await reset(admin)
    clock.advance(3599)
    assert (await accept(admin, second)).status == 200


async def test_a_reset_ends_the_logins_and_the_old_password_when_the_link_is_used(user: Api, admin: Api) -> None:
    token = await reset(admin)
    assert (await user.get("/api/auth/me")).status == 200
    assert await login(admin, USER, PASSWORD) == 200
    assert (await accept(admin, token)).status == 200
    assert (await user.get("/api/auth/me")).status == 401
    assert await login(admin, USER, PASSWORD) == 401
    assert await login(admin, USER, CHOSEN) == 200


async def test_a_further_link_replaces_the_earlier_one(admin: Api) -> None:
    first, second = await invite(admin), await invite(admin)
    assert (await accept(admin, first)).fields == {"token"}
    assert (await accept(admin, second)).status == 200


async def test_a_further_invitation_may_change_the_role(admin: Api) -> None:
    await invite(admin, role="auditor", policy={"max_keys": 3})
    await invite(admin)
    await invite(admin, policy={"max_keys": 4})
    (listed,) = (await admin.get("/api/users", q=NEW)).body["users"]
    assert (listed["role"], listed["policy"]) == ("auditor", {"max_keys": 4})
    await invite(admin, role="admin")
    assert (await admin.get("/api/users", q=NEW)).body["users"][0]["role"] == "admin"


@pytest.mark.parametrize("act", ["disable", "delete", "password"])
async def test_a_link_ends_with_a_change_of_its_user(user: Api, admin: Api, act: str) -> None:
    token = await reset(admin)
    if act == "password":
        change = {"current_password": PASSWORD, "new_password": "a third good one"}
        assert (await user.post("/api/auth/password", change)).status == 200
    else:
        assert (await admin.post(f"/api/users/{act}", {"email": USER})).status == 200
    assert (await accept(admin, token)).fields == {"token"}


@pytest.mark.parametrize("token", ["x", "x" * 43, "../", "é" * 20])
async def test_an_unknown_token_is_400(admin: Api, token: str) -> None:
    response = await accept(admin, token)
    assert (response.status, response.fields) == (400, {"token"})
    assert "ask an admin for a new one" in response.body["detail"]


async def test_users_who_cannot_have_a_link_are_refused(admin: Api) -> None:
    await admin.post("/api/users/add", {"email": "ci@example.com", "kind": "service"})
    await admin.post("/api/users/disable", {"email": USER})
    for email in ("ci@example.com", USER):
        response = await admin.post("/api/users/reset-link", {"email": email})
        assert (response.status, response.fields) == (400, {"email"})
    assert (await admin.post("/api/users/reset-link", {"email": "nobody@example.com"})).status == 404
    assert (await admin.post("/api/users/invite", {"email": USER})).status == 409


@pytest.mark.parametrize("path", ["invite", "reset-link"])
async def test_only_admins_make_links(user: Api, api: Api, path: str) -> None:
    assert (await user.post(f"/api/users/{path}", {"email": NEW})).status == 403
    assert (await api.post(f"/api/users/{path}", {"email": NEW})).status == 401


async def test_no_token_is_stored_or_audited(admin: Api, redis: redis.asyncio.Redis) -> None:
    token = await invite(admin)
    (name,) = await redis.keys(names.PASSWORD_LINK + "*")
    assert token not in f"{name!r} {await redis.get(name)!r}"
    await accept(admin, token)
    entries = await admin.audited_changes()
    assert [(entry.actor, entry.act, entry.object) for entry in entries] == [
        (NEW, "user.password", NEW),
        (ADMIN, "user.invite", NEW),
        (ADMIN, "user.add", NEW),
    ]
    assert token not in json.dumps(entries)
    assert await redis.keys(names.PASSWORD_LINK + "*") == []


async def test_a_kind_in_an_update_must_be_that_of_the_user(admin: Api) -> None:
    same = await admin.post("/api/users/update", {"email": USER, "role": "auditor", "kind": "user"})
    assert (same.status, same.body["kind"]) == (200, "user")
    other = await admin.post("/api/users/update", {"email": USER, "role": "member", "kind": "service"})
    assert (other.status, other.fields) == (400, {"kind"})
