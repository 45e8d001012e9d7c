"""`Idempotency-Key`: a creation that is repeated makes one key."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.accounts.creation_limits import CREATIONS_PER_MINUTE
from tests.support.admin_api import USER, Api, Response
from tests.support.clock import Clock


async def create(api: Api, once: str | None, **fields: Any) -> Response:
    headers = {} if once is None else {"Idempotency-Key": once}
    body = {"key_name": "laptop", **fields}
    return await api.request("POST", "/api/mcp-keys/create", json=body, headers=headers)


async def test_a_repeated_creation_answers_with_the_same_key_without_its_secret(user: Api) -> None:
    first = await create(user, "once", expires_days=3)
    again = await create(user, "once", expires_days=3)
    assert (first.status, again.status) == (201, 200)
    secret = first.body.pop("api_key")
    assert again.body == {**first.body, "replayed": True}
    assert secret not in str(again.body)
    assert len(await user.keys()) == 1
    created = [act for act in await user.audited_changes() if act.act == "key.create"]
    assert len(created) == 1


async def test_concurrent_creations_make_one_key(user: Api) -> None:
    responses = await asyncio.gather(*(create(user, "once") for _ in range(8)))
    assert sorted(response.status for response in responses) == [200] * 7 + [201]
    assert len({response.body["key_id"] for response in responses}) == 1
    assert len(await user.keys()) == 1


async def test_another_body_is_409_and_names_the_header(user: Api) -> None:
    await create(user, "once")
    other = await create(user, "once", key_name="other")
    assert (other.status, other.fields) == (409, {"Idempotency-Key"})
    assert len(await user.keys()) == 1


async def test_the_text_is_that_of_one_user(user: Api, admin: Api) -> None:
    assert [(await create(api, "once")).status for api in (user, admin)] == [201, 201]
    assert (await create(admin, "once", owner=USER)).status == 409
    assert (await create(admin, "for ada", owner=USER)).status == 201
    assert (await create(admin, "for ada", owner=USER)).body["replayed"] is True


async def test_without_the_header_each_creation_makes_a_key(user: Api) -> None:
    assert [(await create(user, None)).status for _ in range(2)] == [201, 201]


@pytest.mark.parametrize("text", ["", "  ", "x" * 256, "caf\u00e9", "a\tb"])
async def test_an_invalid_text_is_400_and_names_the_header(user: Api, text: str) -> None:
    response = await create(user, text)
    assert (response.status, response.fields) == (400, {"Idempotency-Key"})
    assert await user.keys() == []


async def test_creations_are_limited_per_user_and_replays_do_not_count(user: Api, admin: Api, clock: Clock) -> None:
    await create(user, "once")
    await user.deps.creation_limits.acquire(USER, "keys", CREATIONS_PER_MINUTE - 1)
    limited = await create(user, None)
    assert limited.status == 429
    assert 0 < int(limited.headers["Retry-After"]) <= 60
    assert (await create(user, "once")).status == 200
    assert (await create(admin, None)).status == 201
    clock.advance(60)
    assert (await create(user, None)).status == 201
