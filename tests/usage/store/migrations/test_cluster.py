"""Migrations on a cluster: their statements, and that ClickHouse can parse them. No cluster runs here."""

from __future__ import annotations

import re
from typing import Any

import pytest

from gateway.usage.store.migrations.cluster import history_table, on_cluster
from gateway.usage.store.migrations.migrate import migrate, migrations
from gateway.usage.store.migrations.retention import Retention, set_retention
from gateway.usage.store.table import UsageTable


def statements() -> list[str]:
    return [
        made for migration in migrations() for one in migration.statements for made in on_cluster(one, "prod-1", "db")
    ]


class Recorder:
    """A ClickHouse client that records commands, on a database without migrations."""

    database = "db"

    def __init__(self, engine: str = "") -> None:
        self.commands: list[str] = []
        self.engine = engine
        self.result_rows: list[tuple[Any, ...]] = []

    def command(self, sql: str, **_: Any) -> None:
        self.commands.append(sql)

    def query(self, sql: str, *_: Any, **__: Any) -> Recorder:
        self.result_rows = [(self.engine,)] if "engine_full" in sql else []
        return self


@pytest.mark.parametrize(
    ("table", "shard"),
    [
        ("mcp_tool_usage_log", "owner"),
        ("mcp_tool_usage_quarter_hourly", "owner"),
        ("mcp_tool_usage_by_dimension", "owner"),
        ("mcp_denials_log", "owner"),
        ("mcp_audit_log", "id"),
    ],
)
def test_every_table_is_replicated_and_distributed(table: str, shard: str) -> None:
    made = statements()
    (local,) = [one for one in made if one.startswith(f"CREATE TABLE IF NOT EXISTS {table}_local ON CLUSTER `prod-1`")]
    assert re.search(r"ENGINE = Replicated(Replacing|Aggregating)MergeTree\n", local)
    (distributed,) = [one for one in made if one.startswith(f"CREATE TABLE IF NOT EXISTS {table} ON CLUSTER `prod-1`")]
    assert f"Distributed(`prod-1`, `db`, {table}_local, cityHash64({shard}))" in distributed


def test_tokens_are_remembered_for_longer_than_any_outage() -> None:
    made = "\n".join(statements())
    assert made.count("replicated_deduplication_window_seconds = 2592000") == 6
    assert "non_replicated" not in made


@pytest.mark.parametrize("name", ["quarter_hourly", "by_dimension"])
def test_the_sums_are_on_the_server_of_their_rows(name: str) -> None:
    (view,) = [one for one in statements() if f"VIEW IF NOT EXISTS mcp_tool_usage_{name}_view" in one]
    assert f"mcp_tool_usage_{name}_view ON CLUSTER `prod-1` TO mcp_tool_usage_{name}_local AS" in view
    assert "FROM mcp_tool_usage_log_local" in view
    assert set(re.findall(r"mcp_tool_usage_(?:log|quarter_hourly|by_dimension)\b(?!_)", view)) == set()


def test_replaced_tables_are_dropped_on_every_server() -> None:
    dropped = [one for one in statements() if one.startswith("DROP")]
    assert dropped == [
        f"DROP {kind} IF EXISTS mcp_tool_usage_{name} ON CLUSTER `prod-1` SYNC"
        for kind, name in (("VIEW", "daily_view"), ("TABLE", "daily"), ("TABLE", "daily_local"))
    ]


def test_clickhouse_parses_every_statement(table: UsageTable) -> None:
    for statement in [*statements(), history_table("prod-1")]:
        table.query(f"EXPLAIN AST {statement}")


def test_a_cluster_is_migrated_with_these_statements_only() -> None:
    client = Recorder()
    assert migrate(client, cluster="prod-1") == tuple(migration.version for migration in migrations())
    made = [command for command in client.commands if not command.startswith("INSERT INTO schema_migrations")]
    assert made == [history_table("prod-1"), *statements()]


@pytest.mark.parametrize(("days", "engine", "change"), [(7, "", "MODIFY TTL"), (None, "x TTL y", "REMOVE TTL")])
def test_retention_is_set_on_every_server(days: int | None, engine: str, change: str) -> None:
    client: Any = Recorder(engine)
    set_retention(client, Retention(usage_days=days, audit_days=days), "prod-1")
    names = ("tool_usage_log", "denials_log", "tool_usage_quarter_hourly", "tool_usage_by_dimension", "audit_log")
    starts = [f"ALTER TABLE mcp_{name}_local ON CLUSTER `prod-1` {change}" for name in names]
    assert [command.startswith(start) for command, start in zip(client.commands, starts, strict=True)] == [True] * 5


def test_a_later_column_reaches_both_tables() -> None:
    assert on_cluster("ALTER TABLE mcp_tool_usage_log ADD COLUMN IF NOT EXISTS x String", "c", "db") == (
        "ALTER TABLE mcp_tool_usage_log_local ON CLUSTER `c` ADD COLUMN IF NOT EXISTS x String",
        "ALTER TABLE mcp_tool_usage_log ON CLUSTER `c` ADD COLUMN IF NOT EXISTS x String",
    )


def test_an_unknown_type_of_statement_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown type of statement, it cannot run on a cluster: RENAME"):
        on_cluster("RENAME TABLE a TO b", "c", "db")
