"""Migrations: every earlier schema moves forward and keeps its rows, and a newer one is not changed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from clickhouse_connect.driver.client import Client

from gateway.usage.store.errors import UsageTableUnavailable
from gateway.usage.store.migrations.migrate import Migration, migrate, migrations
from gateway.usage.store.models import HistoryFilters
from gateway.usage.store.queries import history, stats
from gateway.usage.store.table import UsageTable
from tests.usage.support import NOW_MS, event

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
    page = await history(new, HistoryFilters(owner="ada@example.com"), 1, 100)
    assert [item.record_count for item in page.items] == list(range(100))
    found = await stats(new, 100)
    assert (found.totals.calls, found.totals.records) == (100, sum(range(100)))
    await new.insert_async([event(created_at=NOW_MS + 1)], "token")
    assert (await stats(new, 100)).totals.calls == 101


def test_an_interrupted_migration_is_repeated(table: UsageTable) -> None:
    client = table.connector.connect()
    client.command("ALTER TABLE schema_migrations DELETE WHERE 1 SETTINGS mutations_sync = 1")
    assert migrate(client) == tuple(migration.version for migration in migrations())


def test_a_newer_database_is_not_changed_and_the_message_says_so(make_table: MakeTable) -> None:
    first = make_table()
    first.open()
    first.write("INSERT INTO schema_migrations (version, name) VALUES (77, 'future')", {})
    with pytest.raises(UsageTableUnavailable, match=r"at schema 77, .* run the newer version"):
        make_table().open()
