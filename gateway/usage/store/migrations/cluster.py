"""Migrations for a cluster of ClickHouse servers: the same tables, replicated and distributed.

Each usage table becomes two: a replicated `…_local` table on every server, and a `Distributed` table over all of them
under the plain name. Rows are sharded by owner, so that both copies of an event that was inserted twice, and its
sums, are on one shard; those of the audit log, which have no owner, by id. The replica path is the servers'
`default_replica_path` (which has `{uuid}` and `{shard}` unless it was changed).
"""

from __future__ import annotations

import re

from gateway.usage.store.names import AUDIT_TABLE

DEDUPLICATION_SECONDS = 2_592_000
"""30 days. The writer repeats only the batch that was in progress when ClickHouse became unavailable: the window must
be longer than the longest outage, and needs to hold only the blocks of a few batches."""
INSERT_SETTINGS = {"distributed_foreground_insert": 1, "insert_quorum": "auto"}
"""An insert is acknowledged when the majority of its shard's replicas have it: the stream deletes it then."""

_TABLES = r"\bmcp_(?:tool_usage_(?:log|daily|quarter_hourly|by_dimension)|audit_log|denials_log)\b"
_SHARDING_COLUMNS = {AUDIT_TABLE: "id"}
"""The column that selects the shard, where it is not the owner."""
_CREATE_TABLE = re.compile(rf"CREATE TABLE IF NOT EXISTS ({_TABLES})\s")
_CREATE_VIEW = re.compile(r"(CREATE MATERIALIZED VIEW IF NOT EXISTS \w+) (.*)", re.DOTALL)
_ALTER_TABLE = re.compile(rf"ALTER TABLE ({_TABLES})\s")
_DROP = re.compile(r"DROP (TABLE|VIEW) IF EXISTS (\w+)")
_ENGINE = re.compile(r"ENGINE = (\w*MergeTree)")
_WINDOW = re.compile(r"non_replicated_deduplication_window = (\d+)")


def local_name(table: str) -> str:
    """Return the name of the part of a table that is on each server."""
    return f"{table}_local"


def on_cluster(statement: str, cluster: str, database: str) -> tuple[str, ...]:
    """Return the statements that do the same as one of a migration in a database on all servers of a cluster.

    Raises `ValueError` for an unknown type of statement.
    """
    if match := _CREATE_TABLE.match(statement):
        table, rest = match[1], statement[match.end(1) :]
        shard = f"cityHash64({_SHARDING_COLUMNS.get(table, 'owner')})"
        replicated = _WINDOW.sub(
            rf"replicated_deduplication_window = \1, replicated_deduplication_window_seconds = {DEDUPLICATION_SECONDS}",
            _ENGINE.sub(r"ENGINE = Replicated\1", rest),
        )
        return (
            f"CREATE TABLE IF NOT EXISTS {local_name(table)} ON CLUSTER `{cluster}`{replicated}",
            f"CREATE TABLE IF NOT EXISTS {table} ON CLUSTER `{cluster}` AS {local_name(table)}\n"
            f"ENGINE = Distributed(`{cluster}`, `{database}`, {local_name(table)}, {shard})",
        )
    if match := _CREATE_VIEW.match(statement):
        return (f"{match[1]} ON CLUSTER `{cluster}` {re.sub(_TABLES, lambda found: local_name(found[0]), match[2])}",)
    if match := _ALTER_TABLE.match(statement):
        rest = statement[match.end(1) :]
        return tuple(f"ALTER TABLE {name} ON CLUSTER `{cluster}`{rest}" for name in (local_name(match[1]), match[1]))
    if match := _DROP.fullmatch(statement):
        names = (match[2],) if match[1] == "VIEW" else (match[2], local_name(match[2]))
        return tuple(f"DROP {match[1]} IF EXISTS {name} ON CLUSTER `{cluster}` SYNC" for name in names)
    raise ValueError(f"unknown type of statement, it cannot run on a cluster: {statement[:60]}")


def history_table(cluster: str) -> str:
    """Return the statement that creates the table of applied migrations, one for all servers."""
    return (
        f"CREATE TABLE IF NOT EXISTS schema_migrations ON CLUSTER `{cluster}` "
        "(version UInt32, name String, applied_at DateTime DEFAULT now()) "
        "ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}') "
        "ORDER BY version"
    )
