"""The endpoints of API keys: what an admin sets on somebody's key, and suspending keys."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.endpoints.key_models import KeyCeiling
from gateway.keys.record import Restrictions
from tests.support.admin_api import USER, Api
from tests.support.clock import Clock


async def update(api: Api, key: dict[str, Any], **changes: Any) -> Any:
    return await api.post("/api/mcp-keys/update", {"key_id": key["key_id"], **changes})


@pytest.mark.parametrize(
    ("limit", "narrower", "wider"),
    [
        ({"rate_limit_per_minute": 60}, {"rate_limit_per_minute": 6}, {"rate_limit_per_minute": 61}),
        ({"records_per_day": 60}, {"records_per_day": 6}, {"records_per_day": None}),
        ({"calls_per_day": 60}, {"calls_per_day": 6}, {"calls_per_day": 10**12}),
        ({"expires_days": 30}, {"expires_days": 29}, {"expires_days": 31}),
        ({"expires_days": 30}, {"expires_days": 1}, {"expires_days": None}),
        ({"allowed_tools": ["query_*"]}, {"allowed_tools": ["query_stock"]}, {"allowed_tools": ["*"]}),
        ({"allowed_tables": ["a", "b"]}, {"allowed_tables": ["A"]}, {"allowed_tables": ["a", "c"]}),
        ({"allowed_ips": ["10.0.0.0/8"]}, {"allowed_ips": ["10.0.0.7"]}, {"allowed_ips": ["10.0.0.7", "::1"]}),
    ],
)
async def test_an_owner_narrows_what_an_admin_has_set_goes_back_and_does_not_widen_it(
    user: Api, admin: Api, limit: dict[str, Any], narrower: dict[str, Any], wider: dict[str, Any]
) -> None:
    key = await user.create_key()
    limited = await update(admin, key, **limit)
    assert limited.status == 200
    assert (await update(user, key, **narrower)).status == 200
    before = await user.keys()
    refused = await update(user, key, key_name="new", **wider)
    assert (refused.status, refused.fields) == (403, set(limit))
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert "only an admin may widen it" in refused.body["detail"]
    assert await user.keys() == before
    restored = await update(user, key, **limit)
    assert restored.status == 200
    assert restored.body == limited.body


async def test_the_refusal_names_every_field_and_the_largest_value(user: Api, admin: Api) -> None:
    key = await user.create_key()
    await update(admin, key, calls_per_day=100, allowed_tools=["query_*"], expires_days=30)
    refused = await update(user, key, calls_per_day=None, allowed_tools=None, expires_days=None, records_per_day=5)
    problems = {error["field"]: error["detail"] for error in refused.body["errors"]}
    assert set(problems) == {"calls_per_day", "allowed_tools", "expires_days"}
    assert problems["calls_per_day"] == "must be at most 100"
    assert problems["allowed_tools"] == "must be covered by query_*"
    assert problems["expires_days"].startswith("must be at most 30: the key ends on ")


async def test_a_key_ends_when_the_admin_said_at_the_latest(user: Api, admin: Api, clock: Clock) -> None:
    key = await user.create_key()
    end = (await update(admin, key, expires_days=30)).body["expires_at"]
    clock.advance(3600)
    assert (await update(user, key, expires_days=2)).body["expires_at"] < end
    assert (await update(user, key, expires_days=30)).body["expires_at"] == end


async def test_the_ceiling_moves_with_the_admin_and_is_listed(user: Api, admin: Api) -> None:
    key = await user.create_key(calls_per_day=7, records_per_day=7)
    assert (await user.keys())[0]["ceiling"] == {}
    await update(admin, key, calls_per_day=100, allowed_ips=[])
    assert (await user.keys())[0]["ceiling"] == {"calls_per_day": 100, "allowed_ips": []}
    assert (await update(user, key, records_per_day=None)).status == 200
    await update(admin, key, calls_per_day=200)
    assert (await update(user, key, calls_per_day=200)).status == 200
    assert (await update(user, key, calls_per_day=201)).status == 403
    await update(admin, key, calls_per_day=None, allowed_ips=None, expires_days=1)
    assert (await update(user, key, calls_per_day=201)).status == 200
    item = (await user.keys())[0]
    assert item["ceiling"] == {"expires_at": item["expires_at"]}


async def test_an_admin_sets_no_ceiling_on_an_own_key(admin: Api) -> None:
    key = await admin.create_key(calls_per_day=5)
    assert (await update(admin, key, calls_per_day=4)).body["ceiling"] == {}
    assert (await update(admin, key, calls_per_day=None)).status == 200


def test_a_ceiling_has_every_restriction() -> None:
    assert set(KeyCeiling.__struct_fields__) == set(Restrictions.__struct_fields__)


async def test_a_key_is_suspended_and_resumed(user: Api, clock: Clock) -> None:
    key = await user.create_key(calls_per_day=5)
    (before,) = await user.keys()
    for _ in range(2):
        response = await user.post("/api/mcp-keys/suspend", {"key_id": key["key_id"]})
        assert (response.status, response.body) == (200, {"key_id": key["key_id"], "status": "suspended"})
    (item,) = await user.keys()
    assert item.pop("suspended_at") is not None
    assert item == {name: value for name, value in before.items() if name != "suspended_at"} | {
        "status": "suspended",
        "suspended_by": "owner",
    }
    assert (await update(user, key, key_name="new")).body["status"] == "suspended"
    assert (await user.post("/api/mcp-keys/rotate", {"key_id": key["key_id"]})).status == 200
    assert (await user.keys())[0]["status"] == "suspended"
    for _ in range(2):
        response = await user.post("/api/mcp-keys/resume", {"key_id": key["key_id"]})
        assert (response.status, response.body) == (200, {"key_id": key["key_id"], "status": "active"})


async def test_only_an_admin_resumes_what_an_admin_suspended(user: Api, admin: Api) -> None:
    key = {"key_id": (await user.create_key())["key_id"]}
    await user.post("/api/mcp-keys/suspend", key)
    await admin.post("/api/mcp-keys/suspend", key)
    await user.post("/api/mcp-keys/suspend", key)
    response = await user.post("/api/mcp-keys/resume", key)
    assert (response.status, response.body["detail"]) == (
        403,
        "An admin suspended this key, so only an admin may resume it.",
    )
    assert (await user.keys())[0]["suspended_by"] == "admin"
    assert (await admin.post("/api/mcp-keys/resume", key)).body["status"] == "active"
    actions = [item["action"] for item in (await admin.get("/api/audit")).body["items"]]
    assert actions == ["key.resume", "key.suspend", "key.suspend", "key.create"]


async def test_an_expired_key_is_suspended_once_it_has_a_new_end(user: Api, clock: Clock) -> None:
    key = await user.create_key(expires_days=1)
    clock.advance(86_401)
    again = await user.logged_in(USER)
    assert (await again.post("/api/mcp-keys/suspend", {"key_id": key["key_id"]})).body["status"] == "expired"
    assert (await update(again, key, expires_days=7)).body["status"] == "suspended"
