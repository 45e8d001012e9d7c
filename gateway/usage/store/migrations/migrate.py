"""Migrating a database to the schema of this version.

Migrations are the numbered SQL files of this folder, applied in order and recorded in `schema_migrations`. Each
statement may run twice (`IF NOT EXISTS`), so that an interrupted start is simply repeated, and two processes may start
at the same time. A database that is newer than the code is not changed.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import msgspec

from gateway.usage.store.migrations.cluster import history_table, on_cluster
from gateway.usage.store.migrations.fill import fill_roll_ups

log = logging.getLogger(__name__)

_HISTORY = """
CREATE TABLE IF NOT EXISTS schema_migrations (version UInt32, name String, applied_at DateTime DEFAULT now())
ENGINE = MergeTree ORDER BY version
"""
_ROLL_UPS = 3
"""The migration that creates the roll-ups."""


class Migration(msgspec.Struct, frozen=True):
    """One numbered file."""

    version: int
    name: str
    statements: tuple[str, ...]


class DatabaseIsNewer(Exception):
    """The database was migrated by a later version of the gateway."""


def migrations() -> tuple[Migration, ...]:
    """Return all migrations in order, without comments and empty statements."""
    found = []
    for file in files("gateway.usage.store.migrations").iterdir():
        if match := re.fullmatch(r"(\d+)_(\w+)\.sql", file.name):
            text = re.sub(r"^\s*--.*$", "", file.read_text("utf-8"), flags=re.MULTILINE)
            statements = tuple(part.strip() for part in text.split(";") if part.strip())
            found.append(Migration(int(match[1]), match[2], statements))
    return tuple(sorted(found, key=lambda migration: migration.version))


def migrate(client: Any, known: Sequence[Migration] | None = None, cluster: str | None = None) -> tuple[int, ...]:
    """Apply missing migrations to the client's database, or on a cluster. Return the versions applied.

    Raises `DatabaseIsNewer`.
    """
    client.command(history_table(cluster) if cluster else _HISTORY)
    applied = {row[0] for row in client.query("SELECT DISTINCT version FROM schema_migrations").result_rows}
    known = migrations() if known is None else known
    if newer := sorted(applied - {migration.version for migration in known}):
        raise DatabaseIsNewer(
            f"the usage database is at schema {newer[-1]}, this version of the gateway knows "
            f"{known[-1].version}: run the newer version"
        )
    missing = [migration for migration in known if migration.version not in applied]
    for migration in missing:
        for statement in migration.statements:
            for executed in on_cluster(statement, cluster, client.database) if cluster else (statement,):
                client.command(executed)
        if migration.version == _ROLL_UPS:
            fill_roll_ups(client, cluster)
        client.command(
            "INSERT INTO schema_migrations (version, name) VALUES ({version:UInt32}, {name:String})",
            parameters={"version": migration.version, "name": migration.name},
        )
        log.info("usage table: applied migration %03d %s", migration.version, migration.name)
    return tuple(migration.version for migration in missing)
