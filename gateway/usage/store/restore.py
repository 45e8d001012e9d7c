"""Restoring the usage table from a Parquet export."""

# ruff: noqa: S608 - constants of this module are all that is formatted into queries

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from gateway.usage.store.columns import COLUMN_TYPES
from gateway.usage.store.names import LOG_TABLE
from gateway.usage.store.table import UsageTable

_STRUCTURE = ", ".join(f"{name} {type_}" for name, type_ in COLUMN_TYPES.items())
"""Columns that the file of an earlier version lacks get their default."""
_INSERT_FROM_FILE = f"""
INSERT INTO {LOG_TABLE} ({", ".join(COLUMN_TYPES)})
SELECT {", ".join(COLUMN_TYPES)} FROM file({{path:String}}, 'Parquet', {{structure:String}})
SETTINGS max_threads = 1, max_insert_threads = 1, min_insert_block_size_rows = 200000, min_insert_block_size_bytes = 0
"""


def restore_usage(folder: Path, parquet: Path) -> None:
    """Create a chDB folder with the calls of a Parquet export and their roll-ups. Raises `UsageTableUnavailable`."""
    table = UsageTable(f"chdb://{quote(str(folder))}")
    try:
        table.open()
        table.write(_INSERT_FROM_FILE, {"path": str(parquet), "structure": _STRUCTURE})
    finally:
        table.close()
