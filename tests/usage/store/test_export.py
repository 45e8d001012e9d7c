"""Exports: the calls of the history, each once, in formats that other programs read; in constant memory."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.usage.event import UsageEvent
from gateway.usage.store import export_stream
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.export import export
from gateway.usage.store.formats import Format
from gateway.usage.store.migrations.retention import Retention
from gateway.usage.store.queries.filters import CallFilters
from gateway.usage.store.queries.history import history
from gateway.usage.store.queries.models import HistoryItem
from gateway.usage.store.table import MAX_EXPORTS, ExportsBusy, UsageTable
from tests.support.clickhouse_front import ClickHouseFront, clickhouse_front
from tests.usage.support import NOW_MS, event, run_python, until

ALL = CallFilters()


@pytest.fixture
def front(chdb_url: str) -> Iterator[ClickHouseFront]:
    with clickhouse_front(chdb_url) as found:
        yield found


@pytest.fixture(params=["chdb", "http"])
def reader(request: pytest.FixtureRequest, table: UsageTable, front: ClickHouseFront) -> Iterator[UsageTable]:
    """The table of this test, in the process or over HTTP."""
    if request.param == "chdb":
        yield table
        return
    remote = UsageTable(front.url, database=table.database, now_ms=lambda: NOW_MS)
    yield remote
    remote.close()


async def exported(table: UsageTable, fmt: Format, filters: CallFilters = ALL) -> bytes:
    return b"".join([chunk async for chunk in export(table, filters, fmt)])


async def as_rows(table: UsageTable, filters: CallFilters = ALL) -> list[dict[str, str]]:
    text = (await exported(table, Format.CSV, filters)).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def calls() -> list[UsageEvent]:
    return [
        event(created_at=NOW_MS + 2, record_count=None, table_names=(), request_id='"7"'),
        event(created_at=NOW_MS + 1, table_names=("a", "b"), record_count=(1 << 64) - 1, is_error=True),
        event(
            created_at=NOW_MS,
            owner="bob@example.com",
            written_tables=("w",),
            key_name='say "hi",\nthen ☃/\\N',
            tool_name="run_sql",
            count_path="structuredContent.rows",
            count_signs=("common_list", "witness_agrees"),
            count_confidence=0.953,
        ),
    ]


async def test_ndjson_has_the_items_of_the_history(table: UsageTable, reader: UsageTable) -> None:
    await table.insert_async(calls(), "token")
    lines = [json.loads(line) for line in (await exported(reader, Format.NDJSON)).splitlines()]
    items = [msgspec.to_builtins(item) for item in (await history(table, ALL)).items]
    order = sorted(items, key=lambda item: (item["owner"], item["created_at"]))
    assert lines == [
        {name: list(value) if isinstance(value, tuple) else value for name, value in item.items()} for item in order
    ]
    assert [tuple(line) for line in lines] == [HistoryItem.__struct_fields__] * 3


async def test_csv_can_be_read_back(table: UsageTable, reader: UsageTable) -> None:
    await table.insert_async(calls(), "token")
    rows = await as_rows(reader)
    assert tuple(rows[0]) == tuple(name for name in HistoryItem.__struct_fields__ if name != "table_names")
    assert [(row["created_at"], row["table_name"], row["record_count"], row["is_error"]) for row in rows] == [
        ("2026-06-21T00:00:00.001Z", "a, b", str((1 << 64) - 1), "true"),
        ("2026-06-21T00:00:00.002Z", "", "", "false"),
        ("2026-06-21T00:00:00.000Z", "stock_daily", "20", "false"),
    ]
    assert rows[2]["key_name"] == 'say "hi",\nthen ☃/\\N'
    assert [row["written_tables"] for row in rows] == ["", "", "w"]
    assert [row["count_signs"] for row in rows] == ["", "", "common_list, witness_agrees"]
    assert [row["count_confidence"] for row in rows] == ["", "", "0.953"]
    assert rows[1]["request_id"] == '"7"'


@pytest.mark.parametrize("evil", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1"])
async def test_text_in_csv_is_never_a_formula(table: UsageTable, evil: str) -> None:
    names = (
        "key_name", "owner", "tool_name", "client_name", "client_version", "session_id", "request_id",
        "protocol_version", "gateway_id",
    )  # fmt: skip
    await table.insert_async(
        [event(**dict.fromkeys(names, evil), table_names=(evil, "b"), written_tables=(evil,))], "token"
    )
    (row,) = await as_rows(table, CallFilters(owner=evil))
    assert {row[name] for name in names} == {"'" + evil}
    assert (row["table_name"], row["written_tables"]) == (f"'{evil}, b", f"'{evil}")
    (line,) = (await exported(table, Format.NDJSON)).splitlines()
    assert json.loads(line)["tool_name"] == evil


async def test_parquet_has_native_types(table: UsageTable, reader: UsageTable, tmp_path: Path) -> None:
    await table.insert_async(calls(), "token")
    path = tmp_path / "usage.parquet"
    path.write_bytes(await exported(reader, Format.PARQUET))
    types = dict(row[:2] for row in table.query(f"DESCRIBE file('{path}', Parquet)"))
    assert tuple(types) == HistoryItem.__struct_fields__
    assert types["created_at"] == "DateTime64(3, 'UTC')"
    assert types["table_names"] == types["written_tables"] == "Array(String)"
    assert types["record_count"] == "Nullable(UInt64)"
    assert types["count_confidence"] == "Nullable(Float32)"
    rows = table.query(f"SELECT table_names, table_name, record_count FROM file('{path}', Parquet)")
    assert rows == [(["a", "b"], "a, b", (1 << 64) - 1), ([], None, None), (["stock_daily"], "stock_daily", 20)]


async def test_filters_and_retention_are_those_of_the_history(table: UsageTable) -> None:
    await table.insert_async([*calls(), event(created_at=NOW_MS - 1, tool_name="old")], "token")
    filters: list[tuple[dict[str, Any], int]] = [
        ({"owner": "bob@example.com"}, 1), ({"table": "b"}, 1), ({"tool": "run_sql"}, 1), ({"key_id": "key_2"}, 0),
        ({"since": NOW_MS + 1}, 2), ({"until": NOW_MS + 1}, 2), ({"status": "ok"}, 4), ({"owner": "' OR 1 --"}, 0),
    ]  # fmt: skip
    for params, count in filters:
        assert len(await as_rows(table, CallFilters(**params))) == count, params
    table.retention = Retention(usage_days=1)
    assert len(await as_rows(table)) == 3


async def test_an_event_that_is_in_the_table_twice_is_exported_once(table: UsageTable) -> None:
    table.open()
    table.write("SYSTEM STOP MERGES mcp_tool_usage_log", {})
    events = calls()
    await table.insert_async(events, "first")
    await table.insert_async(events, "second")
    assert sorted(row["event_id"] for row in await as_rows(table)) == sorted(one.event_id for one in events)


async def test_without_calls_there_is_only_a_header(table: UsageTable, reader: UsageTable) -> None:
    table.open()
    assert (await exported(reader, Format.CSV)).startswith(b'"event_id","created_at"')
    assert len((await exported(reader, Format.CSV)).splitlines()) == 1
    assert await exported(reader, Format.NDJSON) == b""
    assert (await exported(reader, Format.PARQUET)).startswith(b"PAR1")


async def running_exports(table: UsageTable) -> int:
    rows = await table.query_async(
        "SELECT count() FROM system.processes WHERE startsWith(query, 'INSERT INTO FUNCTION')"
    )
    return int(rows[0][0])


async def test_an_abandoned_export_ends_and_releases_its_slot(
    table: UsageTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    await table.insert_async([event() for _ in range(5000)], "token")
    monkeypatch.setattr(export_stream, "CHUNK_BYTES", 64)
    exports = [export(table, ALL, Format.NDJSON) for _ in range(MAX_EXPORTS)]
    for one in exports:
        assert len(await anext(one)) == 64
    assert await running_exports(table) == MAX_EXPORTS
    with pytest.raises(ExportsBusy):
        await anext(export(table, ALL, Format.NDJSON))
    for one in exports:
        await one.aclose()
    assert await running_exports(table) == 0
    assert await exported(table, Format.PARQUET)


async def test_an_export_whose_reader_is_cancelled_ends(table: UsageTable) -> None:
    await table.insert_async([event() for _ in range(5000)], "token")
    started = asyncio.Event()

    async def read() -> None:
        async for _ in export(table, ALL, Format.NDJSON):
            started.set()
            await asyncio.sleep(60)

    reading = asyncio.create_task(read())
    await started.wait()
    reading.cancel()

    async def has_ended() -> bool:
        return await running_exports(table) == 0

    await until(has_ended)


async def test_an_error_during_an_export_is_raised(table: UsageTable) -> None:
    table.open()
    source = table.export_stream("SELECT number, throwIf(number = 3000000) FROM numbers(4000000)", {}, "CSV")
    with pytest.raises(UsageTableUnavailable, match="answers with an error"):
        b"".join(iter(source.read, b""))
    source.close()


async def test_a_truncated_response_during_an_export_is_raised(table: UsageTable, front: ClickHouseFront) -> None:
    await table.insert_async(calls(), "token")
    remote = UsageTable(front.url, database=table.database, now_ms=lambda: NOW_MS)
    remote.open()
    before = len(front.seen)
    await exported(remote, Format.CSV)
    # Opening the connection also sends queries; the export is the last one.
    front.queries.extend([*[""] * (len(front.seen) - before - 1), "cuts"])
    with pytest.raises(UsageTableUnavailable):
        await exported(remote, Format.CSV)
    remote.close()


def test_a_large_export_takes_constant_memory(tmp_path: Path) -> None:
    found = run_python(f"""
        import asyncio, resource
        from gateway.usage.store.queries.filters import CallFilters
        from gateway.usage.store.export import export
        from gateway.usage.store.formats import Format
        from gateway.usage.store.table import UsageTable
        from tests.usage.seed import seed

        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

        async def main():
            table = UsageTable("chdb://{tmp_path}/chdb")
            await seed(table, 300_000, days=2)
            table.query("SELECT 1")
            size = {{}}
            for fmt in Format:
                before = peak()
                size[fmt] = sum([len(chunk) async for chunk in export(table, CallFilters(), fmt)])
                assert peak() - before < 60, (fmt, before, peak())
            assert size[Format.NDJSON] > 100_000_000, size
            table.close()

        asyncio.run(main())
    """)
    assert found.returncode == 0, found.stderr
