"""Dead letters in the admin API."""

from __future__ import annotations

from typing import Any

import pytest
import redis.asyncio

from gateway.redis import names
from gateway.usage.consumer.dead_letters import DeadLetters
from gateway.usage.event import pack
from tests.support.admin_api import ADMIN, USER, Api, event
from tests.usage.support import streamed

LIST, RETRY, DROP = (f"/api/system/dead-letters{path}" for path in ("", "/retry", "/drop"))


@pytest.fixture
async def ids(redis: redis.asyncio.Redis) -> list[str]:
    """Three dead letters, the last of which cannot be decoded."""
    for content in (pack([event(tool_name="one")]), pack([event(tool_name="two")]), b"junk"):
        await redis.xadd(names.USAGE_DEAD_LETTERS, {"e": content, "reason": "Code: 27"})
    return [letter.id async for letter in DeadLetters(redis).all()]


async def left(api: Api) -> list[str]:
    return [letter["id"] for letter in (await api.get(LIST)).body["dead_letters"]]


async def test_pages_have_all_dead_letters_the_oldest_first(admin: Api, ids: list[str]) -> None:
    page = (await admin.get(LIST, limit=2)).body
    assert [letter["id"] for letter in page["dead_letters"]] == ids[:2]
    assert page["dead_letters"][0]["reason"] == "Code: 27"
    [described] = page["dead_letters"][0]["events"]
    assert (described["tool_name"], described["owner"]) == ("one", USER)
    last = (await admin.get(LIST, limit=2, cursor=page["next_cursor"])).body
    assert [(letter["id"], letter["events"]) for letter in last["dead_letters"]] == [(ids[2], [])]
    assert last["next_cursor"] is None


async def test_retried_letters_are_in_the_stream_again(admin: Api, ids: list[str], redis: redis.asyncio.Redis) -> None:
    body = {"ids": [ids[0], ids[0], "1-1"]}
    response = await admin.post(RETRY, body)
    assert (response.status, response.body) == (200, {"retried": 1})
    assert len(await streamed(redis)) == 1
    assert await left(admin) == ids[1:]
    assert (await admin.post(RETRY, body)).body == {"retried": 0}
    assert (await admin.post(RETRY, {"all": True})).body == {"retried": 2}
    assert await left(admin) == []


async def test_dropped_letters_are_gone_and_each_act_is_audited(admin: Api, ids: list[str]) -> None:
    assert (await admin.post(DROP, {"ids": ids[:1]})).body == {"dropped": 1}
    assert (await admin.post(DROP, {"all": True})).body == {"dropped": 2}
    assert (await admin.post(DROP, {"all": True})).body == {"dropped": 0}
    assert await left(admin) == []
    assert [(act.actor, act.act, act.after) for act in await admin.audited_changes()] == [
        (ADMIN, "dead_letter.drop", {"count": 2}),
        (ADMIN, "dead_letter.drop", {"count": 1}),
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "ids"),
        ({"ids": ["1-1"], "all": True}, "ids"),
        ({"ids": []}, "ids"),
        ({"ids": ["x"]}, "ids"),
        ({"ids": "1-1"}, "ids"),
        ({"ids": ["1-1"] * 201}, "ids"),
        ({"all": "yes"}, "all"),
    ],
)
@pytest.mark.parametrize("path", [RETRY, DROP])
async def test_invalid_selections_are_400_and_named(admin: Api, path: str, body: dict[str, Any], field: str) -> None:
    response = await admin.post(path, body)
    assert (response.status, response.fields) == (400, {field})


@pytest.mark.parametrize("query", [{"limit": "0"}, {"limit": "201"}, {"cursor": "x"}, {"cursor": "WyJ4Il0"}])
async def test_invalid_pages_are_400_and_named(admin: Api, query: dict[str, str]) -> None:
    response = await admin.get(LIST, **query)
    assert (response.status, response.fields) == (400, set(query))


async def test_members_neither_see_nor_change_them(user: Api) -> None:
    assert (await user.get(LIST)).status == 403
    for path in (RETRY, DROP):
        assert (await user.post(path, {"all": True})).status == 403
