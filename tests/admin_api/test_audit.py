"""The audit log: every act with its actor and what it changed, and no secret."""

from __future__ import annotations

import csv
import dataclasses
import io
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import redis.asyncio

from admin_api.dependencies import Dependencies
from gateway.audit.audit_log import REPEATED_PER_SOURCE, AuditLog
from gateway.audit.author import Author
from gateway.audit.earlier_versions import move_earlier_entries
from gateway.redis import client as redis_client
from gateway.redis import names
from gateway.usage.consumer.writer import UsageWriter, WriterSettings
from gateway.usage.store.table import UsageTable
from tests.support.admin_api import ADMIN, PASSWORD, USER, Api, Response, empty
from tests.support.audit import recorded_acts
from tests.support.clock import Clock
from tests.usage.support import RunningWriter, drained

Audit = Callable[..., Awaitable[Response]]


@pytest.fixture
async def audit(redis: redis.asyncio.Redis, usage_table: UsageTable, admin: Api) -> AsyncIterator[Audit]:
    """A function that sends a GET of `/api/audit` as an admin, once all earlier entries are stored."""
    await empty(usage_table)
    running = RunningWriter(UsageWriter(redis, usage_table, WriterSettings(linger_seconds=0.0)))

    async def get(path: str = "", **query: Any) -> Response:
        await drained(redis)
        response = await admin.get(f"/api/audit{path}", **query)
        assert response.status == 200, response
        return response

    yield get
    await running.cancel()


def acts(response: Response) -> list[tuple[str, str, str]]:
    return [(item["actor"], item["act"], item["result"]) for item in response.body["items"]]


async def test_every_change_is_recorded_newest_first_and_without_secrets(admin: Api, user: Api, audit: Audit) -> None:
    key = await user.create_key("laptop")
    rotated = (await user.post("/api/mcp-keys/rotate", {"key_id": key["key_id"], "overlap_seconds": 5})).body
    await user.post("/api/mcp-keys/update", {"key_id": key["key_id"], "calls_per_day": 7})
    await admin.post("/api/mcp-keys/revoke", {"key_id": key["key_id"]})
    await admin.post("/api/mcp-keys/revoke", {"key_id": key["key_id"]})
    await admin.post("/api/users/add", {"email": "b@x.org", "password": PASSWORD})
    await admin.post("/api/users/disable", {"email": "b@x.org"})
    response = await audit()
    assert acts(response)[:6] == [
        (ADMIN, "user.disable", "ok"),
        (ADMIN, "user.add", "ok"),
        (ADMIN, "key.revoke", "ok"),
        (USER, "key.update", "ok"),
        (USER, "key.rotate", "ok"),
        (USER, "key.create", "ok"),
    ]
    items = response.body["items"]
    assert set(items[0]) == {"id", "created_at", "actor", "act", "object", "address", "before", "after", "result"}
    assert (items[0]["object"], items[0]["address"]) == ("b@x.org", "127.0.0.1")
    assert items[0]["before"]["disabled"] is False
    assert items[2]["object"] == key["key_id"]
    assert items[2]["before"] == {"revoked_at": None}
    assert items[3]["before"] == {"calls_per_day": None}
    assert items[3]["after"] == {"calls_per_day": 7}
    assert [secret["prefix"] for secret in items[4]["after"]["secrets"]] == [rotated["key_prefix"], key["key_prefix"]]
    assert (items[5]["before"], items[5]["after"]["owner"]) == ({}, USER)
    text = json.dumps(response.body)
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
    assert (await admin.audited_changes())[0].address == address


async def test_reads_failed_changes_and_repeated_ones_are_not_recorded(admin: Api, user: Api) -> None:
    await user.keys()
    await user.post("/api/mcp-keys/create", {})
    await user.post("/api/mcp-keys/revoke", {"key_id": "key_nothing"})
    await admin.post("/api/users/enable", {"email": USER})
    await admin.post("/api/users/update", {"email": USER, "role": "member"})
    assert await admin.audited_changes() == []


async def test_pages_are_consecutive(user: Api, audit: Audit) -> None:
    for name in ("1", "2", "3"):
        await user.create_key(name)
    first = (await audit(act="key.*", limit=2)).body
    second = (await audit(act="key.*", limit=2, cursor=first["next_cursor"])).body
    created = [item["after"]["key_name"] for page in (first, second) for item in page["items"]]
    assert (created, second["next_cursor"]) == (["3", "2", "1"], None)


async def test_entries_are_selected_by_actor_act_object_and_time(admin: Api, user: Api, audit: Audit) -> None:
    key_id = (await user.create_key())["key_id"]
    await admin.post("/api/mcp-keys/suspend", {"key_id": key_id})
    await admin.post("/api/users/update", {"email": USER, "policy": {"max_keys": 9}})
    assert acts(await audit(act="key.*")) == [(ADMIN, "key.suspend", "ok"), (USER, "key.create", "ok")]
    assert acts(await audit(act="key_*")) == []
    assert acts(await audit(act="*.s?spend")) == [(ADMIN, "key.suspend", "ok")]
    assert acts(await audit(object=key_id, actor=USER)) == [(USER, "key.create", "ok")]
    assert acts(await audit(object="key_*", actor="root@*")) == [(ADMIN, "key.suspend", "ok")]
    assert acts(await audit(object="key_*", actor="ROOT@Example.com")) == [(ADMIN, "key.suspend", "ok")]
    assert acts(await audit(object=USER, act="user.*")) == [(ADMIN, "user.update", "ok")]
    assert acts(await audit(to="2020-01-01")) == []
    assert acts(await audit(act="user.*", **{"from": "2020-01-01"}))[0] == (ADMIN, "user.update", "ok")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("cursor=x", "cursor"),
        ("from=yesterday", "from"),
        ("from=2026-01-02&to=2026-01-01", "from"),
        ("before=1-1", "before"),
        ("act=", None),
    ],
)
async def test_an_invalid_query_is_400_and_names_the_field(admin: Api, query: str, field: str | None) -> None:
    response = await admin.request("GET", f"/api/audit?{query}")
    assert (response.status, response.fields) == ((400, {field}) if field else (200, set()))


# Logins, denied acts and exports.


async def test_logins_are_recorded_with_their_result(api: Api, user: Api, redis: redis.asyncio.Redis) -> None:
    for _ in range(11):
        await api.post("/api/auth/login", {"email": USER, "password": "a wrong password"})
    newest, *older = await recorded_acts(redis)
    assert (newest.actor, newest.act, newest.object, newest.result) == (USER, "auth.login", USER, "denied")
    assert newest.after["wait_seconds"] >= 1
    assert [(act.act, act.result) for act in older[:10]] == [("auth.login", "failed")] * 10
    assert (older[10].act, older[10].result, older[10].address) == ("auth.login", "ok", "127.0.0.1")


async def test_denied_acts_are_recorded_with_their_reason(admin: Api, user: Api) -> None:
    key_id = (await admin.create_key())["key_id"]
    await user.post("/api/users/disable", {"email": ADMIN})
    await user.post("/api/mcp-keys/transfer", {"key_id": key_id, "owner": USER})
    await user.post("/api/mcp-keys/create", {"key_name": "x", "owner": ADMIN})
    await user.get("/api/mcp-usage/history", owner=ADMIN)
    denied = [act for act in await recorded_acts(user.deps.redis) if act.result == "denied"]
    assert [(act.actor, act.act, act.object) for act in denied] == [
        (USER, "usage.history", ADMIN),
        (USER, "key.create", ADMIN),
        (USER, "key.transfer", "/api/mcp-keys/transfer"),
        (USER, "user.disable", "/api/users/disable"),
    ]
    assert denied[-1].after == {"reason": "Only an admin may do this."}


async def test_what_strangers_repeat_is_recorded_a_bounded_number_of_times(
    redis: redis.asyncio.Redis, clock: Clock
) -> None:
    log = AuditLog(redis, now_ms=clock.now_ms).by(Author(USER, "192.0.2.7"))
    for _ in range(8 * REPEATED_PER_SOURCE):
        await log.record_repeatable("192.0.2.7", "auth.login", USER, result="failed")
    beyond = [act.after["in_this_minute"] for act in await recorded_acts(redis) if act.after]
    assert beyond == [8 * REPEATED_PER_SOURCE, 4 * REPEATED_PER_SOURCE, 2 * REPEATED_PER_SOURCE]
    assert len(await recorded_acts(redis)) == REPEATED_PER_SOURCE + 3
    await log.record_repeatable("192.0.2.8", "auth.login", USER, result="failed")
    clock.advance(60)
    await log.record_repeatable("192.0.2.7", "auth.login", USER, result="failed")
    assert len(await recorded_acts(redis)) == REPEATED_PER_SOURCE + 5


async def test_an_act_fails_if_its_entry_cannot_be_added() -> None:
    down = redis_client.connect("unix:///nonexistent/valkey.sock")
    with pytest.raises(redis.asyncio.RedisError):
        await AuditLog(down, now_ms=lambda: 0).record("usage.export")
    await down.aclose()


async def test_a_password_in_the_field_of_the_email_is_neither_recorded_nor_logged(
    api: Api, redis: redis.asyncio.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await api.post("/api/auth/login", {"email": PASSWORD, "password": USER})
    assert await recorded_acts(redis) == []
    assert PASSWORD not in caplog.text


async def test_a_change_that_is_sent_twice_has_one_entry(user: Api, redis: redis.asyncio.Redis) -> None:
    key_id = (await user.create_key())["key_id"]
    keys = user.deps.keys.by(Author(USER, "192.0.2.7"))
    for _ in range(3):
        await keys.revoke(key_id)
    assert [act.act for act in await user.audited_changes()] == ["key.revoke", "key.create"]


async def test_exports_are_recorded_with_their_filters(user: Api, audit: Audit) -> None:
    await user.get("/api/mcp-usage/export", tool="query", **{"from": "2026-01-01"})
    await audit("/export", act="usage.*", format="ndjson")
    found = (await audit(act="*.export")).body["items"]
    assert [(item["actor"], item["act"], item["after"]) for item in found] == [
        (ADMIN, "audit.export", {"act": "usage.*", "format": "ndjson"}),
        (USER, "usage.export", {"from": "2026-01-01", "tool": "query", "format": "csv"}),
    ]


async def test_an_export_has_every_entry_oldest_first(admin: Api, user: Api, audit: Audit) -> None:
    key_id = (await user.create_key('"quoted", \\ and ☃'))["key_id"]
    await admin.post("/api/mcp-keys/update", {"key_id": key_id, "labels": {"team": "red"}})
    shown = (await audit(act="key.*")).body["items"][::-1]
    lines = (await audit("/export", act="key.*", format="ndjson")).body
    assert [json.loads(line) for line in lines.splitlines()] == shown
    file = await audit("/export", act="key.*")
    assert file.headers["Content-Type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(file.body)))
    assert [{**row, **{name: json.loads(row[name]) for name in ("before", "after")}} for row in rows] == shown


async def test_texts_in_an_exported_csv_are_no_formulas(api: Api, audit: Audit) -> None:
    await api.post("/api/auth/login", {"email": "=cmd|'/c'!a1@x.org", "password": "x"})
    (row,) = csv.DictReader(io.StringIO((await audit("/export", act="auth.login", actor="=*")).body))
    assert (row["actor"][:2], row["object"][:2]) == ("'=", "'=")


async def test_entries_of_an_earlier_version_are_moved_once(
    deps: Dependencies, redis: redis.asyncio.Redis, audit: Audit
) -> None:
    earlier = {
        "at": 1_767_225_600_000,
        "actor": "ada",
        "action": "key.update",
        "address": "::1",
        "key_id": "key_1",
        "owner": USER,
        "details": {"calls_per_day": "7"},
    }
    for _ in range(2):
        await redis.xadd(names.EARLIER_AUDIT, {"entry": json.dumps(earlier)}, id="1767225600000-0")
        assert await move_earlier_entries(redis) == 1
        assert not await redis.exists(names.EARLIER_AUDIT)
    (item,) = (await audit(actor="ada")).body["items"]
    assert item.pop("id")
    assert item == {
        "created_at": "2026-01-01T00:00:00.000Z",
        "actor": "ada",
        "act": "key.update",
        "object": "key_1",
        "address": "::1",
        "before": {},
        "after": {"owner": USER, "calls_per_day": "7"},
        "result": "ok",
    }
