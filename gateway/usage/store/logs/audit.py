"""Queries on the audit log.

- Entries are read newest first, and a page continues below the last entry of the one before it.
- The actor, the act and the object may be globs: `*` is any text, `?` one character. The case of actors and
  objects does not matter, since it does not in emails.
- An export has the same fields. `before` and `after` are JSON objects in NDJSON, and their texts in CSV and Parquet.
"""

# ruff: noqa: S608 - constants of this package are all that is formatted into queries

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any, NamedTuple

import msgspec

from gateway.timestamps import format_rfc3339
from gateway.usage.store.export import SETTINGS, stream_result, without_formula
from gateway.usage.store.formats import Format
from gateway.usage.store.logs.log_table import AUDIT_LOG
from gateway.usage.store.queries.filters import TIMES, selected
from gateway.usage.store.table import UsageTable

_CONDITIONS = {
    "actor": "actor ILIKE {actor:String}",
    "act": "act LIKE {act:String}",
    "object_": "object ILIKE {object_:String}",
    **TIMES,
}
_GLOBS = ("actor", "act", "object_")
_LIKE = str.maketrans({"\\": r"\\", "%": r"\%", "_": r"\_", "*": "%", "?": "_"})
_FREE_TEXTS = ("actor", "object", "address")
_CREATED_AT = "concat(replaceOne(toString(created_at), ' ', 'T'), 'Z')"
_LINE = ", ',', ".join(
    [
        *(
            f"'\"{name}\":', toJSONString({_CREATED_AT if name == 'created_at' else f'toString({name})'})"
            for name in ("id", "created_at", "actor", "act", "object", "address")
        ),
        *(f"'\"{name}\":', {name}" for name in ("before", "after")),
        "'\"result\":', toJSONString(toString(result))",
    ]
)
"""Arguments of `concat` that make an entry as a JSON object, without its braces."""


class AuditFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Selects entries; `None` does not filter. Times are milliseconds since the epoch, `until` exclusive."""

    actor: str | None = None
    act: str | None = None
    object_: str | None = None
    since: int | None = None
    until: int | None = None


class AuditItem(msgspec.Struct, frozen=True, kw_only=True):
    """An act: who did it, and what it changed."""

    id: str
    created_at: str
    actor: str
    """Email of the user, or the operating system's user on the command line. For a login, the email that was sent."""
    act: str
    object: str
    """The key id, email or path that the act is about; empty for none."""
    address: str
    """Client address."""
    before: dict[str, Any]
    """The changed fields before the act."""
    after: dict[str, Any]
    """The same fields after it, or details of an act that changes nothing."""
    result: str
    """`ok`, `denied` or `failed`."""


class Position(NamedTuple):
    """The time and id of an entry, by which entries are ordered."""

    created_at: int
    id: str


class AuditPage(NamedTuple):
    """Entries, newest first, and the position after which the next page begins; `None` on the last page."""

    items: list[AuditItem]
    next_position: Position | None


async def read_page(table: UsageTable, filters: AuditFilters, limit: int, after: Position | None = None) -> AuditPage:
    """Return at most `limit` entries, newest first. Raises `UsageTableUnavailable`."""
    where, parameters = _where(filters)
    if after is not None:
        # The first condition alone prunes by the primary key.
        where += (
            " AND created_at <= fromUnixTimestamp64Milli({after:Int64}, 'UTC')"
            " AND (created_at, id) < (fromUnixTimestamp64Milli({after:Int64}, 'UTC'), {after_id:String})"
        )
        parameters |= {"after": after.created_at, "after_id": after.id}
    rows = await _distinct_rows(table, where, parameters, limit + 1)
    page = rows[:limit]
    next_position = Position(page[-1][1], page[-1][0]) if len(rows) > limit else None
    return AuditPage([_item(row) for row in page], next_position)


async def _distinct_rows(
    table: UsageTable, where: str, parameters: dict[str, Any], limit: int
) -> list[tuple[Any, ...]]:
    """Return the first rows, each once.

    `LIMIT BY` would read the whole table; copies of a row are next to each other.
    """
    size = limit
    while True:
        size *= 2
        rows = await table.query_async(
            "SELECT id, toUnixTimestamp64Milli(created_at), actor, act, object, address, before, after, result "
            f"FROM {AUDIT_LOG.name} {where} ORDER BY created_at DESC, id DESC LIMIT {{limit:UInt32}}",
            {**parameters, "limit": size},
        )
        distinct = list({row[0]: row for row in rows}.values())
        if len(distinct) >= limit or len(rows) < size:
            return distinct[:limit]


def export(table: UsageTable, filters: AuditFilters, fmt: Format) -> AsyncGenerator[bytes]:
    """Yield the entries as a file, oldest first, in chunks.

    Raises `ExportsBusy` and `UsageTableUnavailable`, the latter also after some chunks: then the file is incomplete.
    """
    where, parameters = _where(filters)
    columns, engine_format = _columns(fmt)
    sql = f"SELECT {columns} FROM {AUDIT_LOG.name} FINAL {where} ORDER BY created_at, id SETTINGS {SETTINGS}"
    return stream_result(table, sql, parameters, engine_format)


def _where(filters: AuditFilters) -> tuple[str, dict[str, Any]]:
    conditions, parameters = selected(filters, _CONDITIONS)
    parameters |= {name: parameters[name].translate(_LIKE) for name in _GLOBS if name in parameters}
    return f"WHERE {' AND '.join(['1', *conditions])}", parameters


def _columns(fmt: Format) -> tuple[str, str]:
    """Return the selected columns, and ClickHouse's name of the format."""
    match fmt:
        case Format.CSV:
            names = [without_formula(name, name) if name in _FREE_TEXTS else name for name in AUDIT_LOG.types]
            return ", ".join(names), "CSVWithNames"
        case Format.NDJSON:
            return f"concat('{{', {_LINE}, '}}') AS line", "TSVRaw"
        case Format.PARQUET:
            return ", ".join(AUDIT_LOG.types), "Parquet"


def _item(row: tuple[Any, ...]) -> AuditItem:
    entry_id, created_at, actor, act, object_, address, before, after, result = row
    return AuditItem(
        id=entry_id,
        created_at=format_rfc3339(created_at),
        actor=actor,
        act=act,
        object=object_,
        address=address,
        before=msgspec.json.decode(before),
        after=msgspec.json.decode(after),
        result=result,
    )
