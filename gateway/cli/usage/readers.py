"""`mcp-gateway usage readers`: who read a table."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.support import admin_client, options, period
from gateway.cli.support.output import print_json, print_stderr, print_table, printable
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.support.usage_table import usage_table

_NAMES = ("owner", "key_name", "key_id", "client_name", "tool_name")
_TIMES = ("first_at", "last_at")


def readers(
    table: Annotated[str, typer.Argument(help="Name of a table, or a glob such as 'stock_*'.")],
    days: period.AllDays = None,
    since: period.Since = None,
    until: period.Until = None,
    zone: period.Zone = None,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="Reads of one user.", show_default="all")] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Show who read a table: by which key, from which client, by which tool, how often and when.

    \b
    Examples:
      mcp-gateway usage readers stock_daily
      mcp-gateway usage readers 'stock_*' --days 90 --json
    """
    chosen = period.Chosen(days, since, until, zone)
    whose = options.stored_email(owner)
    found = with_stores(config, data_dir, lambda stores: _readers(stores, table, chosen, whose))
    if as_json:
        print_json(found)
        return
    header = tuple(name.replace("_", " ").upper() for name in (*_NAMES, "calls", "records", *_TIMES))
    print_table(header, [_columns(row) for row in found["readers"]])
    if found["truncated"]:
        print_stderr("only the rows with the most calls are shown")


async def _readers(stores: Stores, name: str, chosen: period.Chosen, owner: str | None) -> dict[str, Any]:
    bounds = chosen.for_calls()
    async with usage_table(stores) as table:
        if table is None:
            query = {"table": name, **period.bounds_query(bounds), **admin_client.owner_query(owner)}
            return dict(await admin_client.get_json(stores, "/api/mcp-usage/readers", query))
        # Imported here: the other commands need no ClickHouse client.
        from gateway.usage.consumer.read_your_writes import wait_until_stored
        from gateway.usage.store.queries import readers as queries

        await wait_until_stored(stores.redis)
        return dict(msgspec.to_builtins(await queries.readers(table, name, bounds, owner)))


def _columns(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        *(printable(row[name]) for name in _NAMES),
        f"{row['calls']:,}",
        f"{row['records']:,}",
        *(row[name] for name in _TIMES),
    )
