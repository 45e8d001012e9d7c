"""Keys for other owners, transfers, and what the policy of an owner bounds."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.admin_api import ADMIN, PASSWORD, USER, Api
from tests.support.clock import Clock

OTHER = "bob@example.com"


@pytest.fixture
async def other(api: Api) -> Api:
    await api.deps.users.add(OTHER, PASSWORD)
    return await api.logged_in(OTHER)


async def create(api: Api, **fields: Any) -> Any:
    return await api.post("/api/mcp-keys/create", {"key_name": "laptop", **fields})


async def update(api: Api, key: dict[str, Any], **fields: Any) -> Any:
    return await api.post("/api/mcp-keys/update", {"key_id": key["key_id"], **fields})


async def transfer(api: Api, key: dict[str, Any], owner: str) -> Any:
    return await api.post("/api/mcp-keys/transfer", {"key_id": key["key_id"], "owner": owner})


async def set_policy(api: Api, owner: str = USER, **fields: Any) -> None:
    await api.deps.keys.policies.update(owner, fields)


# Creating keys for others.


async def test_an_admin_creates_a_key_for_another_user_with_its_limits_as_ceiling(admin: Api, user: Api) -> None:
    key = await admin.create_key(owner=USER.upper(), calls_per_day=5)
    (item,) = await user.keys()
    assert (item["key_id"], item["owner"], item["ceiling"]) == (key["key_id"], USER, {"calls_per_day": 5})
    assert await admin.keys() == []


async def test_everybody_may_name_themselves_as_owner_which_sets_no_ceiling(admin: Api, user: Api) -> None:
    for api, email in ((admin, ADMIN), (user, USER)):
        await api.create_key(owner=email.upper(), calls_per_day=5)
        (item,) = await api.keys()
        assert (item["owner"], item["ceiling"]) == (email, {})


async def test_only_an_admin_creates_keys_for_others(user: Api, other: Api) -> None:
    for owner in (OTHER, "nobody@example.com", "x"):
        assert (await create(user, owner=owner)).status == 403
    assert await other.keys() == []


async def test_an_unknown_or_disabled_owner_is_400_and_named(admin: Api, user: Api, other: Api) -> None:
    key = await user.create_key()
    await admin.post("/api/users/disable", {"email": OTHER})
    for owner in ("nobody@example.com", "x", OTHER):
        for response in (await create(admin, owner=owner), await transfer(admin, key, owner)):
            assert (response.status, response.fields) == (400, {"owner"})
    assert [item["owner"] for item in await admin.keys(all="true")] == [USER]


# Transfers.


async def test_a_transferred_key_is_the_new_owners_with_its_ceiling(admin: Api, user: Api, other: Api) -> None:
    key = await admin.create_key(owner=USER, calls_per_day=5)
    (before,) = await user.keys()
    for _ in range(2):
        response = await transfer(admin, key, OTHER.upper())
        expected = {"key_id": key["key_id"], "owner": OTHER, "status": "active"}
        assert (response.status, response.body) == (200, expected)
    assert await user.keys() == []
    assert await other.keys() == [{**before, "owner": OTHER}]
    assert (await user.get("/api/mcp-keys/show", key_id=key["key_id"])).status == 404
    assert (await update(other, key, calls_per_day=6)).status == 403
    entries = [entry for entry in await admin.audited_changes() if entry.act == "key.transfer"]
    assert [(entry.object, entry.before, entry.after) for entry in entries] == [
        (key["key_id"], {"owner": USER}, {"owner": OTHER})
    ]


async def test_only_admins_transfer_keys(user: Api, other: Api) -> None:
    key = await user.create_key()
    for api in (user, other):
        assert (await transfer(api, key, OTHER)).status == 403
    assert (await transfer(user.with_token(None), key, OTHER)).status == 401
    assert len(await user.keys()) == 1


async def test_an_unknown_key_is_404_and_a_revoked_one_409(admin: Api, user: Api, other: Api) -> None:
    assert (await transfer(admin, {"key_id": "key_none"}, OTHER)).status == 404
    key = await user.create_key()
    await user.post("/api/mcp-keys/revoke", {"key_id": key["key_id"]})
    assert (await transfer(admin, key, OTHER)).status == 409
    missing = await admin.post("/api/mcp-keys/transfer", {})
    assert (missing.status, missing.fields) == (400, {"key_id", "owner"})


async def test_the_key_of_a_disabled_user_is_active_once_it_is_somebody_elses(
    admin: Api, user: Api, other: Api
) -> None:
    key = await user.create_key()
    await admin.post("/api/users/disable", {"email": USER})
    assert (await transfer(admin, key, OTHER)).body["status"] == "active"


# Bounds and defaults of the owner's policy.


async def test_creating_and_transferring_keys_beyond_the_number_of_keys_is_403_and_names_it(
    admin: Api, user: Api, other: Api
) -> None:
    await set_policy(user, max_keys=1)
    key = await user.create_key()
    theirs = await other.create_key()
    for response in (await create(user), await create(admin, owner=USER), await transfer(admin, theirs, USER)):
        assert (response.status, response.fields) == (403, {"max_keys"})
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.body["detail"] == (
            "max_keys allows ada@example.com 1 key that is neither revoked nor expired. "
            "An admin may change the policy of the owner."
        )
    await user.post("/api/mcp-keys/revoke", {"key_id": key["key_id"]})
    assert (await transfer(admin, theirs, USER)).status == 200


async def test_a_new_end_of_an_expired_key_beyond_the_number_of_keys_is_403(user: Api, clock: Clock) -> None:
    key = await user.create_key(expires_days=1)
    clock.advance(86_401)
    again = await user.logged_in(USER)
    await set_policy(user, max_keys=1)
    await again.create_key()
    refused = await update(again, key, expires_days=3)
    assert (refused.status, refused.fields) == (403, {"max_keys"})
    assert (await update(again, key, key_name="renamed")).status == 200


@pytest.mark.parametrize("days", [31, None])
async def test_a_life_beyond_that_of_the_policy_is_403_and_names_it(admin: Api, user: Api, days: int | None) -> None:
    await set_policy(user, max_key_days=30)
    key = await user.create_key(expires_days=30)
    for response in (
        await create(user, expires_days=days),
        await create(admin, owner=USER, expires_days=days),
        await update(user, key, expires_days=days),
        await update(admin, key, expires_days=days),
    ):
        assert (response.status, response.fields) == (403, {"expires_days"})
        assert "expires_days must be at most 30, the max_key_days of ada@example.com" in response.body["detail"]
    assert [item["expires_at"] for item in await user.keys()] == [key["expires_at"]]


async def test_a_key_without_an_end_gets_that_of_the_policy(user: Api, clock: Clock) -> None:
    first = (await create(user, expires_days=30)).body
    await set_policy(user, max_key_days=30)
    assert (await create(user)).body["expires_at"] == first["expires_at"]
    clock.advance(86_400)
    token = user.deps.tokens.issue(await user.deps.users.get(USER))  # type: ignore[arg-type]
    extended = await update(user.with_token(token), first, expires_days=30)
    assert extended.body["expires_at"] > first["expires_at"]


async def test_the_defaults_of_the_policy_fill_what_is_left_out_and_bind_nobody(user: Api, admin: Api) -> None:
    await set_policy(user, defaults={"calls_per_day": 5, "read_only": True, "expires_days": 3})
    await user.create_key()
    (item,) = await user.keys()
    assert (item["calls_per_day"], item["read_only"], item["ceiling"]) == (5, True, {})
    assert item["expires_at"] is not None
    key = await user.create_key("free", calls_per_day=None, read_only=False, expires_days=None)
    item = next(one for one in await user.keys() if one["key_id"] == key["key_id"])
    assert (item["calls_per_day"], item["read_only"], item["expires_at"]) == (None, False, None)
    key = await admin.create_key("for ada", owner=USER, records_per_day=9)
    item = next(one for one in await user.keys() if one["key_id"] == key["key_id"])
    assert (item["calls_per_day"], item["records_per_day"], item["ceiling"]) == (5, 9, {"records_per_day": 9})
    assert (await update(user, key, calls_per_day=None, read_only=False, expires_days=None)).status == 200


async def test_a_limit_of_a_key_above_that_of_the_policy_is_set_and_both_are_shown(user: Api) -> None:
    await set_policy(user, calls_per_day=5)
    key = await user.create_key(calls_per_day=100)
    shown = await user.get("/api/mcp-keys/show", key_id=key["key_id"])
    assert [(one["of"], one["limit"]) for one in shown.body["limits"]] == [("key", 100), ("owner", 5)]
