"""The audit trail: every change with its actor, and no secret."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Awaitable, Callable

import pytest
import redis.asyncio

from admin_api.dependencies import Dependencies
from gateway.accounts.audit_trail import MAX_AUDIT_ENTRIES, AuditTrail
from gateway.redis import client as redis_client
from gateway.redis import names as redis_names
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api


async def test_every_change_is_recorded_newest_first(admin: Api, user: Api) -> None:
    key = await user.create_key("laptop")
    rotated = (await user.post("/api/mcp-keys/rotate", {"key_id": key["key_id"], "overlap_seconds": 5})).body
    await user.post("/api/mcp-keys/update", {"key_id": key["key_id"], "calls_per_day": 7})
    await admin.post("/api/mcp-keys/revoke", {"key_id": key["key_id"]})
    await admin.post("/api/mcp-keys/revoke", {"key_id": key["key_id"]})
    await admin.post("/api/users/add", {"email": "b@x.org", "password": PASSWORD})
    await admin.post("/api/users/disable", {"email": "b@x.org"})
    items = await admin.audited_changes()
    assert [(item["actor"], item["action"]) for item in items] == [
        (ADMIN, "user.disable"),
        (ADMIN, "user.add"),
        (ADMIN, "key.revoke"),
        (USER, "key.update"),
        (USER, "key.rotate"),
        (USER, "key.create"),
    ]
    revoked = items[2]
    assert (revoked["key_id"], revoked["owner"], revoked["address"]) == (key["key_id"], USER, "127.0.0.1")
    assert items[3]["details"] == {"calls_per_day": "7"}
    text = json.dumps(items)
    assert not [secret for secret in (key["api_key"], rotated["api_key"], PASSWORD, user.token) if str(secret) in text]


@pytest.mark.parametrize(
    ("fields", "address"),
    [
        ({"X-Forwarded-For": "1.1.1.1, [2001:db8::7]:443"}, "2001:db8::7"),
        ({"X-Forwarded-For": "192.0.2.7:5000", "Forwarded": "for=1.1.1.1"}, "192.0.2.7"),
        ({"Forwarded": 'for=1.1.1.1, for="192.0.2.8:80";proto=https'}, "192.0.2.8"),
        ({"Forwarded": "for=_hidden"}, "127.0.0.1"),
    ],
)
async def test_the_address_is_the_one_that_a_trusted_proxy_names(
    serve: Callable[[Dependencies], Awaitable[Api]], api: Api, deps: Dependencies, fields: dict[str, str], address: str
) -> None:
    trusted = dataclasses.replace(deps, trusted_proxies=(ipaddress.ip_network("127.0.0.1"),))
    admin = await (await serve(trusted)).logged_in(ADMIN)
    body = {"email": "b@x.org", "password": PASSWORD}
    await admin.request("POST", "/api/users/add", json=body, headers=fields)
    assert (await admin.get("/api/audit")).body["items"][0]["address"] == address


async def test_reads_and_failed_changes_are_not_recorded(admin: Api, user: Api) -> None:
    await user.keys()
    await user.post("/api/mcp-keys/create", {})
    await user.post("/api/mcp-keys/revoke", {"key_id": "key_nothing"})
    assert await admin.audited_changes() == []


async def test_pages_are_consecutive(admin: Api, user: Api) -> None:
    for name in ("1", "2", "3"):
        await user.create_key(name)
    first = (await admin.get("/api/audit", limit=2)).body
    second = (await admin.get("/api/audit", limit=2, before=first["next"])).body
    pages = [[item["details"].get("key_name") for item in page["items"]] for page in (first, second)]
    # The logins of the two users precede.
    assert (pages, second["next"] is not None) == ([["3", "2"], ["1", None]], True)


@pytest.mark.parametrize(
    ("query", "field"), [("limit=0", "limit"), ("limit=501", "limit"), ("before=x", "before"), ("before=(1", "before")]
)
async def test_an_invalid_query_is_400(admin: Api, query: str, field: str) -> None:
    response = await admin.request("GET", f"/api/audit?{query}")
    assert (response.status, response.fields) == (400, {field})


async def test_the_trail_is_bounded(admin: Api, redis: redis.asyncio.Redis) -> None:
    async with redis.pipeline(transaction=False) as pipe:
        for _ in range(MAX_AUDIT_ENTRIES + 500):
            pipe.xadd(redis_names.AUDIT, {"entry": b"{}"})
        await pipe.execute()
    await admin.create_key()
    assert await redis.xlen(redis_names.AUDIT) < MAX_AUDIT_ENTRIES + 500


async def test_an_entry_that_cannot_be_stored_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    down = redis_client.connect("unix:///nonexistent/valkey.sock")
    trail = AuditTrail(down, now_ms=lambda: 0)
    await trail.record(actor=USER, action="key.revoke", address="::1", key_id="key_1")
    assert '"key_id":"key_1"' in caplog.text
    await down.aclose()
