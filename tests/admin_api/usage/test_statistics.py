"""Statistics over HTTP."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from gateway.timestamps import now_ms
from gateway.usage.store.table import UsageTable
from tests.admin_api.usage.support import OTHER, history, insert
from tests.support.admin_api import ADMIN, USER, Api, Response, event
from tests.usage.support import DAY_MS, NOW_MS


async def stats(api: Api, **query: Any) -> Response:
    return await api.get("/api/mcp-usage/stats", **query)


async def test_statistics_agree_with_the_history(user: Api, table: UsageTable) -> None:
    now = now_ms()
    await insert(
        table,
        event(created_at=now - 1000, record_count=20, response_bytes=100),
        event(created_at=now - 900, record_count=None, response_bytes=10, tool_name="run_sql", table_names=()),
        event(created_at=now - 800, record_count=0, response_bytes=1, is_error=True, status="tool_error"),
        event(created_at=now - 40 * DAY_MS, record_count=5),
    )
    response = await stats(user)
    assert response.status == 200
    body = response.body
    assert body["days"] == 30
    assert {name: body["totals"][name] for name in ("calls", "errors", "records", "bytes")} == {
        "calls": 3, "errors": 1, "records": 20, "bytes": 111,
    }  # fmt: skip
    assert body["totals"]["denied"] == 0
    items = (await history(user, **{"from": body["since"]}))["items"]
    assert len(items) == body["totals"]["calls"]
    assert sum(item["record_count"] or 0 for item in items) == body["totals"]["records"]
    for rows, name in (("by_tool", "tool_name"), ("by_table", "table_name"), ("by_key", "key_id"), ("by_day", "day")):
        assert {name, "calls", "errors", "records"} <= set(body[rows][0])
    for rows in ("by_tool", "by_key", "by_day"):
        assert sum(row["calls"] for row in body[rows]) == 3
    assert {row["table_name"] for row in body["by_table"]} == {"stock_daily", None}
    assert body["by_key"][0]["key_name"] == "laptop"
    assert (await stats(user, days=60)).body["totals"]["calls"] == 4


@pytest.mark.parametrize("days", ["0", "-1", "1001", "x", "1.5", "30d"])
async def test_an_invalid_number_of_days_is_400(user: Api, days: str) -> None:
    response = await stats(user, days=days)
    assert (response.status, response.fields) == (400, {"days"})


OPTIONAL = ("by_owner", "by_client", "by_label", "by_hour", "by_quarter_hour", "by_minute")


async def test_lists_are_only_there_if_they_are_requested(user: Api, table: UsageTable) -> None:
    now = now_ms()
    await insert(table, event(created_at=now, client_name="cursor"))
    body = (await stats(user)).body
    assert not set(OPTIONAL) & set(body)
    today = datetime.datetime.fromtimestamp(now / 1000, datetime.UTC).date().isoformat()
    query = {name: "team" if name == "by_label" else "true" for name in OPTIONAL}
    body = (await stats(user, **{**query, "from": today, "tz": "UTC"})).body
    assert set(OPTIONAL) <= set(body)
    assert [row["owner"] for row in body["by_owner"]] == [USER]
    assert [row["client_name"] for row in body["by_client"]] == ["cursor"]
    assert [row["value"] for row in body["by_label"]] == [None]
    for name in ("hour", "quarter_hour", "minute"):
        (row,) = body[f"by_{name}"]
        start = datetime.datetime.fromisoformat(row[name])
        assert start.utcoffset() == datetime.timedelta(0)
        assert start.timestamp() * 1000 <= now
    for row in (body["totals"], *body["by_hour"]):
        assert row["p50_ms"] == row["p95_ms"] == row["p99_ms"] == pytest.approx(event().duration_ms, rel=0.02)


async def test_a_denied_call_is_denied_and_no_call_and_no_error(user: Api, table: UsageTable) -> None:
    await insert(table, event(), event(status="denied", is_error=True, record_count=0))
    totals = (await stats(user)).body["totals"]
    assert (totals["calls"], totals["errors"], totals["denied"]) == (1, 0, 1)
    assert (await history(user))["total"] == 2


async def test_keys_are_grouped_by_the_value_of_a_label(admin: Api, user: Api, table: UsageTable) -> None:
    keys = admin.deps.keys
    mine, _ = await keys.create(owner=USER, key_name="a", labels={"team": "red"})
    other, _ = await keys.create(owner=OTHER, key_name="b", labels={"team": "blue"})
    await insert(table, event(key_id=mine.key_id), event(key_id="key_none"), event(key_id=other.key_id, owner=OTHER))
    await keys.update(mine.key_id, labels={"team": "green"})
    own = (await stats(user, by_label="team")).body["by_label"]
    assert {row["value"]: row["calls"] for row in own} == {"green": 1, None: 1}
    everybody = (await stats(admin, by_label="team", all="true")).body["by_label"]
    assert {row["value"]: row["calls"] for row in everybody} == {"green": 1, "blue": 1, None: 1}


async def test_a_period_is_given_by_dates_times_or_days(user: Api, table: UsageTable) -> None:
    # NOW_MS is midnight in UTC, and 05:45 in Kathmandu.
    await insert(table, *(event(created_at=NOW_MS + hour * 3_600_000) for hour in (-6, -5, 18, 19)))
    expected: list[tuple[dict[str, str], str, int, list[int]]] = [
        ({"from": "2026-06-21", "to": "2026-06-21"}, "2026-06-21", 1, [2]),
        ({"days": "1", "to": "2026-06-21"}, "2026-06-21", 1, [2]),
        ({"days": "2", "to": "2026-06-21"}, "2026-06-20", 2, [1, 2]),
        ({"from": "2026-06-20T18:00:00Z", "to": "2026-06-21T18:30:00Z"}, "2026-06-20", 3, [1, 2]),
        ({"from": "2026-06-20T19:00:00.001Z", "to": "2026-06-21T19:00:00Z"}, "2026-06-21", 2, [1]),
    ]
    for query, since, days, calls in expected:
        body = (await stats(user, tz="Asia/Kathmandu", **query)).body
        assert [row["calls"] for row in body["by_day"]] == calls, query
        assert (body["since"], body["days"], body["tz"]) == (since, days, "Asia/Kathmandu"), query
        assert body["totals"]["calls"] == sum(calls)
        bounds = {"from": body["from"], "to": body["to"]}
        assert (await history(user, **bounds))["total"] == sum(calls)


async def test_filters_of_statistics_are_those_of_the_history(user: Api, table: UsageTable) -> None:
    await insert(
        table,
        event(tool_name="run_sql", table_names=("a", "b")),
        event(key_id="key_2", client_name="cursor"),
        event(table_names=("b",)),
    )
    for query in ({"tool": "run_sql"}, {"table": "b"}, {"key_id": "key_2"}, {"client": "cursor"}, {"owner": USER}):
        body = (await stats(user, **query)).body
        assert body["totals"]["calls"] == (await history(user, **query))["total"] > 0, query


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("tz=Mars/Olympus", {"tz"}),
        ("from=yesterday", {"from"}),
        ("from=2026-02-01&to=2026-01-01", {"from"}),
        ("from=2026-02-01&days=3", {"days"}),
        ("from=2026-01-31T12:00:00", {"from"}),
        ("from=2026-01-01&to=2026-01-03&by_minute=true", {"by_minute"}),
        ("from=2025-01-01&to=2025-12-31&by_quarter_hour=true", {"by_quarter_hour"}),
        ("by_hour=perhaps", {"by_hour"}),
        ("by_label=" + "x" * 101, {"by_label"}),
        ("by_moon=true", {"by_moon"}),
    ],
)
async def test_an_invalid_query_is_400_and_names_the_field(user: Api, query: str, fields: set[str]) -> None:
    response = await user.request("GET", f"/api/mcp-usage/stats?{query}")
    assert (response.status, response.fields) == (400, fields)


async def test_an_admin_sees_the_owners_beside_each_other(admin: Api, table: UsageTable) -> None:
    await insert(table, event(owner=USER), event(owner=OTHER), event(owner=OTHER), event(owner=ADMIN))
    rows = (await stats(admin, all="true", by_owner="true")).body["by_owner"]
    assert {row["owner"]: row["calls"] for row in rows} == {USER: 1, OTHER: 2, ADMIN: 1}
