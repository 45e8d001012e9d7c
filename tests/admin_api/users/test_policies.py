"""The policies of owners in the endpoints of users."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.keys.limits import counter, owner_subject
from gateway.keys.record import OwnerPolicy
from tests.support.admin_api import PASSWORD, USER, Api


async def policy_of(admin: Api, email: str) -> Any:
    (user,) = (await admin.get("/api/users", q=email)).body["users"]
    return user["policy"]


async def test_a_policy_holds_from_the_addition_of_its_owner(admin: Api) -> None:
    policy = {
        "allowed_tools": ["query_*"],
        "allowed_tables": ["stock_daily"],
        "allowed_ips": ["10.0.0.0/8"],
        "read_only": True,
        "tool_rate_limits": {"run_*": 3},
        "calls_per_day": 5,
        "max_keys": 2,
        "max_key_days": 90,
        "defaults": {"expires_days": 30, "records_per_day": 100, "read_only": True},
    }
    account = {"email": "ci@example.com", "kind": "service", "policy": policy}
    response = await admin.post("/api/users/add", account)
    assert (response.status, response.body["policy"]) == (201, policy)
    assert await policy_of(admin, "ci@example.com") == policy


async def test_a_policy_is_merged_by_field(admin: Api) -> None:
    async def update(**policy: Any) -> Any:
        response = await admin.post("/api/users/update", {"email": USER, "policy": policy})
        assert response.status == 200, response
        return response.body["policy"]

    assert await update(max_keys=2, read_only=True, defaults={"expires_days": 30, "read_only": True}) == {
        "max_keys": 2,
        "read_only": True,
        "defaults": {"expires_days": 30, "read_only": True},
    }
    assert await update(max_keys=None, calls_per_day=5, defaults={"expires_days": 7, "read_only": None}) == {
        "calls_per_day": 5,
        "read_only": True,
        "defaults": {"expires_days": 7},
    }
    assert await update(defaults=None, read_only=None) == {"calls_per_day": 5}
    assert await update(calls_per_day=None) == {}
    assert await admin.deps.keys.policies.get(USER) == OwnerPolicy()


@pytest.mark.parametrize("path", ["add", "update"])
async def test_an_invalid_policy_is_400_and_names_every_field(admin: Api, path: str) -> None:
    policy = {
        "calls_per_day": -1,
        "records_per_month": 10**30,
        "max_keys": 0,
        "max_key_days": 10_000,
        "tool_rate_limits": {"run_*": 0},
        "read_only": "yes",
        "key_name": "x",
        "defaults": {"calls_per_day": 1.5, "expires_days": 0, "max_keys": 1},
    }
    body = {"email": "new@example.com" if path == "add" else USER, "policy": policy}
    response = await admin.post(f"/api/users/{path}", body | ({"kind": "service"} if path == "add" else {}))
    expected = {
        *(f"policy.{field}" for field in policy if field != "defaults"),
        *(f"policy.defaults.{field}" for field in ("calls_per_day", "expires_days", "max_keys")),
    }
    assert (response.status, response.fields) == (400, expected)
    assert (await admin.get("/api/users", q="new")).body["users"] == []
    assert await policy_of(admin, USER) == {}


@pytest.mark.parametrize("field", ["allowed_tools", "allowed_tables", "allowed_ips"])
async def test_a_policy_that_allows_nothing_is_400_with_the_reason(admin: Api, field: str) -> None:
    for policy, name in (({field: []}, field), ({"defaults": {field: []}}, f"defaults.{field}")):
        response = await admin.post("/api/users/update", {"email": USER, "policy": policy})
        assert response.status == 400
        assert response.body["errors"] == [
            {"field": f"policy.{name}", "detail": "must not be empty: it would allow nothing"}
        ]


async def test_a_limit_below_what_is_used_is_accepted_with_a_warning(admin: Api) -> None:
    now = admin.deps.now_ms() // 1000
    await admin.deps.redis.set(counter(owner_subject(USER), "calls", "day", now), 12)
    policy = {"calls_per_day": 10, "records_per_day": 10}
    response = await admin.post("/api/users/update", {"email": USER, "policy": policy})
    assert (response.status, response.body["policy"]) == (200, policy)
    (warning,) = response.body["warnings"]
    assert warning.startswith("calls_per_day is set to 10, of which 12 are used already; it resets at ")
    enough = await admin.post("/api/users/update", {"email": USER, "policy": {"calls_per_day": 12}})
    assert enough.body["warnings"] == []


async def test_only_admins_set_policies(user: Api) -> None:
    response = await user.post("/api/users/update", {"email": USER, "policy": {"max_keys": None}})
    assert response.status == 403
    added = await user.post("/api/users/add", {"email": "x@example.com", "password": PASSWORD})
    assert added.status == 403
