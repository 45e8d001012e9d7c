"""The endpoints that suspend and resume keys."""

from __future__ import annotations

from tests.support.admin_api import USER, Api
from tests.support.clock import Clock


async def test_a_key_is_suspended_and_resumed(user: Api) -> None:
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
    updated = await user.post("/api/mcp-keys/update", {"key_id": key["key_id"], "key_name": "new"})
    assert updated.body["status"] == "suspended"
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
    actions = [entry.act for entry in await admin.audited_changes()]
    assert actions == ["key.resume", "key.suspend", "key.suspend", "key.create"]


async def test_an_expired_key_is_suspended_once_it_has_a_new_end(user: Api, clock: Clock) -> None:
    key = await user.create_key(expires_days=1)
    clock.advance(86_401)
    again = await user.logged_in(USER)
    assert (await again.post("/api/mcp-keys/suspend", {"key_id": key["key_id"]})).body["status"] == "expired"
    updated = await again.post("/api/mcp-keys/update", {"key_id": key["key_id"], "expires_days": 7})
    assert updated.body["status"] == "suspended"
