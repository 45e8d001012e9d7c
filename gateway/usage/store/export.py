"""Single calls as a file: CSV, NDJSON or Parquet, of any size, in constant memory.

Rules:
- An event is there once, and the same calls are there as in the history.
- They come by owner and then by time, the earliest first: the order in which the table has them.
- CSV is RFC 4180 with a header. A text that a spreadsheet would take for a formula has an apostrophe before it. An
  unknown number is an empty field; `table_names` are in `table_name`, joined by `, `.
- NDJSON has the fields of a history item; an unknown number is `null`.
- Parquet has the same fields with types of its own: `created_at` is a time, `table_names` a list.
"""

# ruff: noqa: S608 - constants of this module and of `queries` are all that is formatted into queries

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from enum import StrEnum

from gateway.usage.store.models import HistoryFilters
from gateway.usage.store.queries import where
from gateway.usage.store.table import LOG_TABLE, UsageTable

MAX_SECONDS = 3600
"""An export that takes longer is ended by ClickHouse."""
MAX_BYTES = 1 << 30
"""So does one that needs more memory."""

_SETTINGS = (
    # Small blocks and few threads bound the memory: it is the number of parts that counts.
    "max_threads = 1, max_block_size = 8192, optimize_read_in_order = 1, prefer_column_name_to_alias = 1, "
    f"max_execution_time = {MAX_SECONDS}, max_memory_usage = {MAX_BYTES}, "
    "date_time_output_format = 'iso', format_csv_null_representation = '', "
    "output_format_json_quote_64bit_integers = 0, output_format_json_escape_forward_slashes = 0, "
    "output_format_parquet_row_group_size = 50000, output_format_parquet_parallel_encoding = 0, "
    "output_format_parquet_write_bloom_filter = 0"
)
_TABLE_NAME = "nullIf(arrayStringConcat(table_names, ', '), '') AS table_name"
_NAMES = "table_names"
_HEAD = ("event_id", "created_at", "key_id", "key_name", "owner", "tool_name")
_TAIL = (
    *("record_count", "count_method", "is_error", "status", "duration_ms", "response_bytes", "client_name"),
    *("client_version", "session_id", "request_id", "protocol_version", "client_ip", "gateway_id", "arguments_hash"),
)
_FREE_TEXTS = frozenset(
    {"key_name", "owner", "tool_name", "client_name", "client_version", "session_id", "request_id"}
    | {"protocol_version", "gateway_id", "table_name"}
)
_FORMULA = r"^[=+\\-@\\t\\r\\n\\x{FF1D}\\x{FF0B}\\x{FF0D}\\x{FF20}]"
"""What makes a spreadsheet calculate, full-width forms among it (OWASP, CSV injection), in a string of ClickHouse."""


class Format(StrEnum):
    """What the file is."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


MEDIA_TYPES = {
    Format.CSV: "text/csv",
    Format.NDJSON: "application/x-ndjson",
    Format.PARQUET: "application/vnd.apache.parquet",
}
_ENGINE_FORMATS = {Format.CSV: "CSVWithNames", Format.NDJSON: "JSONEachRow", Format.PARQUET: "Parquet"}


async def export(table: UsageTable, filters: HistoryFilters, fmt: Format) -> AsyncGenerator[bytes]:
    """The file, piece by piece. Raises `ExportsBusy` and `UsageTableUnavailable`, also amid the file: it is not whole
    then.
    """
    conditions, parameters = where(filters, table.first_day)
    sql = (
        f"SELECT {', '.join(_columns(fmt))} FROM {LOG_TABLE} FINAL {conditions} "
        f"ORDER BY owner, created_at, event_id SETTINGS {_SETTINGS}"
    )
    outlet = await asyncio.to_thread(table.export_stream, sql, parameters, _ENGINE_FORMATS[fmt])
    try:
        while piece := await asyncio.to_thread(outlet.read):
            yield piece
    finally:
        await asyncio.shield(asyncio.to_thread(outlet.close))


def _columns(fmt: Format) -> list[str]:
    if fmt is not Format.CSV:
        return [*_HEAD, _TABLE_NAME, _NAMES, *_TAIL]
    return [_harmless(name) for name in (*_HEAD, "table_name", *_TAIL)]


def _harmless(name: str) -> str:
    if name not in _FREE_TEXTS:
        return name
    text = "arrayStringConcat(table_names, ', ')" if name == "table_name" else name
    return f"if(match({text}, '{_FORMULA}'), concat('''', {text}), {text}) AS {name}"
