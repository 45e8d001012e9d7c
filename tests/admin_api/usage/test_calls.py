"""History and exports, on a real chDB."""

from __future__ import annotations

import asyncio
import datetime
import json
from contextlib import suppress

import aiohttp
import pytest

from gateway.timestamps import now_ms
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.export_stream import ExportStream
from gateway.usage.store.table import MAX_EXPORTS, UsageTable
from tests.admin_api.usage.support import OTHER, history, insert
from tests.support.admin_api import ADMIN, USER, Api, Response, event
from tests.usage.support import DAY_MS, NOW_MS, until


async def test_an_empty_history_is_an_empty_page(user: Api, table: UsageTable) -> None:
    assert await history(user) == {"items": [], "total": 0, "page": 1, "page_size": 20, "next_cursor": None}


async def test_an_item_has_all_documented_fields(user: Api, table: UsageTable) -> None:
    await insert(table, event(created_at=now_ms(), table_names=("stock_daily", "stock_basic"), record_count=None))
    (item,) = (await history(user))["items"]
    documented = {
        "event_id", "created_at", "key_id", "key_name", "owner", "tool_name", "table_name", "table_names",
        "record_count", "count_method", "is_error", "status", "duration_ms", "response_bytes", "client_name",
        "client_version", "session_id", "request_id",
    }  # fmt: skip
    assert documented <= set(item)
    assert item["record_count"] is None
    assert item["table_name"] == "stock_daily, stock_basic"
    assert item["created_at"].endswith("Z")
    assert datetime.datetime.fromisoformat(item["created_at"])


async def test_pages_are_consecutive(user: Api, table: UsageTable) -> None:
    start = now_ms() - 10_000
    await insert(table, *(event(created_at=start + number, request_id=str(number)) for number in range(7)))
    pages = [await history(user, page=page, page_size=3) for page in (1, 2, 3, 4)]
    assert [[item["request_id"] for item in page["items"]] for page in pages] == [
        ["6", "5", "4"], ["3", "2", "1"], ["0"], [],
    ]  # fmt: skip
    assert {page["total"] for page in pages} == {7}


async def test_filters_select_calls(user: Api, table: UsageTable) -> None:
    day = now_ms() // DAY_MS * DAY_MS
    await insert(
        table,
        event(request_id="1", created_at=day - DAY_MS, tool_name="run_sql", table_names=("a", "b")),
        event(request_id="2", created_at=day - 1, key_id="key_2"),
        event(request_id="3", created_at=day, is_error=True, status="tool_error", record_count=0),
    )
    today = datetime.datetime.fromtimestamp(day / 1000, datetime.UTC).date()
    yesterday = today - datetime.timedelta(days=1)
    expected: list[tuple[dict[str, str], set[str]]] = [
        ({"tool": "run_sql"}, {"1"}),
        ({"table": "b"}, {"1"}),
        ({"key_id": "key_2"}, {"2"}),
        ({"status": "tool_error"}, {"3"}),
        ({"from": today.isoformat()}, {"3"}),
        ({"to": yesterday.isoformat()}, {"1", "2"}),
        ({"from": yesterday.isoformat(), "to": yesterday.isoformat()}, {"1", "2"}),
        ({"from": f"{today}T00:00:00Z", "to": f"{today}T00:00:00.001Z"}, {"3"}),
        ({"from": "0001-01-01", "to": "9999-12-31"}, {"1", "2", "3"}),
        ({"tool": "", "status": "", "from": ""}, {"1", "2", "3"}),
        ({"tool": "run_sql", "key_id": "key_2"}, set()),
        ({"tool": "' OR 1=1 --"}, set()),
    ]
    for query, numbers in expected:
        page = await history(user, **query)
        assert {item["request_id"] for item in page["items"]} == numbers, query
        assert page["total"] == len(numbers)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("page=0", {"page"}),
        ("page=-1", {"page"}),
        ("page=x", {"page"}),
        ("page=1.5", {"page"}),
        ("page_size=0", {"page_size"}),
        ("page_size=501", {"page_size"}),
        ("page=1000000&page_size=500", {"page"}),
        ("from=yesterday", {"from"}),
        ("to=2026-02-30", {"to"}),
        ("from=2026-01-31T12:00:00", {"from"}),
        ("from=2026-02-01&to=2026-01-01", {"from"}),
        ("tz=Mars/Olympus", {"tz"}),
        ("tz=europe/berlin", {"tz"}),
        ("tz=../../etc/passwd", {"tz"}),
        ("tz=UTC&from=2026-01-31T25:00:00", {"from"}),
        ("limit=0", {"limit"}),
        ("limit=201", {"limit"}),
        ("limit=5&page_size=7", {"limit"}),
        ("cursor=x", {"cursor"}),
        ("cursor=1-a&page=2", {"cursor"}),
        ("status=fine", {"status"}),
        ("key_id=" + "x" * 65, {"key_id"}),
        ("tool=" + "x" * 257, {"tool"}),
        ("colour=red", {"colour"}),
        ("page=1&page=2", {"page"}),
        ("page=0&page_size=0&from=x&to=y&status=z", {"page", "page_size", "from", "to", "status"}),
    ],
)
async def test_an_invalid_query_is_400_and_names_every_field(user: Api, query: str, fields: set[str]) -> None:
    response = await user.request("GET", f"/api/mcp-usage/history?{query}")
    assert (response.status, response.fields) == (400, fields)


async def test_users_see_their_own_usage_and_admins_see_all(user: Api, admin: Api, table: UsageTable) -> None:
    await insert(table, event(owner=USER), event(owner=OTHER), event(owner=ADMIN))
    for path in ("history", "stats"):
        for query in ({"owner": OTHER}, {"all": "true"}):
            assert (await user.get(f"/api/mcp-usage/{path}", **query)).status == 403
    assert [item["owner"] for item in (await history(user))["items"]] == [USER]
    assert [item["owner"] for item in (await history(admin))["items"]] == [ADMIN]
    assert [item["owner"] for item in (await history(admin, owner=OTHER))["items"]] == [OTHER]
    assert (await history(admin, all="true"))["total"] == 3
    assert (await admin.get("/api/mcp-usage/stats", all="true")).body["totals"]["calls"] == 3
    assert (await user.get("/api/mcp-usage/stats")).body["totals"]["calls"] == 1


async def test_dates_are_those_of_the_zone(user: Api, table: UsageTable) -> None:
    # NOW_MS is midnight in UTC, and 05:45 in Kathmandu.
    offset = 20_700_000
    await insert(
        table,
        event(request_id="1", created_at=NOW_MS - offset - 1),
        event(request_id="2", created_at=NOW_MS - offset),
        event(request_id="3", created_at=NOW_MS - offset + DAY_MS - 1),
        event(request_id="4", created_at=NOW_MS - offset + DAY_MS, client_name="cursor"),
    )
    expected: list[tuple[dict[str, str], set[str]]] = [
        ({"from": "2026-06-21", "to": "2026-06-21"}, {"2", "3"}),
        ({"from": "2026-06-22"}, {"4"}),
        ({"to": "2026-06-20"}, {"1"}),
        ({"from": "2026-06-21T00:00:00", "to": "2026-06-21T23:59:59.999"}, {"2"}),
        ({"from": "2026-06-20T18:15:00Z", "to": "2026-06-22T00:00:00+05:45"}, {"2", "3"}),
        ({"client": "cursor"}, {"4"}),
    ]
    for query, numbers in expected:
        page = await history(user, tz="Asia/Kathmandu", **query)
        assert {item["request_id"] for item in page["items"]} == numbers, query
        body, _ = await exported(user, format="ndjson", tz="Asia/Kathmandu", **query)
        assert {json.loads(line)["request_id"] for line in body.splitlines()} == numbers, query


async def test_a_cursor_leads_through_all_calls(user: Api, table: UsageTable) -> None:
    start = now_ms() - 10_000
    await insert(table, *(event(created_at=start + number, request_id=str(number)) for number in range(7)))
    page = await history(user, limit=3)
    assert (page["page_size"], page["total"]) == (3, 7)
    shown = [item["request_id"] for item in page["items"]]
    while page["next_cursor"]:
        page = await history(user, limit=3, cursor=page["next_cursor"])
        assert page["total"] == 7
        shown += [item["request_id"] for item in page["items"]]
    assert shown == ["6", "5", "4", "3", "2", "1", "0"]
    assert (await history(user, page=2, page_size=6))["next_cursor"] is None


async def exported(api: Api, **query: str) -> tuple[bytes, Response]:
    headers = {"Authorization": f"Bearer {api.token}"}
    async with api.client.get("/api/mcp-usage/export", params=query, headers=headers) as response:
        return await response.read(), Response(response.status, None, response.headers)


@pytest.mark.parametrize(
    ("fmt", "media_type", "start"),
    [
        ("csv", "text/csv", b'"event_id"'),
        ("ndjson", "application/x-ndjson", b'{"event_id"'),
        ("parquet", "application/vnd.apache.parquet", b"PAR1"),
    ],
)
async def test_an_export_is_a_file_download(
    user: Api, table: UsageTable, fmt: str, media_type: str, start: bytes
) -> None:
    await insert(table, event(created_at=now_ms()))
    body, response = await exported(user, format=fmt)
    assert (response.status, response.headers["Content-Type"]) == (200, media_type)
    assert body.startswith(start)
    today = datetime.datetime.now(datetime.UTC).date()
    assert response.headers["Content-Disposition"] == f'attachment; filename="usage-{today}.{fmt}"'
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_users_export_their_own_calls_and_admins_all(user: Api, admin: Api, table: UsageTable) -> None:
    await insert(table, event(owner=USER), event(owner=OTHER, tool_name="run_sql"), event(owner=ADMIN))
    for query in ({"owner": OTHER}, {"all": "true"}):
        assert (await user.get("/api/mcp-usage/export", **query)).status == 403
    expected: list[tuple[Api, dict[str, str], list[str]]] = [
        (user, {}, [USER]),
        (admin, {}, [ADMIN]),
        (admin, {"owner": OTHER}, [OTHER]),
        (admin, {"all": "true"}, [USER, OTHER, ADMIN]),
        (admin, {"all": "true", "tool": "run_sql"}, [OTHER]),
        (admin, {"all": "true", "to": "2001-01-01"}, []),
    ]
    for api, query, owners in expected:
        body, _ = await exported(api, format="ndjson", **query)
        assert [json.loads(line)["owner"] for line in body.splitlines()] == sorted(owners), query


async def test_an_invalid_export_query_is_400_and_names_every_field(user: Api) -> None:
    for query, fields in (("format=xlsx", {"format"}), ("page=1", {"page"}), ("from=x&to=y", {"from", "to"})):
        response = await user.request("GET", f"/api/mcp-usage/export?{query}")
        assert (response.status, response.fields) == (400, fields)
    assert (await user.request("GET", "/api/mcp-usage/export", headers={"Authorization": ""})).status == 401


async def test_too_many_concurrent_exports_are_503(user: Api, table: UsageTable) -> None:
    streams = [table.export_stream("SELECT 1", {}, "CSV") for _ in range(MAX_EXPORTS)]
    response = await user.get("/api/mcp-usage/export")
    assert (response.status, "exports" in response.body["detail"]) == (503, True)
    for stream in streams:
        stream.close()
    assert (await user.get("/api/mcp-usage/export")).status == 200


async def test_an_export_that_fails_midway_is_visibly_incomplete(
    user: Api, table: UsageTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert(table, *(event() for _ in range(1000)))
    monkeypatch.setattr("gateway.usage.store.export_stream.CHUNK_BYTES", 1024)
    original = table.export_stream

    class Failing:
        def __init__(self, stream: ExportStream) -> None:
            self.stream, self.reads = stream, 0

        def read(self) -> bytes:
            self.reads += 1
            if self.reads > 3:
                raise UsageTableUnavailable("simulated")
            return self.stream.read()

        def close(self) -> None:
            self.stream.close()

    monkeypatch.setattr(table, "export_stream", lambda *arguments: Failing(original(*arguments)))
    with pytest.raises(aiohttp.ClientPayloadError):
        await exported(user, format="ndjson")
    monkeypatch.undo()
    assert (await exported(user, format="ndjson"))[0].count(b"\n") == 1000


async def test_the_export_of_a_client_that_reads_nothing_is_aborted(
    user: Api, table: UsageTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admin_api.http.download.STALLED_SECONDS", 0.2)
    await insert(table, *(event(session_id="x" * 1000) for _ in range(20_000)))
    reader, writer = await asyncio.open_connection("127.0.0.1", user.client.port, limit=1024)
    writer.write(
        b"GET /api/mcp-usage/export?format=ndjson HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        + f"Authorization: Bearer {user.token}\r\n\r\n".encode()
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")

    async def has_ended() -> bool:
        return await table.query_async("SELECT count() FROM system.processes") == [(1,)]

    await until(has_ended, 20)
    body = b""
    with suppress(ConnectionError):
        body = await reader.read()
    assert not body.endswith(b"0\r\n\r\n")
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
