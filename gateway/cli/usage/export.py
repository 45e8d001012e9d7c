"""`mcp-gateway usage export`: writes single calls to a file."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.cli.support import admin_client, options, period
from gateway.cli.support.export import Export, FormatOption, Output, check_output, write_export
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.support.usage_table import usage_table
from gateway.usage.store.formats import Format

if TYPE_CHECKING:
    from gateway.usage.store.queries.period import Period


def export(
    fmt: FormatOption = Format.CSV,
    output: Output = None,
    since: period.Since = None,
    until: period.Until = None,
    zone: period.Zone = None,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="Calls of one user.", show_default="all")] = None,
    key_id: Annotated[str | None, typer.Option(metavar="ID", help="Calls with one key.")] = None,
    tool: Annotated[str | None, typer.Option(metavar="NAME", help="Calls of one tool.")] = None,
    table: Annotated[str | None, typer.Option(metavar="NAME", help="Calls that read one table.")] = None,
    client: Annotated[str | None, typer.Option(metavar="NAME", help="Calls of one client.")] = None,
    status: Annotated[str | None, typer.Option(help="Calls with ok, tool_error, rpc_error or denied.")] = None,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Write single calls to a file, ordered by owner and time.

    \b
    Examples:
      mcp-gateway usage export --output usage.csv
      mcp-gateway usage export --format parquet --from 2026-01-01 --to 2026-01-31 --output january.parquet
    """
    check_output(output, fmt)
    bounds = period.Chosen(None, since, until, zone).for_calls()
    values = {
        "owner": options.stored_email(owner), "key_id": key_id, "tool": tool, "table": table,
        "client": client, "status": status,
    }  # fmt: skip
    filters = {name: value for name, value in values.items() if value is not None}

    async def work(stores: Stores) -> None:
        async with _started(stores, filters, bounds, fmt) as started:
            await write_export(started, fmt, output)

    with_stores(config, data_dir, work)


@asynccontextmanager
async def _started(stores: Stores, filters: Mapping[str, str], bounds: Period, fmt: Format) -> AsyncIterator[Export]:
    async with usage_table(stores) as table:
        if table is None:
            query = {**filters, **period.bounds_query(bounds), **admin_client.owner_query(filters.get("owner"))}
            page = await admin_client.get_json(stores, "/api/mcp-usage/history", {**query, "page_size": "1"})
            chunks = admin_client.download(stores, "/api/mcp-usage/export", {**query, "format": fmt.value})
            yield Export(chunks, page["total"], "calls")
            return
        from gateway.usage.consumer.read_your_writes import wait_until_stored
        from gateway.usage.store.export import export as exported
        from gateway.usage.store.queries.filters import CallFilters
        from gateway.usage.store.queries.history import history

        history_filters = CallFilters(since=bounds.since, until=bounds.until, **filters)
        await stores.audit.record("usage.export", after={**filters, **period.bounds_query(bounds), "format": fmt.value})
        await wait_until_stored(stores.redis)
        page = await history(table, history_filters, 1, 1)
        yield Export(exported(table, history_filters, fmt), page.total, "calls")
