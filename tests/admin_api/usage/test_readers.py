"""The readers of a table over HTTP."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from gateway.usage.store.queries import readers as queries
from gateway.usage.store.table import UsageTable
from tests.admin_api.usage.support import OTHER, insert
from tests.support.admin_api import ADMIN, USER, Api, event
from tests.usage.support import NOW_MS

PATH = "/api/mcp-usage/readers"


async def readers(api: Api, **query: Any) -> list[dict[str, Any]]:
    response = await api.get(PATH, **query)
    assert response.status == 200, response
    assert not response.body["truncated"]
    return list(response.body["readers"])


async def test_a_reader_has_the_fields_of_the_contract(user: Api, table: UsageTable) -> None:
    await insert(
        table,
        event(created_at=NOW_MS, table_names=("stock_daily",), record_count=3, client_name="cursor", key_name="old"),
        event(created_at=NOW_MS + 5_000_000, table_names=("a", "stock_daily"), record_count=4, client_name="cursor"),
        event(created_at=NOW_MS + 1, table_names=("stock_daily",), record_count=None, client_name="cursor"),
        event(created_at=NOW_MS - 1, table_names=("a",), client_name="cursor"),
    )
    one = event()
    assert await readers(user, table="stock_daily") == [
        {
            "key_id": one.key_id,
            "key_name": one.key_name,
            "owner": USER,
            "client_name": "cursor",
            "tool_name": one.tool_name,
            "calls": 3,
            "records": 7,
            "first_at": "2026-06-21T00:00:00.000Z",
            "last_at": "2026-06-21T01:23:20.000Z",
        }
    ]


async def test_writers_and_denied_calls_read_nothing(user: Api, table: UsageTable) -> None:
    await insert(
        table,
        event(table_names=(), written_tables=("t",)),
        event(table_names=("t",), status="denied", is_error=True),
        event(table_names=("t",), tool_name="failed", status="tool_error", is_error=True, record_count=0),
    )
    assert [(one["tool_name"], one["calls"], one["records"]) for one in await readers(user, table="t")] == [
        ("failed", 1, 0)
    ]


async def test_readers_are_apart_by_key_owner_client_and_tool(admin: Api, table: UsageTable) -> None:
    await insert(
        table,
        event(),
        event(),
        event(key_id="key_2"),
        event(owner=OTHER),
        event(client_name="cursor"),
        event(tool_name="run_sql"),
    )
    found = await readers(admin, table="stock_daily", all="true")
    assert [one["calls"] for one in found] == [2, 1, 1, 1, 1]
    names = ("key_id", "owner", "client_name", "tool_name")
    assert len({tuple(one[name] for name in names) for one in found}) == 5


@pytest.mark.parametrize(
    ("name", "tools"),
    [
        ("stock_daily", {"1"}),
        ("STOCK_DAILY", {"1"}),
        ("stock_*", {"1", "2"}),
        ("Stock_?????", {"1", "2"}),
        ("*", {"1", "2", "3"}),
        ("[!s]*", {"3"}),
        ("stock", set()),
        ("stock_[", set()),
        ("' OR 1 --", set()),
    ],
)
async def test_a_table_is_a_name_or_a_glob(user: Api, table: UsageTable, name: str, tools: set[str]) -> None:
    await insert(
        table,
        event(tool_name="1", table_names=("stock_daily",)),
        event(tool_name="2", table_names=("stock_basic",)),
        event(tool_name="3", table_names=("index",)),
        event(tool_name="4", table_names=()),
    )
    assert {one["tool_name"] for one in await readers(user, table=name)} == tools


async def test_the_period_is_exact(user: Api, table: UsageTable) -> None:
    # NOW_MS is midnight in UTC, and 05:45 in Kathmandu.
    moments = [NOW_MS + after for after in (0, 1, 900_000, 3_600_000, 3_600_001)]
    await insert(table, *(event(created_at=one) for one in moments))
    expected: list[tuple[dict[str, str], int]] = [
        ({"from": "2026-06-21T00:00:00.001Z"}, 4),
        ({"from": "2026-06-21T00:00:00.001Z", "to": "2026-06-21T01:00:00.001Z"}, 3),
        ({"from": "2026-06-21T00:00:00.001Z", "to": "2026-06-21T00:00:00.002Z"}, 1),
        ({"to": "2026-06-21T05:45:00.001", "tz": "Asia/Kathmandu"}, 1),
        ({"to": "2026-06-20"}, 0),
    ]
    for query, calls in expected:
        assert sum(one["calls"] for one in await readers(user, table="stock_daily", **query)) == calls, query


async def test_members_see_their_own_reads_and_admins_all(user: Api, admin: Api, table: UsageTable) -> None:
    await insert(table, event(owner=USER), event(owner=OTHER), event(owner=ADMIN))
    for query in ({"owner": OTHER}, {"all": "true"}):
        assert (await user.get(PATH, table="*", **query)).status == 403
    assert [one["owner"] for one in await readers(user, table="*")] == [USER]
    assert [one["owner"] for one in await readers(admin, table="*", owner=OTHER)] == [OTHER]
    assert {one["owner"] for one in await readers(admin, table="*", all="true")} == {USER, OTHER, ADMIN}
    assert (await user.request("GET", f"{PATH}?table=*", headers={"Authorization": ""})).status == 401


async def test_csv_is_a_file_without_formulas(user: Api, table: UsageTable) -> None:
    await insert(table, event(client_name="=cmd|'/c calc'!A0"), event(client_name='a, "b"'))
    headers = {"Authorization": f"Bearer {user.token}"}
    async with user.client.get(PATH, params={"table": "*", "format": "csv"}, headers=headers) as response:
        assert response.headers["Content-Type"] == "text/csv"
        assert response.headers["Content-Disposition"].startswith('attachment; filename="readers-')
        rows = list(csv.DictReader(io.StringIO(await response.text(), newline="")))
    assert {row["client_name"] for row in rows} == {"'=cmd|'/c calc'!A0", 'a, "b"'}
    assert set(rows[0]) == {
        "key_id", "key_name", "owner", "client_name", "tool_name", "calls", "records", "first_at", "last_at",
    }  # fmt: skip


async def test_many_readers_are_truncated(user: Api, table: UsageTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("admin_api.endpoints.usage.readers.MAX_READERS", 2)
    await insert(table, *(event(tool_name=f"tool {number}") for number in range(3)), event(tool_name="tool 2"))
    body = (await user.get(PATH, table="*")).body
    assert ([one["tool_name"] for one in body["readers"]], body["truncated"]) == (["tool 2", "tool 0"], True)
    assert queries.MAX_READERS == 1000


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("", {"table"}),
        ("table=", {"table"}),
        ("table=" + "x" * 257, {"table"}),
        ("table=a&tz=Mars/Olympus&format=xlsx", {"tz", "format"}),
        ("table=a&from=2026-02-01&to=2026-01-01", {"from"}),
        ("table=a&status=ok", {"status"}),
    ],
)
async def test_an_invalid_query_is_400_and_names_every_field(user: Api, query: str, fields: set[str]) -> None:
    response = await user.request("GET", f"{PATH}?{query}")
    assert (response.status, response.fields) == (400, fields)
