"""An owner may narrow but not widen the limits that an admin has set on a key."""

from __future__ import annotations

from typing import Any

import pytest

from admin_api.endpoints.keys.models import KeyCeiling
from gateway.keys.record import KeyRestrictions
from tests.support.admin_api import Api
from tests.support.clock import Clock


async def update(api: Api, key: dict[str, Any], **changes: Any) -> Any:
    return await api.post("/api/mcp-keys/update", {"key_id": key["key_id"], **changes})


@pytest.mark.parametrize(
    ("limit", "narrower", "wider"),
    [
        ({"rate_limit_per_minute": 60}, {"rate_limit_per_minute": 6}, {"rate_limit_per_minute": 61}),
        ({"records_per_day": 60}, {"records_per_day": 6}, {"records_per_day": None}),
        ({"calls_per_day": 60}, {"calls_per_day": 6}, {"calls_per_day": 10**12}),
        ({"records_per_month": 60}, {"records_per_month": 6}, {"records_per_month": 61}),
        ({"calls_per_month": 60}, {"calls_per_month": 6}, {"calls_per_month": None}),
        (
            {"tool_rate_limits": {"run_*": 10}},
            {"tool_rate_limits": {"run_*": 9, "get": 1}},
            {"tool_rate_limits": {"get": 1}},
        ),
        ({"tool_rate_limits": {"run_*": 10}}, {"tool_rate_limits": {"run_*": 1}}, {"tool_rate_limits": {}}),
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
    assert set(KeyCeiling.__struct_fields__) == set(KeyRestrictions.__struct_fields__)
