"""Entries of the audit log, from a ClickHouse server or else from the admin process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.cli.support import admin_client
from gateway.cli.support.export import Export
from gateway.cli.support.stores import Stores
from gateway.cli.support.usage_table import usage_table
from gateway.timestamps import parse_timestamp
from gateway.usage.store.formats import Format

if TYPE_CHECKING:
    from gateway.usage.store.logs.audit import AuditFilters


async def read_entries(stores: Stores, query: Mapping[str, str], limit: int) -> tuple[list[dict[str, Any]], bool]:
    """Return at most `limit` entries, newest first, as the admin API has them, and True if there are more.

    Raises `CliError`.
    """
    async with usage_table(stores) as table:
        if table is None:
            return await admin_client.get_items(stores, "/api/audit", query, "items", limit)
        # Imported here: the other commands need no ClickHouse client.
        from gateway.usage.consumer.read_your_writes import wait_until_stored
        from gateway.usage.store.logs.audit import read_page

        await wait_until_stored(stores.redis)
        page = await read_page(table, _filters(query), limit)
        return msgspec.to_builtins(page.items), page.next_position is not None


@asynccontextmanager
async def started_export(stores: Stores, query: Mapping[str, str], fmt: Format) -> AsyncIterator[Export]:
    """Start an export of the entries, and record it."""
    parameters = {**query, "format": fmt.value}
    async with usage_table(stores) as table:
        if table is None:
            yield Export(admin_client.download(stores, "/api/audit/export", parameters))
            return
        from gateway.usage.consumer.read_your_writes import wait_until_stored
        from gateway.usage.store.logs.audit import export

        await stores.audit.record("audit.export", after=parameters)
        await wait_until_stored(stores.redis)
        yield Export(export(table, _filters(query), fmt))


def _filters(query: Mapping[str, str]) -> AuditFilters:
    from gateway.usage.store.logs.audit import AuditFilters

    times = {name: parse_timestamp(query[name]) if name in query else None for name in ("from", "to")}
    return AuditFilters(
        actor=query.get("actor"),
        act=query.get("act"),
        object_=query.get("object"),
        since=times["from"],
        until=times["to"],
    )
