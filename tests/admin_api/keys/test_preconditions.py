"""`ETag` and `If-Match`: a change of a key that somebody else has changed is 412."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.admin_api import Api, Response


async def tag_of(api: Api, key_id: str) -> str:
    shown = await api.get("/api/mcp-keys/show", key_id=key_id)
    return shown.headers["ETag"]


async def update(api: Api, key_id: str, *tags: str, **fields: Any) -> Response:
    headers = [("If-Match", tag) for tag in tags]
    if api.token is not None:
        headers.append(("Authorization", f"Bearer {api.token}"))
    body = {"key_id": key_id, **(fields or {"key_name": "new"})}
    async with api.client.request("POST", "/api/mcp-keys/update", json=body, headers=headers) as received:
        return Response(received.status, await received.json(content_type=None), received.headers)


async def test_the_tag_of_a_key_is_the_same_until_the_key_changes(user: Api) -> None:
    key_id = (await user.create_key())["key_id"]
    tag = await tag_of(user, key_id)
    assert tag.startswith('"')
    assert await tag_of(user, key_id) == tag
    assert (await update(user, key_id)).status == 200
    assert await tag_of(user, key_id) != tag


async def test_a_change_of_what_has_changed_is_412_and_changes_nothing(user: Api) -> None:
    key_id = (await user.create_key())["key_id"]
    tag = await tag_of(user, key_id)
    first = await update(user, key_id, tag, key_name="first")
    assert (first.status, first.headers["ETag"]) == (200, await tag_of(user, key_id))
    second = await update(user, key_id, tag, key_name="second")
    assert (second.status, second.body["title"]) == (412, "Precondition Failed")
    assert [key["key_name"] for key in await user.keys()] == ["first"]
    assert (await update(user, key_id, first.headers["ETag"], key_name="third")).status == 200


@pytest.mark.parametrize("act", ["rotate", "suspend", "end-overlap"])
async def test_other_changes_count_too(user: Api, act: str) -> None:
    key_id = (await user.create_key())["key_id"]
    await user.post("/api/mcp-keys/rotate", {"key_id": key_id, "overlap_seconds": 60})
    tag = await tag_of(user, key_id)
    assert (await user.post(f"/api/mcp-keys/{act}", {"key_id": key_id})).status == 200
    assert (await update(user, key_id, tag)).status == 412


async def test_lists_of_tags_and_any_tag_are_accepted_and_weak_tags_never_match(user: Api) -> None:
    key_id = (await user.create_key())["key_id"]
    for tags, status in (
        (lambda tag: ["*"], 200),
        (lambda tag: [f'"x", {tag}'], 200),
        (lambda tag: [f'W/"x" ,{tag},"y,z"'], 200),
        (lambda tag: ['"x"', tag], 200),
        (lambda tag: [f",, {tag} ,"], 200),
        (lambda tag: [f"W/{tag}"], 412),
        (lambda tag: ['""'], 412),
        (lambda tag: [f'"x", "y{tag[1:]}'], 412),
    ):
        assert (await update(user, key_id, *tags(await tag_of(user, key_id)))).status == status


@pytest.mark.parametrize("tag", ["", "x", '"a', '"a" "b"', '*, "a"', "W/a", '"a"b"', '"a" x'])
async def test_a_malformed_tag_is_400_and_names_the_header(user: Api, tag: str) -> None:
    key_id = (await user.create_key())["key_id"]
    response = await update(user, key_id, tag)
    assert (response.status, response.fields) == (400, {"If-Match"})


async def test_an_unknown_key_is_404_whatever_the_tag(user: Api) -> None:
    assert (await update(user, "key_none", "*")).status == 404
