"""The migrations for a cluster of ClickHouse servers: the same tables, replicated and distributed.

Each table of usage becomes two: `…_local`, replicated, on every server, and under the plain name a `Distributed` table
over all of them. Everything goes by owner, so that both copies of an event that was inserted twice, and its sums, are
on one shard. Where replicas meet is left to the servers (`default_replica_path`, which has `{uuid}` and `{shard}`
unless it was changed).
"""

from __future__ import annotations

import re

DEDUPLICATION_SECONDS = 2_592_000
"""30 days. The writer repeats the batch that was under way when ClickHouse went away, and that alone: the window must
be longer than the longest outage, and needs room for no more than the blocks of a few batches."""
INSERT_SETTINGS = {"distributed_foreground_insert": 1, "insert_quorum": "auto"}
"""An insert is acknowledged when the majority of the replicas of its shard have it: the stream forgets it then."""

_TABLES = r"\bmcp_tool_usage_(?:log|daily)\b"
_CREATE_TABLE = re.compile(rf"CREATE TABLE IF NOT EXISTS ({_TABLES})\s")
_CREATE_VIEW = re.compile(r"(CREATE MATERIALIZED VIEW IF NOT EXISTS \w+) (.*)", re.DOTALL)
_ALTER_TABLE = re.compile(rf"ALTER TABLE ({_TABLES})\s")
_ENGINE = re.compile(r"ENGINE = (\w*MergeTree)")
_WINDOW = re.compile(r"non_replicated_deduplication_window = (\d+)")


def local_name(table: str) -> str:
    """The name of the part of a table that is on each server."""
    return f"{table}_local"


def on_cluster(statement: str, cluster: str, database: str) -> tuple[str, ...]:
    """A statement of a migration as those that do the same on a cluster, in a database that is on all its servers.

    Raises `ValueError` for one that is none of the kinds that migrations have.
    """
    if match := _CREATE_TABLE.match(statement):
        table, rest = match[1], statement[match.end(1) :]
        replicated = _WINDOW.sub(
            rf"replicated_deduplication_window = \1, replicated_deduplication_window_seconds = {DEDUPLICATION_SECONDS}",
            _ENGINE.sub(r"ENGINE = Replicated\1", rest),
        )
        return (
            f"CREATE TABLE IF NOT EXISTS {local_name(table)} ON CLUSTER `{cluster}`{replicated}",
            f"CREATE TABLE IF NOT EXISTS {table} ON CLUSTER `{cluster}` AS {local_name(table)}\n"
            f"ENGINE = Distributed(`{cluster}`, `{database}`, {local_name(table)}, cityHash64(owner))",
        )
    if match := _CREATE_VIEW.match(statement):
        return (f"{match[1]} ON CLUSTER `{cluster}` {re.sub(_TABLES, lambda found: local_name(found[0]), match[2])}",)
    if match := _ALTER_TABLE.match(statement):
        rest = statement[match.end(1) :]
        return tuple(f"ALTER TABLE {name} ON CLUSTER `{cluster}`{rest}" for name in (local_name(match[1]), match[1]))
    raise ValueError(f"no statement for a cluster: {statement[:60]}")


def history_table(cluster: str) -> str:
    """The statement that makes the table of applied migrations, one and the same on every server."""
    return (
        f"CREATE TABLE IF NOT EXISTS schema_migrations ON CLUSTER `{cluster}` "
        "(version UInt32, name String, applied_at DateTime DEFAULT now()) "
        "ENGINE = ReplicatedMergeTree('/clickhouse/tables/all/{database}/{table}', '{shard}-{replica}') "
        "ORDER BY version"
    )
