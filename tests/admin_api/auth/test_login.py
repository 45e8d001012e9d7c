"""Login: the same response and work for every failure, and the limits."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter
from collections.abc import Awaitable, Callable

import msgspec
import pytest
import redis.asyncio

from admin_api.dependencies import Dependencies
from gateway.accounts.login_limits import LoginLimits, Slowdown
from gateway.accounts.passwords import Passwords
from gateway.accounts.user import encode_user
from gateway.accounts.users import UserStore
from gateway.redis import names as redis_names
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api, Response
from tests.support.clock import Clock
from tests.support.passwords import CountingHasher


async def login(api: Api, email: object = USER, password: object = PASSWORD) -> Response:
    return await api.post("/api/auth/login", {"email": email, "password": password})


async def test_a_login_returns_a_bearer_token(api: Api) -> None:
    response = await login(api)
    assert response.status == 200
    assert set(response.body) == {"access_token", "token_type", "expires_in"}
    assert response.body["token_type"] == "bearer"
    assert response.body["expires_in"] == api.deps.tokens.lifetime_seconds
    me = await api.with_token(response.body["access_token"]).get("/api/auth/me")
    assert me.body == {"email": USER, "is_admin": False}


async def test_all_failed_logins_get_the_same_response_after_the_same_work(api: Api, hasher: CountingHasher) -> None:
    await api.deps.users.add("gone@example.com", PASSWORD)
    await api.deps.users.disable("gone@example.com")
    responses = [
        await login(api, email, password)
        for email, password in ((USER, "wrong"), ("nobody@example.com", PASSWORD), ("gone@example.com", PASSWORD))
    ]
    assert {response.status for response in responses} == {401}
    assert len({json.dumps(response.body) for response in responses}) == 1
    assert len({tuple(name for name in response.headers if name != "Date") for response in responses}) == 1
    # One verification each, of hashes with the same parameters.
    first, *others = hasher.verifications
    assert others == [first, first]


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "password"}),
        ({"email": USER}, {"password"}),
        ({"email": 7, "password": None}, {"email", "password"}),
        ({"email": "ada", "password": PASSWORD}, {"email"}),
        ({"email": USER, "password": ""}, {"password"}),
        ({"email": USER, "password": "x" * 1025}, {"password"}),
        ({"email": USER, "password": "x" * 1_000_000}, {"password"}),
        ({"email": "a" * 300 + "@b.c", "password": PASSWORD}, {"email"}),
        ({"email": USER, "password": PASSWORD, "otp": 1, "x": 2}, {"otp", "x"}),
        ({"email": [USER], "password": {"$ne": ""}}, {"email", "password"}),
    ],
    ids=lambda value: repr(sorted(value) if isinstance(value, set) else value)[:40],
)
async def test_invalid_input_is_400_and_names_every_field(api: Api, body: object, fields: set[str]) -> None:
    response = await api.post("/api/auth/login", body)
    assert response.status == 400
    assert response.fields == fields
    assert PASSWORD not in json.dumps(response.body)


async def test_wrong_logins_slow_down_the_account_at_their_source_only(api: Api, clock: Clock) -> None:
    for _ in range(10):
        assert (await login(api, USER, "wrong")).status == 401
    response = await login(api, USER, PASSWORD)
    assert (response.status, response.headers["Retry-After"]) == (429, "5")
    assert "5 seconds" in response.body["detail"]
    assert (await login(api, ADMIN)).status == 200
    elsewhere = api.from_address("198.51.100.7")
    assert (await login(elsewhere, USER)).status == 200
    clock.advance(5)
    assert (await login(api, USER)).status == 200


async def test_the_wait_doubles_with_each_further_wrong_login_up_to_five_minutes(api: Api, clock: Clock) -> None:
    for _ in range(10):
        await login(api, USER, "wrong")
    waits = []
    for _ in range(8):
        waits.append(int((await login(api, USER)).headers["Retry-After"]))
        clock.advance(waits[-1])
        assert (await login(api, USER, "wrong")).status == 401
    assert waits[:7] == [5, 10, 20, 40, 80, 160, 300]
    assert max(waits) == 300


async def test_an_unknown_account_is_slowed_down_like_a_known_one(api: Api) -> None:
    responses = [await login(api, "nobody@example.com", "wrong") for _ in range(11)]
    assert [response.status for response in responses] == [401] * 10 + [429]


async def test_wrong_logins_slow_down_their_source_over_all_accounts(api: Api) -> None:
    responses = [await login(api, f"user{number}@example.com", "wrong") for number in range(31)]
    assert Counter(response.status for response in responses) == {401: 30, 429: 1}
    assert (await login(api)).status == 429
    assert (await login(api.from_address("198.51.100.7"))).status == 200


async def test_an_attack_from_everywhere_locks_nobody_out(api: Api) -> None:
    for number in range(40):
        attacker = api.from_address(f"203.0.113.{number}")
        assert (await login(attacker, USER, "wrong")).status == 401
    assert (await login(api)).status == 200


async def test_successful_logins_are_not_counted(api: Api, redis: redis.asyncio.Redis) -> None:
    for _ in range(40):
        assert (await login(api)).status == 200
    for name in await redis.keys(redis_names.LOGIN_ATTEMPTS + "*"):
        assert await redis.zcard(name) == 0


async def test_a_successful_login_forgets_the_wrong_ones_of_its_account_and_source(api: Api) -> None:
    for _ in range(2):
        for _ in range(9):
            assert (await login(api, USER, "wrong")).status == 401
        assert (await login(api)).status == 200


async def test_a_rejected_attempt_verifies_no_password_and_does_not_extend_the_wait(
    api: Api, clock: Clock, hasher: CountingHasher
) -> None:
    for _ in range(10):
        await login(api, USER, "wrong")
    before = len(hasher.verifications)
    clock.advance(3)
    for _ in range(5):
        response = await login(api)
        assert (response.status, response.headers["Retry-After"]) == (429, "2")
    assert len(hasher.verifications) == before
    clock.advance(2)
    assert (await login(api)).status == 200


async def test_the_counts_expire(api: Api, redis: redis.asyncio.Redis) -> None:
    for _ in range(10):
        await login(api, USER, "wrong")
    names = [
        name
        for prefix in (redis_names.LOGIN_ATTEMPTS, redis_names.WRONG_LOGINS, redis_names.ATTACKED_ACCOUNTS)
        for name in await redis.keys(prefix + "*")
    ]
    assert len(names) == 4
    for name in names:
        assert 0 < await redis.pttl(name) <= 900_000


async def test_a_flood_of_logins_is_bounded_and_other_requests_are_served(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies, redis: redis.asyncio.Redis
) -> None:
    """With the parameters of production: logins beyond the bound are rejected, and a token keeps working."""
    hasher = CountingHasher(time_cost=3, memory_cost=64 * 1024)
    passwords = Passwords(threads=1, waiting=4, hasher=hasher)
    users = UserStore(redis, now_ms=deps.now_ms, passwords=passwords)
    await users.add(USER, PASSWORD)
    unlimited = Slowdown(free=1000, window_seconds=60, first_wait=1, longest_wait=1)
    limits = LoginLimits(redis, now_ms=deps.now_ms, per_account_and_source=unlimited, per_source=unlimited)
    api = await (await serve(dataclasses.replace(deps, users=users, login_limits=limits))).logged_in(USER)
    flood = [asyncio.create_task(login(api)) for _ in range(200)]
    while not all(task.done() for task in flood):
        assert (await api.get("/api/mcp-keys/list")).status == 200
    responses = await asyncio.gather(*flood)
    statuses = Counter(response.status for response in responses)
    assert set(statuses) == {200, 503}
    assert statuses[200] >= 5
    assert all(int(response.headers["Retry-After"]) > 0 for response in responses if response.status == 503)
    assert hasher.max_concurrency == 1
    passwords.close()


async def test_changing_the_password_requires_the_current_one(user: Api) -> None:
    response = await user.post(
        "/api/auth/password", {"current_password": "wrong one", "new_password": "another good one"}
    )
    assert (response.status, response.fields) == (400, {"current_password"})
    response = await user.post("/api/auth/password", {"current_password": PASSWORD, "new_password": "short"})
    assert (response.status, response.fields) == (400, {"new_password"})
    assert (await login(user)).status == 200


@pytest.mark.parametrize("new_password", ["123456789", "1234567890", "Password123", USER, USER.upper()])
async def test_a_new_password_that_is_easy_to_guess_is_400_and_changes_nothing(user: Api, new_password: str) -> None:
    response = await user.post("/api/auth/password", {"current_password": PASSWORD, "new_password": new_password})
    assert (response.status, response.fields) == (400, {"new_password"})
    assert new_password not in json.dumps(response.body)
    assert (await login(user)).status == 200


async def test_a_password_from_before_the_rules_still_works(api: Api, cheap_passwords: Passwords) -> None:
    user = await api.deps.users.get(USER)
    assert user is not None
    earlier = msgspec.structs.replace(user, password_hash=await cheap_passwords.hash("12345678"))
    await api.deps.redis.set(redis_names.USER_RECORD + USER, encode_user(earlier))
    assert (await login(api, password="12345678")).status == 200
