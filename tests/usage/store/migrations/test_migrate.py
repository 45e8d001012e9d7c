"""Migrations: every earlier schema moves forward and keeps its rows, and a newer one is not changed."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client

from gateway.usage.store.columns import COLUMN_TYPES, columns
from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.migrations.fill import fill_roll_ups
from gateway.usage.store.migrations.migrate import Migration, migrate, migrations
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.queries.filters import CallFilters
from gateway.usage.store.queries.history import history
from gateway.usage.store.roll_up import repair_sums
from gateway.usage.store.table import UsageTable
from tests.usage.support import DAY_MS, NOW_MS, event, last_days, rolled_up

MakeTable = Callable[..., UsageTable]


def unmigrated(table: UsageTable) -> Client:
    """Return a client in the table's database, which is empty."""
    client = table.connector.open_client()
    client.command(f"CREATE DATABASE {table.database}")
    client.database = table.database
    return client


async def test_opening_again_changes_nothing(make_table: MakeTable) -> None:
    for _ in range(2):
        make_table().open()
    found = await make_table().query_async("SELECT version, name FROM schema_migrations ORDER BY version")
    assert found == [(migration.version, migration.name) for migration in migrations()]


def test_migrations_are_numbered_without_a_gap() -> None:
    assert [migration.version for migration in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_database_of_an_earlier_version_moves_forward(table: UsageTable) -> None:
    client = table.connector.connect()
    later = Migration(99, "later", ("ALTER TABLE mcp_tool_usage_log ADD COLUMN IF NOT EXISTS later String",))
    assert migrate(client, [*migrations(), later]) == (99,)
    assert migrate(client, [*migrations(), later]) == ()
    table.insert([event()], "token")
    assert table.query("SELECT later FROM mcp_tool_usage_log") == [("",)]


@pytest.mark.parametrize("version", [migration.version for migration in migrations()])
async def test_a_database_of_every_earlier_schema_keeps_its_rows(make_table: MakeTable, version: int) -> None:
    new = make_table()
    client = unmigrated(new)
    assert migrate(client, migrations()[:version]) == tuple(range(1, version + 1))
    # Rows as a gateway of the first schema wrote them.
    client.command(
        "INSERT INTO mcp_tool_usage_log (event_id, created_at, owner, key_id, tool_name, table_names, record_count)"
        f" SELECT toString(number), fromUnixTimestamp64Milli({NOW_MS} - number * 86400000, 'UTC'), 'ada@example.com',"
        " 'key_1', 'query', ['t'], number FROM numbers(100)"
    )
    client.close()
    assert new.query("SELECT max(version) FROM schema_migrations") == [(migrations()[-1].version,)]
    page = await history(new, CallFilters(owner="ada@example.com"), 1, 100)
    assert [item.record_count for item in page.items] == list(range(100))
    found = await last_days(new, 100)
    assert (found.totals.calls, found.totals.records) == (100, sum(range(100)))
    await new.insert_async([event(created_at=NOW_MS + 1)], "token")
    assert (await last_days(new, 100)).totals.calls == 101


def test_an_interrupted_migration_is_repeated(table: UsageTable) -> None:
    client = table.connector.connect()
    client.command("ALTER TABLE schema_migrations DELETE WHERE 1 SETTINGS mutations_sync = 1")
    assert migrate(client) == tuple(migration.version for migration in migrations())


async def old_database(make_table: MakeTable) -> UsageTable:
    """Return a table whose database has the schema before the roll-ups, with rows of three days."""
    table = make_table()
    client = unmigrated(table)
    migrate(client, migrations()[:2])
    client.close()
    events = [event(created_at=NOW_MS - number * DAY_MS // 100, owner=f"user{number % 7}") for number in range(300)]
    # A connection without migrations.
    older = table.connector.open_client()
    older.database = table.database
    earlier = list(COLUMN_TYPES).index("written_tables") + 1
    older.insert(
        LOG_TABLE,
        columns(events)[:earlier],
        column_names=tuple(COLUMN_TYPES)[:earlier],
        column_type_names=tuple(COLUMN_TYPES.values())[:earlier],
        column_oriented=True,
    )
    older.close()
    return table


class Interrupted(Exception):
    """Simulates a kill."""


class Interrupting:
    """A ClickHouse client that fails at its nth statement that adds sums."""

    def __init__(self, client: Client, number: int) -> None:
        self._client = client
        self._left = number
        self.database = client.database

    def query(self, *arguments: Any, **options: Any) -> Any:
        return self._client.query(*arguments, **options)

    def command(self, sql: str, *arguments: Any, **options: Any) -> Any:
        if sql.startswith((f"INSERT INTO {QUARTER_HOURLY_TABLE}", f"INSERT INTO {BY_DIMENSION_TABLE}")):
            self._left -= 1
            if self._left == 0:
                raise Interrupted
        return self._client.command(sql, *arguments, **options)


@pytest.mark.parametrize("number", [1, 2, 4])
async def test_filling_the_roll_ups_may_be_interrupted_and_started_again(make_table: MakeTable, number: int) -> None:
    table = await old_database(make_table)
    client = table.connector.open_client()
    client.database = table.database
    with pytest.raises(Interrupted):
        migrate(Interrupting(client, number))
    # Calls arrive before the next start.
    client.command(
        f"INSERT INTO {LOG_TABLE} (event_id, created_at, owner) VALUES ('new', '2026-06-20 12:00:00', 'user1')"
    )
    client.close()
    totals = (await last_days(table, 30)).totals
    assert (totals.calls, totals.records) == (301, 6000)
    assert await rolled_up(table) == (301, 6000)
    assert await repair_sums(table, table.today - datetime.timedelta(days=5)) == 0


async def test_filling_the_roll_ups_twice_adds_nothing(make_table: MakeTable, monkeypatch: pytest.MonkeyPatch) -> None:
    # In parts, as for days with very many calls.
    monkeypatch.setattr("gateway.usage.store.migrations.fill.PART_ROWS", 40)
    table = await old_database(make_table)
    await table.open_async()
    # A duplicate that no merge has removed yet is no difference.
    table.write("SYSTEM STOP MERGES mcp_tool_usage_log", {})
    await table.insert_async([one := event()], "first")
    await table.insert_async([one], "second")
    assert await repair_sums(table, table.today) == 1
    client = table.connector.open_client()
    client.database = table.database
    fill_roll_ups(client, None)
    client.close()
    assert (await last_days(table, 30)).totals.calls == 301
    assert await rolled_up(table) == (301, 6020)


def test_a_newer_database_is_not_changed_and_the_message_says_so(make_table: MakeTable) -> None:
    first = make_table()
    first.open()
    first.write("INSERT INTO schema_migrations (version, name) VALUES (77, 'future')", {})
    with pytest.raises(UsageTableUnavailable, match=r"at schema 77, .* run the newer version"):
        make_table().open()
