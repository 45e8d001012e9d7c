"""Requests that the proxy refused, over HTTP."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from gateway.usage.store.table import UsageTable
from tests.admin_api.usage.support import OTHER
from tests.support.admin_api import ADMIN, USER, Api
from tests.usage.denials import denial, insert_denials
from tests.usage.support import DAY_MS, NOW_MS

PATH = "/api/mcp-usage/denials"
KEY_ID = "key_2xKqT0aZ7bLm9cNd4Pe8"


async def denials(api: Api, **query: Any) -> list[dict[str, Any]]:
    response = await api.get(PATH, **query)
    assert response.status == 200, response
    assert response.body["next_cursor"] is None
    return list(response.body["denials"])


async def test_a_denial_has_the_fields_of_the_contract_and_the_present_name_of_the_key(
    user: Api, table: UsageTable
) -> None:
    key_id = (await user.create_key("old"))["key_id"]
    await user.post("/api/mcp-keys/update", {"key_id": key_id, "key_name": "laptop"})
    await insert_denials(
        table,
        denial(owner=USER, key_id=key_id, count=3, created_at=NOW_MS),
        denial(owner=USER, key_id=key_id, count=4, created_at=NOW_MS + 5000),
    )
    assert await denials(user) == [
        {
            "key_id": key_id,
            "key_name": "laptop",
            "owner": USER,
            "tool_name": "run_sql",
            "status": 403,
            "reason": "tool",
            "count": 7,
            "last_at": "2026-06-21T00:00:05.000Z",
        }
    ]


async def test_members_see_denials_of_their_own_keys_and_admins_all(user: Api, admin: Api, table: UsageTable) -> None:
    await insert_denials(table, *(denial(owner=owner) for owner in (USER, OTHER, ADMIN, "")))
    for query in ({"owner": OTHER}, {"all": "true"}):
        assert (await user.get(PATH, **query)).status == 403
    assert [one["owner"] for one in await denials(user)] == [USER]
    assert [one["owner"] for one in await denials(admin)] == [ADMIN]
    assert [one["owner"] for one in await denials(admin, owner=OTHER)] == [OTHER]
    assert {one["owner"] for one in await denials(admin, all="true")} == {USER, OTHER, ADMIN, ""}
    assert (await user.request("GET", PATH, headers={"Authorization": ""})).status == 401


async def test_auditors_see_all(api: Api, admin: Api, table: UsageTable) -> None:
    await admin.post("/api/users/update", {"email": USER, "role": "auditor"})
    auditor = await api.logged_in(USER)
    await insert_denials(table, denial(owner=OTHER))
    assert [one["owner"] for one in await denials(auditor, all="true")] == [OTHER]


async def test_filters_and_periods_select_denials(user: Api, table: UsageTable) -> None:
    await insert_denials(
        table,
        denial(owner=USER, count=8, key_id=KEY_ID),
        denial(owner=USER, count=4, tool_name="get"),
        denial(owner=USER, count=2, status=429, reason="rate"),
        denial(owner=USER, count=1, created_at=NOW_MS + DAY_MS),
    )
    expected: list[tuple[dict[str, Any], list[int]]] = [
        ({"key_id": KEY_ID}, [8]),
        ({"tool": "get"}, [4]),
        ({"status": 429}, [2]),
        ({"status": 403, "reason": "tool"}, [8, 4, 1]),
        ({"reason": "rate"}, [2]),
        ({"from": "2026-06-22"}, [1]),
        ({"to": "2026-06-21"}, [8, 4, 2]),
        ({"to": "2026-06-21T05:45:00.001", "tz": "Asia/Kathmandu"}, [8, 4, 2]),
        ({"to": "2026-06-21T05:45:00", "tz": "Asia/Kathmandu"}, []),
    ]
    for query, counts in expected:
        assert [one["count"] for one in await denials(user, **query)] == counts, query


async def test_pages_are_consecutive(user: Api, table: UsageTable) -> None:
    await insert_denials(table, *(denial(owner=USER, tool_name=f"t{number}", count=number) for number in range(1, 6)))
    query, found = {"limit": "2"}, []
    for _ in range(3):
        body = (await user.get(PATH, **query)).body
        found += [one["count"] for one in body["denials"]]
        query["cursor"] = body["next_cursor"]
    assert (found, body["next_cursor"]) == ([5, 4, 3, 2, 1], None)


async def test_an_export_has_each_count_of_the_owner_and_is_recorded(user: Api, table: UsageTable) -> None:
    one = denial(owner=USER, count=3, created_at=NOW_MS)
    await insert_denials(table, one, denial(owner=USER, tool_name="=x"), denial(owner=OTHER))
    await insert_denials(table, one)
    response = await user.get(f"{PATH}/export", format="ndjson", tool="run_sql")
    (line,) = response.body.splitlines()
    fields = {name: getattr(one, name) for name in one.__struct_fields__}
    assert json.loads(line) == {**fields, "created_at": "2026-06-21T00:00:00.000Z"}
    rows = list(csv.DictReader(io.StringIO((await user.get(f"{PATH}/export")).body)))
    assert sorted(row["tool_name"] for row in rows) == ["'=x", "run_sql"]
    assert (await user.get(f"{PATH}/export", owner=OTHER)).status == 403
    assert (await user.get(f"{PATH}/export", format="xlsx")).fields == {"format"}
    acts = await user.audited_changes()
    assert [act.act for act in acts] == ["usage.export_denials"] * 2
    assert acts[1].after == {"format": "ndjson", "tool": "run_sql"}


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("status=401", {"status"}),
        ("status=all&limit=201&tz=Mars/Olympus", {"status", "limit", "tz"}),
        ("tool=" + "x" * 257 + "&reason=" + "x" * 257, {"tool", "reason"}),
        ("cursor=nothing", {"cursor"}),
        ("from=2026-02-01&to=2026-01-01", {"from"}),
        ("table=a", {"table"}),
    ],
)
async def test_an_invalid_query_is_400_and_names_every_field(user: Api, query: str, fields: set[str]) -> None:
    response = await user.request("GET", f"{PATH}?{query}")
    assert (response.status, response.fields) == (400, fields)
