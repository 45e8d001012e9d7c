"""The endpoint that shows one key, and the warnings about limits that are used already."""

from __future__ import annotations

import json

import pytest
import redis.asyncio

from gateway.keys.limits import counter
from tests.support.admin_api import PASSWORD, USER, Api
from tests.support.clock import Clock


@pytest.fixture
async def other(api: Api) -> Api:
    await api.deps.users.add("bob@example.com", PASSWORD)
    return await api.logged_in("bob@example.com")


async def use_calls(api: Api, redis: redis.asyncio.Redis, key_id: str, calls: int) -> None:
    await redis.set(counter(key_id, "calls", "day", api.deps.now_ms() // 1000), calls)


async def test_a_shown_key_has_the_fields_of_the_list_its_secrets_and_its_limits(
    user: Api, clock: Clock, redis: redis.asyncio.Redis
) -> None:
    key = await user.create_key(calls_per_day=5, tool_rate_limits={"run_*": 6}, expires_days=3)
    await use_calls(user, redis, key["key_id"], 2)
    clock.advance(60)
    rotated = await user.post("/api/mcp-keys/rotate", {"key_id": key["key_id"], "overlap_seconds": 60})
    shown = await user.get("/api/mcp-keys/show", key_id=key["key_id"])
    assert shown.status == 200
    (item,) = await user.keys()
    assert {name: shown.body[name] for name in item} == item
    assert set(shown.body) == {*item, "secrets", "limits"}
    newest, replaced = shown.body["secrets"]
    assert (newest["prefix"], newest["until"]) == (rotated.body["key_prefix"], None)
    assert replaced["prefix"] == key["key_prefix"]
    assert replaced["since"] < newest["since"] < replaced["until"]
    calls, tools = shown.body["limits"]
    assert calls.pop("resets_at").endswith("T00:00:00.000Z")
    assert calls == {"name": "calls_per_day", "of": "key", "limit": 5, "used": 2, "left": 3}
    assert tools == {
        "name": "tool_rate_limits",
        "of": "key",
        "tool": "run_*",
        "limit": 6,
        "used": 0,
        "left": 6,
        "resets_at": None,
    }


async def test_no_secret_and_no_digest_is_shown(user: Api, redis: redis.asyncio.Redis) -> None:
    key = await user.create_key()
    text = json.dumps((await user.get("/api/mcp-keys/show", key_id=key["key_id"])).body)
    digests = [str(name).rpartition(":")[2].rstrip("'") for name in await redis.keys("*digest:*")]
    assert len(digests) == 1
    assert not [secret for secret in (key["api_key"], *digests) if secret in text]


async def test_only_the_owner_and_admins_are_shown_a_key(user: Api, other: Api, admin: Api) -> None:
    key = await user.create_key()
    assert (await admin.get("/api/mcp-keys/show", key_id=key["key_id"])).body["key_id"] == key["key_id"]
    responses = [await other.get("/api/mcp-keys/show", key_id=key_id) for key_id in (key["key_id"], "key_none")]
    assert [response.status for response in responses] == [404, 404]
    assert responses[0].body == responses[1].body
    assert (await user.with_token(None).get("/api/mcp-keys/show", key_id=key["key_id"])).status == 401
    missing = await user.get("/api/mcp-keys/show")
    assert (missing.status, missing.fields) == (400, {"key_id"})


async def test_a_revoked_key_is_shown_without_secrets(user: Api) -> None:
    key = await user.create_key()
    await user.post("/api/mcp-keys/revoke", {"key_id": key["key_id"]})
    shown = (await user.get("/api/mcp-keys/show", key_id=key["key_id"])).body
    assert (shown["status"], shown["secrets"]) == ("revoked", [])


async def test_a_limit_below_what_is_used_is_set_with_a_warning(user: Api, redis: redis.asyncio.Redis) -> None:
    key = await user.create_key(calls_per_day=100)
    await use_calls(user, redis, key["key_id"], 7)
    change = {"key_id": key["key_id"], "calls_per_day": 5}
    updated = await user.post("/api/mcp-keys/update", change)
    assert (updated.status, updated.body["calls_per_day"]) == (200, 5)
    [warning] = updated.body["warnings"]
    assert warning.startswith("calls_per_day is set to 5, of which 7 are used already; it resets at ")
    renamed = await user.post("/api/mcp-keys/update", {"key_id": key["key_id"], "key_name": "new"})
    assert renamed.body["warnings"] == []
    [limit] = (await user.get("/api/mcp-keys/show", key_id=key["key_id"])).body["limits"]
    assert (limit["used"], limit["left"]) == (7, 0)


async def test_an_auditor_is_shown_every_key(api: Api, user: Api) -> None:
    await api.deps.users.add("audit@example.com", PASSWORD, "auditor")
    auditor = await api.logged_in("audit@example.com")
    key = await user.create_key()
    assert (await auditor.get("/api/mcp-keys/show", key_id=key["key_id"])).body["owner"] == USER
