"""A log: a table of rows that are inserted once and never changed, each with an id and a time."""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from gateway.audit import entry as audit_entry
from gateway.audit.entry import AuditEntry
from gateway.usage import denial_count
from gateway.usage.denial_count import DenialCount
from gateway.usage.store.columns import is_storable_time
from gateway.usage.store.names import AUDIT_TABLE, DENIALS_TABLE

if TYPE_CHECKING:
    from gateway.usage.store.table import UsageTable

_IDS_PER_QUERY = 1000


class LogRow(Protocol):
    """One row."""

    @property
    def id(self) -> str: ...
    @property
    def created_at(self) -> int: ...


Row = TypeVar("Row", bound=LogRow)


class LogTable(Generic[Row]):
    """A log, and the form in which its rows travel through the usage stream."""

    def __init__(
        self,
        name: str,
        field: str,
        types: Mapping[str, str],
        pack: Callable[[Sequence[Row]], bytes],
        unpack: Callable[[bytes], Sequence[Row]],
    ) -> None:
        """`field` is that of the usage stream. `types` are the columns, which are named like the fields of a row."""
        self.name = name
        self.field = field
        self.types = types
        self.pack = pack
        self.unpack = unpack

    async def insert(self, table: UsageTable, rows: Sequence[Row], token: str) -> None:
        """Insert rows, unless they were inserted under this token. Raises what `UsageTable.insert` raises."""
        columns = [[getattr(row, name) for row in rows] for name in self.types]
        await table.insert_columns_async(self.name, self.types, columns, token)

    async def without_stored(self, table: UsageTable, rows: Sequence[Row]) -> list[Row]:
        """Return the rows that the table lacks. Raises `UsageTableUnavailable`."""
        stored: set[str] = set()
        for start in range(0, len(rows), _IDS_PER_QUERY):
            chunk = rows[start : start + _IDS_PER_QUERY]
            found = await table.query_async(
                f"SELECT id FROM {self.name}"
                " WHERE created_at >= fromUnixTimestamp64Milli({first:Int64}, 'UTC')"
                " AND created_at <= fromUnixTimestamp64Milli({last:Int64}, 'UTC')"
                " AND id IN {ids:Array(String)}",
                {
                    "first": min(row.created_at for row in chunk),
                    "last": max(row.created_at for row in chunk),
                    "ids": [row.id for row in chunk],
                },
            )
            stored |= {row[0] for row in found}
        return [row for row in rows if row.id not in stored]


def rejection_reason(row: LogRow) -> str | None:
    """Return the reason why no log can hold a row; `None` if it can."""
    return None if is_storable_time(row.created_at) else f"created_at {row.created_at} is out of range"


AUDIT_LOG = LogTable[AuditEntry](
    AUDIT_TABLE,
    audit_entry.STREAM_FIELD,
    {
        "id": "String",
        "created_at": "DateTime64(3, 'UTC')",
        "actor": "LowCardinality(String)",
        "act": "LowCardinality(String)",
        "object": "String",
        "address": "String",
        "before": "String",
        "after": "String",
        "result": "LowCardinality(String)",
    },
    audit_entry.pack,
    audit_entry.unpack,
)
DENIALS_LOG = LogTable[DenialCount](
    DENIALS_TABLE,
    denial_count.STREAM_FIELD,
    {
        "id": "String",
        "created_at": "DateTime64(3, 'UTC')",
        "owner": "LowCardinality(String)",
        "key_id": "LowCardinality(String)",
        "tool_name": "LowCardinality(String)",
        "status": "UInt16",
        "reason": "LowCardinality(String)",
        "count": "UInt64",
        "gateway_id": "LowCardinality(String)",
    },
    denial_count.pack,
    denial_count.unpack,
)
LOGS = {log.field.encode(): log for log in (AUDIT_LOG, DENIALS_LOG)}
"""The logs by the field of the usage stream."""
