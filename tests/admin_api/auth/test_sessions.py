"""Sessions: logging out, refreshing, listing and ending logins."""

from __future__ import annotations

import json
from typing import Any

import pytest
import redis.asyncio

from gateway.accounts.sessions import MAX_SESSION_SECONDS, MAX_SESSIONS
from gateway.redis import names
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api, forged
from tests.support.audit import recorded_acts
from tests.support.clock import Clock


async def is_accepted(api: Api) -> bool:
    status = (await api.get("/api/auth/me")).status
    assert status in (200, 401)
    return status == 200


async def sessions(api: Api) -> list[dict[str, Any]]:
    response = await api.get("/api/auth/sessions")
    assert response.status == 200, response
    found: list[dict[str, Any]] = response.body["sessions"]
    return found


async def earlier_token(api: Api) -> Api:
    """Return a client with a token of an earlier version, which has no session."""
    user = await api.deps.users.get(USER)
    assert user is not None
    now = api.deps.now_ms() // 1000
    claims = {"sub": USER, "aud": "mcp-gateway-admin", "iat": now, "exp": now + 600, "pwd": user.password_changed_at}
    return api.with_token(forged(claims))


@pytest.mark.parametrize("body", [None, {}])
async def test_a_logout_ends_its_token_and_no_other(user: Api, body: dict[str, str] | None) -> None:
    other = await user.logged_in(USER)
    response = await user.request("POST", "/api/auth/logout", **({} if body is None else {"json": body}))
    assert (response.status, response.body) == (200, {"logged_out": True})
    assert not await is_accepted(user)
    assert await is_accepted(other)
    assert (await user.post("/api/auth/logout", {})).status == 401


async def test_a_refresh_returns_a_new_token_and_ends_the_old_one(user: Api, clock: Clock) -> None:
    before = (await sessions(user))[0]
    clock.advance(600)
    response = await user.request("POST", "/api/auth/refresh")
    assert response.status == 200
    assert set(response.body) == {"access_token", "token_type", "expires_in"}
    assert response.body["expires_in"] == 43_200
    assert not await is_accepted(user)
    (after,) = await sessions(user.with_token(response.body["access_token"]))
    assert after["session_id"] != before["session_id"]
    assert after["started_at"] == before["started_at"]
    assert after["expires_at"] > before["expires_at"]
    assert (await user.post("/api/auth/refresh", {})).status == 401


async def test_a_login_is_refreshed_for_thirty_days_at_most(user: Api, clock: Clock) -> None:
    started_at, api = user.deps.now_ms(), user
    while api.deps.now_ms() - started_at < (MAX_SESSION_SECONDS - 40_000) * 1000:
        clock.advance(40_000)
        response = await api.post("/api/auth/refresh", {})
        api = api.with_token(response.body["access_token"])
    assert response.body["expires_in"] < 43_200
    clock.advance(response.body["expires_in"])
    assert not await is_accepted(api)


async def test_a_user_lists_the_own_logins(user: Api, admin: Api, clock: Clock) -> None:
    clock.advance(5)
    other = await user.from_address("198.51.100.7").with_headers(User_Agent="curl/8").logged_in(USER)
    first, second = await sessions(other)
    assert set(first) == {
        *("session_id", "started_at", "last_used_at", "expires_at", "address", "user_agent", "current")
    }
    assert (first["address"], first["user_agent"], first["current"]) == ("198.51.100.7", "curl/8", True)
    assert (second["address"], second["current"]) == ("127.0.0.1", False)
    assert [session["current"] for session in await sessions(user)] == [False, True]


async def test_the_last_use_of_a_login_is_recorded_once_a_minute(user: Api, clock: Clock) -> None:
    (before,) = await sessions(user)
    clock.advance(59)
    assert (await sessions(user))[0]["last_used_at"] == before["last_used_at"]
    clock.advance(2)
    await user.get("/api/auth/me")
    (after,) = await sessions(user)
    assert after["last_used_at"] > before["last_used_at"]
    assert after["started_at"] == before["started_at"]


async def test_one_login_can_be_ended(user: Api) -> None:
    other = await user.logged_in(USER)
    (ended,) = (session["session_id"] for session in await sessions(user) if not session["current"])
    response = await user.post("/api/auth/sessions/end", {"session_id": ended})
    assert (response.status, response.body) == (200, {"session_ids": [ended]})
    assert not await is_accepted(other)
    assert await is_accepted(user)
    assert (await user.post("/api/auth/sessions/end", {"session_id": ended})).status == 404


async def test_all_other_logins_can_be_ended(user: Api) -> None:
    others = [await user.logged_in(USER) for _ in range(3)]
    response = await user.request("POST", "/api/auth/sessions/end")
    assert (response.status, len(response.body["session_ids"])) == (200, 3)
    assert [await is_accepted(other) for other in others] == [False] * 3
    assert [session["current"] for session in await sessions(user)] == [True]


async def test_nobody_ends_the_login_of_another_user(user: Api, admin: Api) -> None:
    session_id = (await sessions(admin))[0]["session_id"]
    assert (await user.post("/api/auth/sessions/end", {"session_id": session_id})).status == 404
    assert await is_accepted(admin)


async def test_a_further_login_ends_the_one_that_was_unused_for_the_longest_time(user: Api, clock: Clock) -> None:
    clock.advance(1)
    others = [await user.logged_in(USER) for _ in range(MAX_SESSIONS - 1)]
    assert await is_accepted(user)
    await user.logged_in(USER)
    assert not await is_accepted(user)
    assert await is_accepted(others[0])
    assert len(await sessions(others[0])) == MAX_SESSIONS


async def test_a_change_of_the_password_ends_all_other_logins(user: Api) -> None:
    other = await user.logged_in(USER)
    body = {"current_password": PASSWORD, "new_password": "another good one"}
    response = await user.post("/api/auth/password", body)
    assert not await is_accepted(user)
    assert not await is_accepted(other)
    assert len(await sessions(user.with_token(response.body["access_token"]))) == 1


async def test_disabling_a_user_ends_the_logins_also_after_enabling(user: Api, admin: Api) -> None:
    await admin.post("/api/users/disable", {"email": USER})
    assert not await is_accepted(user)
    await admin.post("/api/users/enable", {"email": USER})
    assert not await is_accepted(user)
    assert len(await sessions(await user.logged_in(USER))) == 1


async def test_deleting_a_user_ends_the_logins_also_if_the_user_is_added_again(
    user: Api, admin: Api, clock: Clock
) -> None:
    clock.advance(1)
    await admin.post("/api/users/delete", {"email": USER})
    assert not await is_accepted(user)
    await admin.post("/api/users/add", {"email": USER, "password": PASSWORD})
    assert not await is_accepted(user)


async def test_a_change_of_the_role_counts_on_the_next_request_of_a_living_token(user: Api, admin: Api) -> None:
    assert (await user.get("/api/users")).status == 403
    await admin.post("/api/users/update", {"email": USER, "role": "admin"})
    assert (await user.get("/api/users")).status == 200
    assert (await user.get("/api/auth/me")).body == {"email": USER, "is_admin": True}
    await admin.post("/api/users/update", {"email": USER, "role": "auditor"})
    assert (await user.post("/api/mcp-keys/create", {"key_name": "x"})).status == 403


async def test_a_token_of_an_earlier_version_is_valid_until_its_logout(api: Api) -> None:
    first, second = await earlier_token(api), await earlier_token(api)
    assert await sessions(first) == []
    assert (await first.post("/api/auth/logout", {})).status == 200
    assert not await is_accepted(second)


async def test_a_token_of_an_earlier_version_can_be_refreshed(api: Api) -> None:
    earlier = await earlier_token(api)
    response = await earlier.post("/api/auth/refresh", {})
    assert not await is_accepted(earlier)
    assert len(await sessions(api.with_token(response.body["access_token"]))) == 1


async def test_logins_expire_in_redis(user: Api, redis: redis.asyncio.Redis) -> None:
    assert 0 < await redis.pttl(names.LOGIN_SESSIONS + USER) <= 43_200_000
    await (await earlier_token(user)).post("/api/auth/logout", {})
    (ended,) = await redis.keys(names.ENDED_TOKEN + "*")
    assert 0 < await redis.pttl(ended) <= 600_000


async def test_logins_and_their_ends_are_in_the_audit_log_without_a_token(user: Api, admin: Api) -> None:
    await user.post("/api/auth/login", {"email": USER, "password": "a wrong password"})
    await user.post("/api/auth/sessions/end", {})
    await user.post("/api/auth/logout", {})
    acts = await recorded_acts(user.deps.redis)
    assert [(act.act, act.result) for act in acts if act.actor == act.object == USER] == [
        ("auth.logout", "ok"),
        ("auth.end_sessions", "ok"),
        ("auth.login", "failed"),
        ("auth.login", "ok"),
    ]
    assert (user.token or "") not in json.dumps(acts)
    assert "a wrong password" not in json.dumps(acts)
    assert ADMIN in {act.object for act in acts}
