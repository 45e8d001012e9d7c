"""The usage table: a token makes an insert repeatable, and errors name the fix."""

from __future__ import annotations

import asyncio
import http.server
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.usage.store.connection import Timeouts
from gateway.usage.store.errors import UsageRefused, UsageTableUnavailable
from gateway.usage.store.logs.log_table import AUDIT_LOG
from gateway.usage.store.migrations.retention import Retention
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.table import UsageTable
from tests.support.audit import audit_entry
from tests.usage.support import (
    DAY_MS,
    NOW_MS,
    event,
    finish,
    ids,
    last_days,
    logged,
    rolled_up,
    run_python,
    start_python,
    until,
)

MakeTable = Callable[..., UsageTable]


# Inserting.


async def test_an_insert_repeated_under_its_token_adds_nothing(table: UsageTable) -> None:
    events = [event() for _ in range(10)]
    for _ in range(3):
        await table.insert_async(events, "token")
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (10, 200)


async def test_an_insert_across_months_is_repeatable_too(table: UsageTable) -> None:
    events = [event(created_at=NOW_MS + month * 31 * DAY_MS) for month in range(30)]
    for _ in range(2):
        await table.insert_async(events, "token")
    assert await logged(table) == ids(events)
    assert await rolled_up(table) == (30, 600)


async def test_an_insert_is_repeatable_after_many_others(table: UsageTable) -> None:
    first = [event(), event()]
    await table.insert_async(first, "first")
    for number in range(20):
        await table.insert_async([event()], f"other {number}")
    await table.insert_async(first, "first")
    assert len(await logged(table)) == 22
    assert await rolled_up(table) == (22, 440)


async def test_an_insert_is_repeatable_after_the_table_was_opened_anew(make_table: MakeTable) -> None:
    first = make_table()
    await first.insert_async([event()], "token")
    await first.insert_async([event()], "token")
    first.close()
    second = make_table()
    await second.insert_async([event()], "token")
    assert len(await logged(second)) == 1


async def test_near_equal_batches_under_different_tokens_all_count(table: UsageTable) -> None:
    # Their rows in the roll-up are identical.
    for number in range(5):
        await table.insert_async([event(created_at=NOW_MS)], f"token {number}")
    assert len(await logged(table)) == 5
    assert await rolled_up(table) == (5, 100)


@pytest.mark.parametrize("name", ["mcp_tool_usage_quarter_hourly", "mcp_tool_usage_by_dimension"])
async def test_a_repeated_insert_completes_a_roll_up_that_failed(table: UsageTable, name: str) -> None:
    await table.insert_async([event()], "first")
    view = table.query(
        "SELECT create_table_query FROM system.tables WHERE name = {name:String} AND database = {database:String}",
        {"name": f"{name}_view", "database": table.database},
    )[0][0]
    table.write(f"DROP VIEW {name}_view", {})
    table.write(view.replace("countIf(status = 'denied') AS denied", "throwIf(count() > 0) AS denied"), {})
    events = [event(), event()]
    with pytest.raises(UsageTableUnavailable, match="answers with an error"):
        await table.insert_async(events, "second")
    table.write(f"DROP VIEW {name}_view", {})
    table.write(view, {})
    await table.insert_async(events, "second")
    assert len(await logged(table)) == 3
    assert await rolled_up(table) == (3, 60)
    assert (await last_days(table)).totals.calls == 3


async def test_every_field_comes_back_as_it_went_in(table: UsageTable) -> None:
    one = event(
        tool_name="naïve 'quoted' \\ ☃ \x00",
        table_names=("a", "b'c"),
        record_count=(1 << 64) - 1,
        is_error=True,
        duration_ms=0.1,
        request_id='"1"',
    )
    await table.insert_async([one], "token")
    row = table.query(
        "SELECT tool_name, table_names, record_count, is_error, duration_ms, request_id FROM mcp_tool_usage_log"
    )[0]
    assert row == (one.tool_name, list(one.table_names), one.record_count, True, 0.1, '"1"')


async def test_refused_content_is_distinguished_from_an_unavailable_clickhouse(table: UsageTable) -> None:
    with pytest.raises(UsageRefused):
        await table.insert_async([event(), event(response_bytes=-1)], "token")
    assert await logged(table) == []


async def test_a_slow_query_does_not_delay_an_insert(table: UsageTable) -> None:
    table.open()
    await table.query_async("SELECT 1")
    slow = asyncio.create_task(
        table.query_async("SELECT sleepEachRow(0.1) FROM numbers(150) SETTINGS max_block_size = 1")
    )

    async def is_running() -> bool:
        rows = await table.write_async("SELECT count() FROM system.processes WHERE query LIKE 'SELECT sleep%'", {})
        return bool(rows[0][0])

    await until(is_running)
    await table.insert_async([event()], "token")
    assert not slow.done()
    await table.write_async("KILL QUERY WHERE query LIKE 'SELECT sleep%' ASYNC", {})
    with pytest.raises(UsageTableUnavailable):
        await slow


async def test_an_endless_query_is_cancelled(make_table: MakeTable) -> None:
    table = make_table(timeouts=Timeouts(query=1))
    with pytest.raises(UsageTableUnavailable, match="TIMEOUT_EXCEEDED"):
        await table.query_async("SELECT count() FROM numbers(1000000000000)")


async def test_values_are_bound_and_not_formatted(table: UsageTable) -> None:
    evil = "x' OR '1'='1"
    assert await table.query_async("SELECT {value:String}", {"value": evil}) == [(evil,)]


# Retention.


def ttl(table: UsageTable) -> list[str]:
    rows = table.query(
        "SELECT engine_full FROM system.tables WHERE database = {name:String}"
        " AND name IN {tables:Array(String)} ORDER BY name",
        {"name": table.database, "tables": [LOG_TABLE, QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE]},
    )
    return [row[0].partition(" TTL ")[2].partition(" SETTINGS ")[0] for row in rows]


def test_retention_is_set_changed_and_removed(make_table: MakeTable) -> None:
    for days, expected in ((None, [""] * 3), (30, ["30"] * 3), (7, ["7"] * 3), (None, [""] * 3)):
        table = make_table(retention=Retention(usage_days=days))
        table.open()
        assert [found.partition("toIntervalDay(")[2].rstrip(")") for found in ttl(table)] == expected


def test_a_reader_with_another_retention_leaves_that_of_the_tables(make_table: MakeTable) -> None:
    make_table(retention=Retention(usage_days=30)).open()
    reader = make_table()
    assert reader.query("SELECT count() FROM system.one") == [(1,)]
    assert all("toIntervalDay(30)" in found for found in ttl(reader))


async def test_the_audit_log_has_its_own_retention(make_table: MakeTable) -> None:
    table = make_table(retention=Retention(audit_days=2))
    table.open()
    assert ttl(table) == [""] * 3
    now = int((await table.query_async("SELECT toUnixTimestamp64Milli(now64(3))"))[0][0])
    entries = [audit_entry(created_at=now - age * DAY_MS, object=str(age)) for age in (0, 1, 2, 9)]
    await AUDIT_LOG.insert(table, entries, "token")
    table.write(f"OPTIMIZE TABLE {AUDIT_LOG.name} FINAL", {})
    found = await table.query_async(f"SELECT object FROM {AUDIT_LOG.name} ORDER BY object")
    assert found == [("0",), ("1",)]


async def test_old_rows_leave_the_table_and_the_roll_up_on_the_same_day(make_table: MakeTable) -> None:
    # Retention uses the engine's own clock.
    table = make_table(retention=Retention(usage_days=2))
    table.open()
    now = int((await table.query_async("SELECT toUnixTimestamp64Milli(now64(3))"))[0][0])
    kept = [event(created_at=now), event(created_at=now - DAY_MS)]
    await table.insert_async([*kept, event(created_at=now - 2 * DAY_MS), event(created_at=now - 9 * DAY_MS)], "a")
    for name in (LOG_TABLE, QUARTER_HOURLY_TABLE, BY_DIMENSION_TABLE):
        table.write(f"OPTIMIZE TABLE {name} FINAL", {})
    assert await logged(table) == ids(kept)
    assert (await rolled_up(table))[0] == 2
    totals = f"SELECT sum(calls) FROM {BY_DIMENSION_TABLE} WHERE dimension = 'total'"
    assert await table.query_async(totals) == [(2,)]


# Errors.


def test_an_unreachable_clickhouse_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://default:secret@127.0.0.1:{unused.getsockname()[1]}/usage"
        table = UsageTable(url)
        with caplog.at_level(logging.DEBUG), pytest.raises(UsageTableUnavailable) as raised:
            table.open()
    assert "cannot be reached, check GATEWAY_CLICKHOUSE_URL" in str(raised.value)
    assert "secret" not in str(raised.value) + caplog.text
    table.close()


@pytest.fixture
def refusing_server() -> Iterator[str]:
    """An HTTP server that responds like ClickHouse to wrong credentials."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = b"Code: 516. DB::Exception: default: Authentication failed. (AUTHENTICATION_FAILED)"
            self.send_response(403)
            self.send_header("X-ClickHouse-Exception-Code", "516")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://me:secret@127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_wrong_credentials_are_named_and_not_shown(refusing_server: str) -> None:
    table = UsageTable(refusing_server)
    with pytest.raises(UsageTableUnavailable) as raised:
        table.open()
    assert "refuses the user or password of GATEWAY_CLICKHOUSE_URL" in str(raised.value)
    assert "secret" not in str(raised.value)
    table.close()


def test_a_folder_that_another_process_has_open_is_named(tmp_path: Path) -> None:
    holder = start_python(
        f"""
        from gateway.usage.store.table import UsageTable
        table = UsageTable("chdb://{tmp_path}/chdb")
        table.open()
        print("open", flush=True)
        input()
        """,
        says="open",
    )
    second = run_python(f"""
        from gateway.usage.store.table import UsageTable
        try:
            UsageTable("chdb://{tmp_path}/chdb").open()
        except Exception as error:
            print(type(error).__name__, error)
    """)
    assert second.stdout.startswith("UsageTableUnavailable chdb:")
    assert "another process has it open" in second.stdout
    finish(holder)
    third = run_python(f"""
        from gateway.usage.store.table import UsageTable
        UsageTable("chdb://{tmp_path}/chdb").open()
        print("open")
    """)
    assert third.stdout == "open\n"


def test_a_second_folder_in_one_process_is_named(table: UsageTable, tmp_path: Path) -> None:
    table.open()
    other = UsageTable(f"chdb://{tmp_path}/chdb")
    with pytest.raises(UsageTableUnavailable, match="this process has another chDB folder open"):
        other.open()
    other.close()


async def test_a_table_that_could_not_be_opened_is_opened_later(table: UsageTable, tmp_path: Path) -> None:
    table.open()
    other = UsageTable(f"chdb://{tmp_path}/chdb", database=table.database)
    with pytest.raises(UsageTableUnavailable):
        await other.insert_async([event()], "token")
    table.close()
    await other.insert_async([event()], "token")
    assert len(await logged(other)) == 1
    other.close()


def test_opening_chdb_imports_neither_pandas_nor_numpy_nor_pyarrow(tmp_path: Path) -> None:
    found = run_python(f"""
        import sys
        from gateway.usage.store.table import UsageTable
        from tests.usage.support import event
        table = UsageTable("chdb://{tmp_path}/chdb")
        table.insert([event()], "token")
        assert table.query("SELECT count() FROM mcp_tool_usage_log") == [(1,)]
        print({{name for name in ("pandas", "numpy", "pyarrow") if sys.modules.get(name)}})
    """)
    assert (found.stdout, found.returncode) == ("set()\n", 0), found.stderr


@pytest.mark.parametrize(
    ("url", "database", "place"),
    [
        ("http://host:8123", "mcp_gateway", "http://host:8123"),
        ("http://me:pw@host:8123/usage", "usage", "http://host:8123/usage"),
        ("https://host/my%20db?verify=false", "my db", "https://host/my%20db"),
        ("chdb:///var/lib/x", "mcp_gateway", "chdb:///var/lib/x"),
    ],
)
def test_the_database_is_the_urls_path(url: str, database: str, place: str) -> None:
    table = UsageTable(url)
    assert (table.database, table.connector.place) == (database, place)
    table.close()
