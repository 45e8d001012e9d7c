"""The endpoints of API keys."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import redis.asyncio

from gateway.keys.secret import ApiKey
from tests.support.admin_api import PASSWORD, USER, Api
from tests.support.clock import Clock
from tests.support.keys import find_record, record_use

OTHER = "bob@example.com"
TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z")


@pytest.fixture
async def other(api: Api) -> Api:
    await api.deps.users.add(OTHER, PASSWORD)
    return await api.logged_in(OTHER)


async def test_create_returns_201_with_the_secret(user: Api) -> None:
    response = await user.post("/api/mcp-keys/create", {"key_name": "laptop", "expires_days": 30})
    assert response.status == 201
    body = response.body
    assert set(body) == {"key_id", "key_name", "api_key", "key_prefix", "created_at", "expires_at"}
    assert body["key_id"].startswith("key_")
    assert body["api_key"].startswith(body["key_prefix"])
    assert len(body["key_prefix"]) <= 12
    assert TIME.fullmatch(body["created_at"])
    assert TIME.fullmatch(body["expires_at"])
    found = await find_record(user.deps.keys, ApiKey.parse(body["api_key"]))
    assert found is not None
    assert found.owner == USER
    assert found.expires_at == pytest.approx(found.created_at + 30 * 86_400_000, abs=1000)


@pytest.mark.parametrize("body", [{"key_name": "a"}, {"key_name": "a", "expires_days": None}])
async def test_keys_do_not_expire_by_default(user: Api, body: dict[str, Any]) -> None:
    assert (await user.post("/api/mcp-keys/create", body)).body["expires_at"] is None


async def test_every_option_of_create_is_stored(user: Api) -> None:
    options: dict[str, Any] = {
        "allowed_tools": ["query_*"],
        "allowed_tables": ["stock_daily"],
        "allowed_ips": ["192.0.2.7", "10.0.0.0/8"],
        "rate_limit_per_minute": 60,
        "records_per_day": 10_000,
        "calls_per_day": 500,
        "records_per_month": 100_000,
        "calls_per_month": 5000,
        "tool_rate_limits": {"run_*": 10, "*": 100},
        "labels": {"team": "research"},
    }
    await user.create_key(**options)
    (item,) = await user.keys()
    assert {name: item[name] for name in options} == options


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"key_name": ""}, {"key_name"}),
        ({"key_name": "   "}, {"key_name"}),
        ({"key_name": "x" * 101}, {"key_name"}),
        ({"key_name": "a\nb"}, {"key_name"}),
        ({"key_name": "a\u202eb"}, {"key_name"}),
        ({"key_name": "a\x00"}, {"key_name"}),
        ({"key_name": 7}, {"key_name"}),
        ({"key_name": None}, {"key_name"}),
        ({"expires_days": 0}, {"expires_days"}),
        ({"expires_days": -1}, {"expires_days"}),
        ({"expires_days": 3651}, {"expires_days"}),
        ({"expires_days": 1.5}, {"expires_days"}),
        ({"expires_days": "30"}, {"expires_days"}),
        ({"expires_days": True}, {"expires_days"}),
        ({"expires_days": 10**40}, {"expires_days"}),
        ({"allowed_tools": "query_*"}, {"allowed_tools"}),
        ({"allowed_tools": [""]}, {"allowed_tools"}),
        ({"allowed_tools": ["x"] * 101}, {"allowed_tools"}),
        ({"allowed_tables": [7]}, {"allowed_tables"}),
        ({"allowed_ips": ["10.0.0.0/33"]}, {"allowed_ips"}),
        ({"allowed_ips": ["localhost"]}, {"allowed_ips"}),
        ({"rate_limit_per_minute": 0}, {"rate_limit_per_minute"}),
        ({"records_per_day": -5}, {"records_per_day"}),
        ({"calls_per_day": "many"}, {"calls_per_day"}),
        ({"records_per_month": 0, "calls_per_month": -1}, {"records_per_month", "calls_per_month"}),
        ({"tool_rate_limits": {"run_*": 0}}, {"tool_rate_limits"}),
        ({"tool_rate_limits": {"": 1}}, {"tool_rate_limits"}),
        ({"tool_rate_limits": {" ": 1}}, {"tool_rate_limits"}),
        ({"tool_rate_limits": ["run_*"]}, {"tool_rate_limits"}),
        ({"tool_rate_limits": {str(number): 1 for number in range(101)}}, {"tool_rate_limits"}),
        ({"labels": {"a": 1}}, {"labels"}),
        ({"labels": ["a"]}, {"labels"}),
        ({"labels": {str(number): "x" for number in range(21)}}, {"labels"}),
        ({"owner": ""}, {"owner"}),
        ({"owner": 7}, {"owner"}),
        ({"key_name": "", "expires_days": 0, "nope": 1, "labels": 3}, {"key_name", "expires_days", "nope", "labels"}),
    ],
    ids=lambda value: repr(sorted(value) if isinstance(value, set) else value)[:40],
)
async def test_invalid_input_is_400_and_names_every_field(user: Api, change: dict[str, Any], fields: set[str]) -> None:
    response = await user.post("/api/mcp-keys/create", {"key_name": "laptop", **change})
    assert (response.status, response.fields) == (400, fields)
    assert await user.keys() == []


async def test_a_missing_name_is_reported_with_its_requirement(user: Api) -> None:
    response = await user.post("/api/mcp-keys/create", {})
    assert response.body["errors"] == [
        {
            "field": "key_name",
            "detail": "is required: it must be a string of 1 to 100 characters without control characters",
        }
    ]


async def test_an_unknown_field_is_reported_with_the_known_ones(user: Api) -> None:
    response = await user.post("/api/mcp-keys/create", {"key_name": "a", "expire_days": 3})
    assert response.body["detail"].startswith("expire_days is not known: known fields are key_name, allowed_tools, ")


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "Ærøskøbing 東京 🔑",
        "'; DROP TABLE keys; --",
        "a" * 100,
        "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}",
    ],
)
async def test_any_printable_name_is_stored_unchanged(user: Api, name: str) -> None:
    await user.create_key(name)
    assert [key["key_name"] for key in await user.keys()] == [name]


async def test_the_list_is_newest_first_and_contains_no_secret(
    user: Api, redis: redis.asyncio.Redis, clock: Clock
) -> None:
    secrets = []
    for name in ("one", "two", "three"):
        secrets.append((await user.create_key(name))["api_key"])
        clock.advance(1)
    response = await user.get("/api/mcp-keys/list")
    assert [key["key_name"] for key in response.body["keys"]] == ["three", "two", "one"]
    text = json.dumps(response.body)
    digests = [str(name).rpartition(":")[2].rstrip("'") for name in await redis.keys("*digest:*")]
    assert len(digests) == 3
    assert not [secret for secret in (*secrets, *digests) if secret in text]
    assert set(response.body["keys"][0]) == {
        "key_id", "key_name", "key_prefix", "owner", "status", "created_at", "expires_at", "revoked_at",
        "suspended_at", "suspended_by", "last_used_at", "allowed_tools", "allowed_tables", "allowed_ips",
        "rate_limit_per_minute", "records_per_day", "calls_per_day", "records_per_month", "calls_per_month",
        "tool_rate_limits", "max_concurrent", "read_only", "ceiling", "labels",
    }  # fmt: skip


async def test_the_list_contains_status_and_last_use(user: Api, clock: Clock) -> None:
    short = await user.create_key("short", expires_days=1)
    clock.advance(1)
    used = await user.create_key("used")
    clock.advance(1)
    revoked = await user.create_key("gone")
    await record_use(user.deps.keys, used["key_id"], 1_769_860_800_000)
    await user.post("/api/mcp-keys/revoke", {"key_id": revoked["key_id"]})
    clock.advance(3600)
    assert [key["status"] for key in await user.keys()] == ["revoked", "active", "active"]
    clock.advance(86_400)
    token = user.deps.tokens.issue(await user.deps.users.get(USER))  # type: ignore[arg-type]
    keys = {key["key_id"]: key for key in await user.with_token(token).keys()}
    assert keys[short["key_id"]]["status"] == "expired"
    assert keys[used["key_id"]]["last_used_at"] == "2026-01-31T12:00:00.000Z"
    assert keys[revoked["key_id"]]["last_used_at"] is None
    assert TIME.fullmatch(keys[revoked["key_id"]]["revoked_at"])


async def test_revoking_is_permanent_and_idempotent(user: Api) -> None:
    key = await user.create_key()
    for _ in range(2):
        response = await user.post("/api/mcp-keys/revoke", {"key_id": key["key_id"]})
        assert (response.status, response.body) == (200, {"key_id": key["key_id"], "status": "revoked"})
    found = await find_record(user.deps.keys, ApiKey.parse(key["api_key"]))
    assert found is not None
    assert found.status(user.deps.now_ms()) == "revoked"


@pytest.mark.parametrize("action", ["revoke", "suspend", "resume", "rotate", "update"])
async def test_the_key_of_another_owner_is_404_like_an_unknown_key(user: Api, other: Api, action: str) -> None:
    theirs = (await other.create_key())["key_id"]
    more = {"key_name": "mine now"} if action == "update" else {}
    responses = [
        await user.post(f"/api/mcp-keys/{action}", {"key_id": key_id, **more})
        for key_id in (theirs, "key_nothing", "*", "key_\n")
    ]
    assert {response.status for response in responses} == {404}
    assert len({json.dumps(response.body) for response in responses}) == 1
    (item,) = await other.keys()
    assert (item["status"], item["key_name"]) == ("active", "laptop")


async def test_an_admin_acts_on_every_key(other: Api, admin: Api) -> None:
    theirs = await other.create_key()
    assert (await admin.post("/api/mcp-keys/revoke", {"key_id": theirs["key_id"]})).status == 200
    assert [key["status"] for key in await other.keys()] == ["revoked"]


async def test_only_admins_list_the_keys_of_others(user: Api, other: Api, admin: Api) -> None:
    await user.create_key("of ada")
    await other.create_key("of bob")
    assert [key["key_name"] for key in await user.keys()] == ["of ada"]
    assert [key["key_name"] for key in await user.keys(owner="ADA@example.com")] == ["of ada"]
    assert (await user.get("/api/mcp-keys/list", owner=OTHER)).status == 403
    assert (await user.get("/api/mcp-keys/list", all="true")).status == 403
    assert await admin.keys() == []
    assert [key["key_name"] for key in await admin.keys(owner=OTHER)] == ["of bob"]
    assert {key["key_name"] for key in await admin.keys(all="true")} == {"of ada", "of bob"}


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("all=maybe", {"all"}),
        ("all=true&owner=a@b.c", {"owner"}),
        ("page=1", {"page"}),
        ("all=true&all=false", {"all"}),
        ("owner=" + "x" * 300, {"owner"}),
    ],
)
async def test_an_invalid_query_is_400_and_names_the_field(admin: Api, query: str, fields: set[str]) -> None:
    response = await admin.request("GET", f"/api/mcp-keys/list?{query}")
    assert (response.status, response.fields) == (400, fields)


async def test_rotation_keeps_the_id_and_expires_the_old_secret(user: Api, clock: Clock) -> None:
    old = await user.create_key(expires_days=30)
    response = await user.post("/api/mcp-keys/rotate", {"key_id": old["key_id"], "overlap_seconds": 60})
    assert response.status == 200
    new = response.body
    assert set(new) == set(old)
    assert {name: new[name] for name in new if name not in {"api_key", "key_prefix"}} == {
        name: old[name] for name in old if name not in {"api_key", "key_prefix"}
    }
    assert new["api_key"] != old["api_key"]
    assert await find_record(user.deps.keys, ApiKey.parse(old["api_key"])) is not None
    clock.advance(61)
    assert await find_record(user.deps.keys, ApiKey.parse(old["api_key"])) is None
    assert await find_record(user.deps.keys, ApiKey.parse(new["api_key"])) is not None


@pytest.mark.parametrize("overlap", [-1, 2_592_001, "60", None, 1.5, True])
async def test_an_invalid_overlap_is_400(user: Api, overlap: object) -> None:
    key = await user.create_key()
    response = await user.post("/api/mcp-keys/rotate", {"key_id": key["key_id"], "overlap_seconds": overlap})
    assert (response.status, response.fields) == (400, {"overlap_seconds"})


@pytest.mark.parametrize("action", ["suspend", "resume", "rotate"])
async def test_a_revoked_key_cannot_be_changed(user: Api, action: str) -> None:
    key = await user.create_key()
    await user.post("/api/mcp-keys/revoke", {"key_id": key["key_id"]})
    assert (await user.post(f"/api/mcp-keys/{action}", {"key_id": key["key_id"]})).status == 409
    response = await user.post("/api/mcp-keys/update", {"key_id": key["key_id"], "key_name": "back"})
    assert response.status == 409


async def test_an_expired_key_can_be_rotated_after_a_new_expiry(user: Api, clock: Clock) -> None:
    key = await user.create_key(expires_days=1)
    clock.advance(86_401)
    again = await user.logged_in(USER)
    assert (await again.post("/api/mcp-keys/rotate", {"key_id": key["key_id"]})).status == 409
    updated = await again.post("/api/mcp-keys/update", {"key_id": key["key_id"], "expires_days": 7})
    assert updated.body["status"] == "active"
    assert (await again.post("/api/mcp-keys/rotate", {"key_id": key["key_id"]})).status == 200


async def test_update_changes_the_named_fields_and_null_removes_a_limit(user: Api) -> None:
    key = await user.create_key("old", expires_days=30, rate_limit_per_minute=5, labels={"team": "a"})
    response = await user.post(
        "/api/mcp-keys/update",
        {
            "key_id": key["key_id"],
            "key_name": " new ",
            "expires_days": None,
            "rate_limit_per_minute": None,
            "allowed_tools": ["list_tables"],
        },
    )
    assert response.status == 200
    (item,) = await user.keys()
    assert response.body == {**item, "warnings": []}
    assert item["key_name"] == "new"
    assert item["expires_at"] is None
    assert item["rate_limit_per_minute"] is None
    assert item["allowed_tools"] == ["list_tables"]
    assert item["labels"] == {"team": "a"}


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({}, {"body"}),
        ({"key_name": ""}, {"key_name"}),
        ({"key_name": None}, {"key_name"}),
        ({"labels": None}, {"labels"}),
        ({"allowed_ips": ["x"]}, {"allowed_ips"}),
        ({"status": "active"}, {"status"}),
        ({"expires_days": 4000, "calls_per_day": 0}, {"expires_days", "calls_per_day"}),
    ],
    ids=lambda value: repr(sorted(value) if isinstance(value, set) else value)[:40],
)
async def test_an_invalid_update_is_400_and_changes_nothing(
    user: Api, change: dict[str, Any], fields: set[str]
) -> None:
    key = await user.create_key()
    before = await user.keys()
    response = await user.post("/api/mcp-keys/update", {"key_id": key["key_id"], **change})
    assert (response.status, response.fields) == (400, fields)
    assert await user.keys() == before


@pytest.mark.parametrize("key_id", ["", None, 7, "x" * 65, ["key_1"]])
async def test_an_invalid_key_id_is_400(user: Api, key_id: object) -> None:
    response = await user.post("/api/mcp-keys/revoke", {"key_id": key_id})
    assert (response.status, response.fields) == (400, {"key_id"})
