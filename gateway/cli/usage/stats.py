"""`mcp-gateway usage`: statistics of the last days, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_json, print_stderr, print_table, printable
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.usage.database import usage_table

_NUMBERS = ("calls", "errors", "records", "unknown_records", "bytes")


class By(StrEnum):
    """Groupings."""

    TOOL = "tool"
    TABLE = "table"
    KEY = "key"
    DAY = "day"


_NAMES = {By.TOOL: ("tool_name",), By.TABLE: ("table_name",), By.KEY: ("key_id", "key_name"), By.DAY: ("day",)}


def show(
    context: typer.Context,
    days: Annotated[int, typer.Option(min=1, max=1000, help="Number of days (UTC), today included.")] = 30,
    by: Annotated[By, typer.Option(help="Grouping of the rows.")] = By.TOOL,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="Calls of one user.", show_default="all")] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Show what was called and read: calls, errors, records and bytes, the most calls first.

    \b
    Examples:
      mcp-gateway usage                      # by tool, the last 30 days
      mcp-gateway usage --days 7 --by table
      mcp-gateway usage export --format csv --output usage.csv
    """
    if context.invoked_subcommand is not None:
        _refuse_options_of(context)
        return
    found = with_stores(config, data_dir, lambda stores: _stats(stores, days, owner and owner.strip().casefold()))
    if as_json:
        print_json(found)
        return
    rows = found[f"by_{by}"]
    header = (*(name.replace("_", " ").upper() for name in (*_NAMES[by], *_NUMBERS)),)
    total = ("total", *("" for _ in _NAMES[by][1:]), *_numbers(found["totals"]))
    print_table(header, [*((*_named(row, by), *_numbers(row)) for row in rows), total])
    if by is By.TABLE and sum(row["calls"] for row in rows) > found["totals"]["calls"]:
        print_stderr("a call that read several tables is counted in each of their rows, and once in the total")
    if found["truncated"]:
        print_stderr("only the rows with the most calls are shown; the total includes all")


def _refuse_options_of(context: typer.Context) -> None:
    """Raise `CliError` for options before a subcommand, which would be ignored."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            raise CliError(f"put options after `{context.invoked_subcommand}`")


async def _stats(stores: Stores, days: int, owner: str | None) -> dict[str, Any]:
    async with usage_table(stores) as table:
        if table is None:
            whose = {"all": "true"} if owner is None else {"owner": owner}
            return dict(await admin_client.get_json(stores, "/api/mcp-usage/stats", {"days": str(days), **whose}))
        from gateway.usage.consumer.read_your_writes import wait_until_stored
        from gateway.usage.store import queries

        await wait_until_stored(stores.redis)
        return dict(msgspec.to_builtins(await queries.stats(table, days, owner)))


def _named(row: Mapping[str, Any], by: By) -> tuple[str, ...]:
    return tuple("(none)" if row[name] is None else printable(str(row[name])) for name in _NAMES[by])


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{row[name]:,}" for name in _NUMBERS)
