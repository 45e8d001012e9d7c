"""Exports of single calls: CSV, NDJSON or Parquet, of any size, in constant memory.

Rules:
- Each event occurs once, and the calls are those of the history.
- They are ordered by owner and time, the earliest first: the order of the table.
- CSV is RFC 4180 with a header. Text that a spreadsheet would take for a formula is prefixed with an apostrophe. An
  unknown number is an empty field; `table_names` are in `table_name`, joined by `, `, and so are `written_tables` and
  `count_signs`.
- NDJSON has the fields of a history item; an unknown number is `null`.
- Parquet has the same fields with native types: `created_at` is a time, `table_names` a list.
"""

# ruff: noqa: S608 - constants of this module and of `queries` are all that is formatted into queries

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from gateway.usage.store.formats import ENGINE_FORMATS, Format
from gateway.usage.store.names import LOG_TABLE
from gateway.usage.store.queries.filters import CallFilters, where
from gateway.usage.store.table import UsageTable

MAX_SECONDS = 3600
"""ClickHouse cancels an export that takes longer."""
MAX_MEMORY_BYTES = 1 << 30
"""ClickHouse cancels an export that needs more memory."""

SETTINGS = (
    # Small blocks and one thread bound the memory, which depends on the number of parts.
    "max_threads = 1, max_block_size = 8192, optimize_read_in_order = 1, prefer_column_name_to_alias = 1, "
    f"max_execution_time = {MAX_SECONDS}, max_memory_usage = {MAX_MEMORY_BYTES}, "
    "date_time_output_format = 'iso', format_csv_null_representation = '', "
    "output_format_json_quote_64bit_integers = 0, output_format_json_escape_forward_slashes = 0, "
    "output_format_parquet_row_group_size = 50000, output_format_parquet_parallel_encoding = 0, "
    "output_format_parquet_write_bloom_filter = 0"
)
_TABLE_NAME = "nullIf(arrayStringConcat(table_names, ', '), '') AS table_name"
_HEAD = ("event_id", "created_at", "key_id", "key_name", "owner", "tool_name")
_TAIL = (
    *("record_count", "count_method", "is_error", "status", "duration_ms", "response_bytes", "client_name"),
    *("client_version", "session_id", "request_id", "protocol_version", "client_ip", "gateway_id", "arguments_hash"),
    *("written_tables", "count_path", "count_witness", "count_signs", "count_confidence"),
)
_FREE_TEXTS = frozenset(
    {"key_name", "owner", "tool_name", "client_name", "client_version", "session_id", "request_id"}
    | {"protocol_version", "gateway_id", "table_name", "written_tables", "count_path", "count_witness", "count_signs"}
)
_JOINED = {"table_name": "table_names", "written_tables": "written_tables", "count_signs": "count_signs"}
"""Fields of CSV that join the names in a column."""
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""First characters of a formula, full-width forms included (OWASP, CSV injection)."""
_FORMULA = "^[" + "".join(rf"\\x{{{ord(start):04X}}}" for start in FORMULA_STARTS) + "]"
"""The same as a regular expression, in a string of ClickHouse."""


def export(table: UsageTable, filters: CallFilters, fmt: Format) -> AsyncGenerator[bytes]:
    """Yield the file in chunks. Raises `ExportsBusy` and `UsageTableUnavailable`, the latter also after some chunks:
    then the file is incomplete.
    """
    conditions, parameters = where(filters, table.first_day)
    sql = (
        f"SELECT {', '.join(_columns(fmt))} FROM {LOG_TABLE} FINAL {conditions} "
        f"ORDER BY owner, created_at, event_id SETTINGS {SETTINGS}"
    )
    return stream_result(table, sql, parameters, ENGINE_FORMATS[fmt])


async def stream_result(
    table: UsageTable, sql: str, parameters: Mapping[str, Any], engine_format: str
) -> AsyncGenerator[bytes]:
    """Yield the result of a query in a format of ClickHouse in chunks. Raises what `export` raises."""
    stream = await asyncio.to_thread(table.export_stream, sql, parameters, engine_format)
    try:
        while chunk := await asyncio.to_thread(stream.read):
            yield chunk
    finally:
        await asyncio.shield(asyncio.to_thread(stream.close))


def _columns(fmt: Format) -> list[str]:
    if fmt is not Format.CSV:
        return [*_HEAD, _TABLE_NAME, "table_names", *_TAIL]
    return [_without_formula(name) for name in (*_HEAD, "table_name", *_TAIL)]


def _without_formula(name: str) -> str:
    if name not in _FREE_TEXTS:
        return name
    return without_formula(name, f"arrayStringConcat({_JOINED[name]}, ', ')" if name in _JOINED else name)


def without_formula(name: str, text: str) -> str:
    """Return the column `name` of a CSV: a text that no spreadsheet takes for a formula."""
    return f"if(match({text}, '{_FORMULA}'), concat('''', {text}), {text}) AS {name}"
