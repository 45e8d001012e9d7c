"""Restoring tables from Parquet exports."""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from gateway.usage.store.columns import COLUMN_TYPES
from gateway.usage.store.logs.log_table import LOGS
from gateway.usage.store.names import LOG_TABLE
from gateway.usage.store.table import UsageTable

_COLUMN_TYPES = {LOG_TABLE: COLUMN_TYPES} | {log.name: log.types for log in LOGS.values()}


def restore_tables(folder: Path, files: Mapping[str, Path]) -> None:
    """Create a chDB folder with the rows of the exports, by the name of the table, and with the roll-ups of the calls.

    Columns that a file lacks get their default. Raises `UsageTableUnavailable`.
    """
    table = UsageTable(f"chdb://{quote(str(folder))}")
    try:
        table.open()
        for name, parquet in files.items():
            columns = _COLUMN_TYPES[name]
            structure = ", ".join(f"{column} {type_}" for column, type_ in columns.items())
            table.write(_insert_from_file(name, ", ".join(columns)), {"path": str(parquet), "structure": structure})
    finally:
        table.close()


def _insert_from_file(table: str, columns: str) -> str:
    return (
        f"INSERT INTO {table} ({columns}) SELECT {columns} FROM file({{path:String}}, 'Parquet', {{structure:String}}) "
        "SETTINGS max_threads = 1, max_insert_threads = 1, "
        "min_insert_block_size_rows = 200000, min_insert_block_size_bytes = 0"
    )
