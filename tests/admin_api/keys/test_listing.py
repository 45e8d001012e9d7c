"""Lists of keys in pages, with filters and orders."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.admin_api import ADMIN, USER, Api
from tests.support.clock import Clock


async def names(api: Api, **query: Any) -> list[str]:
    """Return the names of the keys of all pages."""
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        response = await api.get("/api/mcp-keys/list", **query, **cursor)
        assert response.status == 200, response
        found += [key["key_name"] for key in response.body["keys"]]
        if response.body["next_cursor"] is None:
            assert response.body["total"] == len(found)
            return found
        assert len(response.body["keys"]) == query["limit"]
        cursor = {"cursor": response.body["next_cursor"]}


@pytest.fixture
async def keys(user: Api, admin: Api, clock: Clock) -> None:
    for name, label in (("cherry", "red"), ("apple", "blue"), ("banana", "red")):
        await user.create_key(name, labels={"team": label})
        clock.advance(1)
    await admin.create_key("date", labels={"team": "red"})


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_pages_have_all_keys_in_order(user: Api, limit: int) -> None:
    assert await names(user, limit=limit) == ["banana", "apple", "cherry"]
    assert await names(user, limit=limit, order="asc") == ["cherry", "apple", "banana"]
    assert await names(user, limit=limit, sort="name") == ["apple", "banana", "cherry"]
    assert await names(user, limit=limit, sort="name", order="desc") == ["cherry", "banana", "apple"]


@pytest.mark.usefixtures("keys")
async def test_filters_select_keys(user: Api, admin: Api) -> None:
    assert await names(user, label="team=red") == ["banana", "cherry"]
    assert await names(user, label="team", limit=1) == ["banana", "apple", "cherry"]
    assert await names(user, q="key_") == ["banana", "apple", "cherry"]
    assert await names(user, q="ANAN") == ["banana"]
    assert await names(user, status="revoked") == []
    assert await names(admin, all="true", label="team=red") == ["date", "banana", "cherry"]
    assert await names(admin, owner=USER, label="team=red") == ["banana", "cherry"]
    assert await names(admin, owner=ADMIN) == ["date"]


@pytest.mark.usefixtures("keys")
async def test_without_a_limit_all_keys_are_listed(user: Api) -> None:
    response = await user.get("/api/mcp-keys/list")
    assert (len(response.body["keys"]), response.body["total"], response.body["next_cursor"]) == (3, 3, None)


@pytest.mark.usefixtures("keys")
async def test_the_cursor_of_another_order_is_400(user: Api) -> None:
    cursor = (await user.get("/api/mcp-keys/list", limit=1)).body["next_cursor"]
    for query in ({"sort": "name"}, {"order": "asc"}, {"sort": "expires"}):
        response = await user.get("/api/mcp-keys/list", cursor=cursor, **query)
        assert (response.status, response.fields) == (400, {"cursor"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "-1"),
        ("limit", "x"),
        ("limit", "1.5"),
        ("cursor", "x"),
        ("cursor", "e30"),
        ("label", "=red"),
        ("label", "team="),
        ("status", "dead"),
        ("sort", "size"),
        ("order", "down"),
        ("q", "x" * 257),
    ],
)
async def test_invalid_parameters_are_400_and_named(user: Api, name: str, value: str) -> None:
    response = await user.get("/api/mcp-keys/list", **{name: value})
    assert (response.status, response.fields) == (400, {name})
