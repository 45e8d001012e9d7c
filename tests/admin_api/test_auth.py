"""Logging in: the same answer and work for every refusal, limits, and a flood."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
import redis.asyncio

from admin_api.dependencies import Dependencies
from gateway.accounts.login_limits import LoginLimits
from gateway.accounts.passwords import Passwords
from gateway.accounts.users import UserStore
from gateway.redis import names as redis_names
from tests.admin_api.support import ADMIN, PASSWORD, USER, Answer, Api, Clock


async def login(api: Api, email: object = USER, password: object = PASSWORD) -> Answer:
    return await api.post("/api/auth/login", {"email": email, "password": password})


async def test_login_gives_a_bearer_token(api: Api) -> None:
    answer = await login(api)
    assert answer.status == 200
    assert set(answer.body) == {"access_token", "token_type", "expires_in"}
    assert answer.body["token_type"] == "bearer"
    assert answer.body["expires_in"] == api.deps.tokens.lifetime_seconds
    me = await api.with_token(answer.body["access_token"]).get("/api/auth/me")
    assert me.body == {"email": USER, "is_admin": False}


async def test_unknown_wrong_and_disabled_are_answered_alike_after_the_same_work(api: Api) -> None:
    await api.deps.users.add("gone@example.com", PASSWORD)
    await api.deps.users.disable("gone@example.com")
    passwords = api.deps.users.passwords
    answers = []
    for email, password in ((USER, "wrong"), ("nobody@example.com", PASSWORD), ("gone@example.com", PASSWORD)):
        before = passwords.verified
        answers.append(await login(api, email, password))
        assert passwords.verified == before + 1
    assert {answer.status for answer in answers} == {401}
    assert len({json.dumps(answer.body) for answer in answers}) == 1
    assert len({tuple(name for name in answer.headers if name != "Date") for answer in answers}) == 1


async def test_unknown_and_known_email_take_the_same_time(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies, redis: redis.asyncio.Redis
) -> None:
    """With the real parameters, in CPU time, which no load of the machine changes much; medians of samples in turn."""
    passwords = Passwords()
    users = UserStore(redis, now_ms=deps.now_ms, passwords=passwords)
    await users.add(USER, PASSWORD)
    limits = LoginLimits(redis, now_ms=deps.now_ms, per_account=1000, per_address=1000)
    api = await serve(dataclasses.replace(deps, users=users, login_limits=limits))
    times: dict[str, list[float]] = {USER: [], "nobody@example.com": []}
    for _ in range(7):
        for email, samples in times.items():
            started = time.process_time()
            assert (await login(api, email, "wrong")).status == 401
            samples.append(time.process_time() - started)
    known, unknown = (sorted(samples)[len(samples) // 2] for samples in times.values())
    assert unknown == pytest.approx(known, rel=0.35)
    passwords.close()


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
async def test_bad_input_is_400_and_names_every_field(api: Api, body: object, fields: set[str]) -> None:
    answer = await api.post("/api/auth/login", body)
    assert answer.status == 400
    assert answer.fields == fields
    assert PASSWORD not in json.dumps(answer.body)


async def test_failures_are_limited_per_account_from_wherever(api: Api, clock: Clock) -> None:
    for _ in range(10):
        assert (await login(api, USER, "wrong")).status == 401
    answer = await login(api, USER, PASSWORD)
    assert answer.status == 429
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    assert (await login(api, ADMIN)).status == 200
    clock.advance(30)
    assert (await login(api, USER)).status == 429
    clock.advance(31)
    assert (await login(api, USER)).status == 200


async def test_an_unknown_account_is_limited_like_a_known_one(api: Api) -> None:
    answers = [await login(api, "nobody@example.com", "wrong") for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]


async def test_failures_are_limited_per_address_over_all_accounts(api: Api) -> None:
    answers = [await login(api, f"user{number}@example.com", "wrong") for number in range(31)]
    assert Counter(answer.status for answer in answers) == {401: 30, 429: 1}
    assert (await login(api)).status == 429


async def test_right_logins_are_never_counted(api: Api, redis: redis.asyncio.Redis) -> None:
    for _ in range(40):
        assert (await login(api)).status == 200
    for name in await redis.keys(redis_names.LOGIN_ATTEMPTS + "*"):
        assert await redis.zcard(name) == 0


async def test_a_refused_attempt_checks_no_password_and_does_not_lengthen_the_wait(api: Api, clock: Clock) -> None:
    for _ in range(10):
        await login(api, USER, "wrong")
    before = api.deps.users.passwords.verified
    clock.advance(40)
    for _ in range(5):
        assert (await login(api)).status == 429
    assert api.deps.users.passwords.verified == before
    clock.advance(21)
    assert (await login(api)).status == 200


async def test_the_counts_do_not_stay(api: Api, redis: redis.asyncio.Redis) -> None:
    await login(api, USER, "wrong")
    names = await redis.keys(redis_names.LOGIN_ATTEMPTS + "*")
    assert len(names) == 2
    for name in names:
        assert 0 < await redis.pttl(name) <= 60_000


async def test_200_logins_at_once_are_bounded_and_leave_others_alone(
    serve: Callable[[Dependencies], Awaitable[Api]], deps: Dependencies, redis: redis.asyncio.Redis
) -> None:
    """With the real parameters: what is not admitted is refused at once, and a token goes on working."""
    passwords = Passwords(threads=1, waiting=4)
    users = UserStore(redis, now_ms=deps.now_ms, passwords=passwords)
    await users.add(USER, PASSWORD)
    limits = LoginLimits(redis, now_ms=deps.now_ms, per_account=1000, per_address=1000)
    api = await (await serve(dataclasses.replace(deps, users=users, login_limits=limits))).logged_in(USER)
    flood = [asyncio.create_task(login(api)) for _ in range(200)]
    slowest = 0.0
    while not all(task.done() for task in flood):
        assert passwords.admitted <= 5
        started = time.perf_counter()
        assert (await api.get("/api/mcp-keys/list")).status == 200
        slowest = max(slowest, time.perf_counter() - started)
    answers = await asyncio.gather(*flood)
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) == {200, 503}
    assert statuses[200] >= 5
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status == 503)
    assert slowest < 1.0
    passwords.close()


async def test_the_own_password_is_changed_with_the_old_one_only(user: Api) -> None:
    answer = await user.post(
        "/api/auth/password", {"current_password": "wrong one", "new_password": "another good one"}
    )
    assert (answer.status, answer.fields) == (400, {"current_password"})
    answer = await user.post("/api/auth/password", {"current_password": PASSWORD, "new_password": "short"})
    assert (answer.status, answer.fields) == (400, {"new_password"})
    assert (await login(user)).status == 200
