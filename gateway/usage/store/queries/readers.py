"""The readers of a table: who read it by which key, from which client, by which tool.

Tables that a call only wrote are not read, and calls that were denied read nothing.
"""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

import csv
import io
import re
from collections.abc import AsyncGenerator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from gateway.timestamps import format_rfc3339
from gateway.usage.store.export import FORMULA_STARTS
from gateway.usage.store.names import BY_DIMENSION_TABLE, LOG_TABLE, QUARTER_HOURLY_TABLE
from gateway.usage.store.queries.filters import and_owner, array_parameter
from gateway.usage.store.queries.models import Reader, Readers
from gateway.usage.store.queries.period import Period
from gateway.usage.store.queries.sources import QUARTER_HOUR_MS, in_ranges, seconds
from gateway.usage.store.queries.statistics import key_names, range_within_retention
from gateway.usage.store.table import UsageTable

MAX_READERS = 1000
MAX_EXPORTED_READERS = 100_000
_MAX_TABLES = 20_000
_GLOB = re.compile(r"[*?\[]")
_COLUMNS = "key_id, owner, client_name, tool_name"


async def readers(
    table: UsageTable, name: str, period: Period, owner: str | None = None, limit: int = MAX_READERS
) -> Readers:
    """Return the readers of the tables with a name or glob, those with the most calls first.

    Upper and lower case do not matter. Raises `UsageTableUnavailable`.
    """
    tables = await _matching(table, name, owner)
    rows = await _rows(table, tables, period, owner, limit + 1) if tables else []
    names = await key_names(table, owner, list({row[0] for row in rows}))
    found = tuple(
        Reader(
            key_id=key_id,
            key_name=names.get(key_id, ""),
            owner=of,
            client_name=client,
            tool_name=tool,
            calls=calls,
            records=records,
            first_at=format_rfc3339(first),
            last_at=format_rfc3339(last),
        )
        for key_id, of, client, tool, calls, records, first, last in rows[:limit]
    )
    return Readers(found, truncated=len(rows) > limit)


async def csv_file(found: Readers) -> AsyncGenerator[bytes]:
    """Yield the readers as CSV (RFC 4180); formulas of spreadsheets are prefixed with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(Reader.__struct_fields__)
    for reader in found.readers:
        writer.writerow(_without_formula(value) for value in msgspec.structs.astuple(reader))
    yield text.getvalue().encode()


def _without_formula(value: str | int) -> str | int:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


async def _matching(table: UsageTable, name: str, owner: str | None) -> list[str]:
    """Return the names of tables that match."""
    wanted = name.lower()
    if not _GLOB.search(name):
        return [name, wanted]
    rows = await table.query_async(
        f"SELECT DISTINCT value FROM {BY_DIMENSION_TABLE} WHERE dimension = 'table' AND value != ''"
        f"{and_owner(owner)} LIMIT {{limit:UInt32}}",
        {"owner": owner, "limit": _MAX_TABLES},
    )
    return [known for (known,) in rows if fnmatchcase(known.lower(), wanted)]


async def _rows(
    table: UsageTable, tables: Sequence[str], period: Period, owner: str | None, limit: int
) -> list[tuple[Any, ...]]:
    whole = range_within_retention(table, period)
    quarters = whole.whole(QUARTER_HOUR_MS)
    names, parameters = array_parameter("tables", tables)
    condition = f"hasAny(table_names, {names}){and_owner(owner)}"
    sources = []
    if quarters.since < quarters.until:
        sources.append(
            f"SELECT {_COLUMNS}, calls, records, first_at, last_at FROM {QUARTER_HOURLY_TABLE} "
            f"WHERE {condition} AND {in_ranges('since', [quarters], seconds)}"
        )
    if rest := whole.without(quarters):
        sources.append(
            f"SELECT {_COLUMNS}, 1 AS calls, ifNull(record_count, 0) AS records, created_at AS first_at, "
            f"created_at AS last_at FROM {LOG_TABLE} FINAL "
            f"WHERE {condition} AND status != 'denied' AND {in_ranges('created_at', rest)}"
        )
    if not sources:
        return []
    return await table.query_async(
        f"SELECT {_COLUMNS}, sum(calls) AS read, sum(records), toUnixTimestamp64Milli(assumeNotNull(min(first_at))), "
        f"toUnixTimestamp64Milli(assumeNotNull(max(last_at))) FROM ({' UNION ALL '.join(sources)}) "
        f"GROUP BY {_COLUMNS} HAVING read > 0 ORDER BY read DESC, {_COLUMNS} LIMIT {{limit:UInt32}}",
        {**parameters, "owner": owner, "limit": limit},
    )
