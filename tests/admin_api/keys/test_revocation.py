"""Revoking many keys, and ending the overlap of a rotation."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.keys.secret import ApiKey
from tests.support.admin_api import ADMIN, USER, Api
from tests.support.keys import find_record

BULK, END = "/api/mcp-keys/bulk-revoke", "/api/mcp-keys/end-overlap"


async def statuses(api: Api) -> dict[str, str]:
    return {key["key_name"]: key["status"] for key in await api.keys(all="true")}


@pytest.fixture
async def ids(user: Api, admin: Api) -> dict[str, str]:
    """The ids of keys by name."""
    keys = [
        await user.create_key("red", labels={"team": "red"}),
        await user.create_key("blue", labels={"team": "blue"}),
        await admin.create_key("admin's", labels={"team": "red"}),
    ]
    return {key["key_name"]: key["key_id"] for key in keys}


@pytest.mark.parametrize(
    ("selection", "selected"),
    [
        ({"owner": "Ada@example.com"}, {"red", "blue"}),
        ({"label": "team=red"}, {"red", "admin's"}),
        ({"label": "team"}, {"red", "blue", "admin's"}),
        ({"label": "team=green"}, set()),
    ],
)
async def test_a_dry_run_names_the_keys_that_are_then_revoked(
    admin: Api, ids: dict[str, str], selection: dict[str, str], selected: set[str]
) -> None:
    dry = await admin.post(BULK, {**selection, "dry_run": True})
    assert (dry.status, set(dry.body["key_ids"]), dry.body["dry_run"]) == (200, {ids[name] for name in selected}, True)
    assert set((await statuses(admin)).values()) == {"active"}
    done = await admin.post(BULK, selection)
    assert (done.status, done.body) == (200, {"key_ids": dry.body["key_ids"], "dry_run": False})
    assert {name for name, status in (await statuses(admin)).items() if status == "revoked"} == selected
    assert (await admin.post(BULK, selection)).body["key_ids"] == []


async def test_each_revoked_key_is_in_the_audit_log(admin: Api, ids: dict[str, str]) -> None:
    await admin.post(BULK, {"label": "team=red"})
    found = [act for act in await admin.audited_changes() if act.act == "key.revoke"]
    assert {act.object for act in found} == {ids["red"], ids["admin's"]}
    assert {act.actor for act in found} == {ADMIN}


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"owner"}),
        ({"dry_run": True}, {"owner"}),
        ({"owner": USER, "label": "team"}, {"owner"}),
        ({"owner": "nobody@example.com"}, {"owner"}),
        ({"label": "=red"}, {"label"}),
        ({"label": ""}, {"label"}),
        ({"label": "team", "dry_run": "yes"}, {"dry_run"}),
    ],
)
async def test_invalid_selections_are_400_and_named(admin: Api, body: dict[str, Any], fields: set[str]) -> None:
    response = await admin.post(BULK, body)
    assert (response.status, response.fields) == (400, fields)


async def test_only_admins_revoke_many_keys(user: Api) -> None:
    assert (await user.post(BULK, {"owner": USER})).status == 403


async def test_ending_the_overlap_leaves_the_newest_secret(user: Api) -> None:
    key = await user.create_key()
    secrets = [key["api_key"]]
    for _ in range(2):
        rotated = await user.post("/api/mcp-keys/rotate", {"key_id": key["key_id"], "overlap_seconds": 600})
        secrets.append(rotated.body["api_key"])
    shown = await user.get("/api/mcp-keys/show", key_id=key["key_id"])
    assert [secret["prefix"] for secret in shown.body["secrets"]] == [text[:11] for text in reversed(secrets)]
    ended = await user.post(END, {"key_id": key["key_id"]})
    assert (ended.status, ended.body) == (
        200,
        {"key_id": key["key_id"], "key_prefix": secrets[2][:11], "ended_secrets": 2},
    )
    found = [await find_record(user.deps.keys, ApiKey.parse(text)) for text in secrets]
    assert [record is None for record in found] == [True, True, False]
    again = await user.post(END, {"key_id": key["key_id"]})
    assert (again.status, again.body["ended_secrets"]) == (200, 0)


async def test_the_overlap_of_a_revoked_key_is_409_and_of_an_unknown_or_anothers_404(user: Api, admin: Api) -> None:
    key_id = (await user.create_key())["key_id"]
    others = (await admin.create_key())["key_id"]
    assert (await user.post(END, {"key_id": others})).status == 404
    assert (await user.post(END, {"key_id": "key_none"})).status == 404
    assert (await admin.post(END, {"key_id": key_id})).status == 200
    await user.post("/api/mcp-keys/revoke", {"key_id": key_id})
    assert (await user.post(END, {"key_id": key_id})).status == 409
