"""`mcp-gateway top`: options, and the recent calls from ClickHouse or the admin process."""

from __future__ import annotations

import sys
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_json, print_table
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.support.usage_table import usage_table
from gateway.cli.top import view


class _Wanted(NamedTuple):
    by: view.By
    sort: view.Sort
    owner: str | None
    seconds: int
    interval: float


def top(
    by: Annotated[view.By, typer.Option(help="Grouping of the rows.")] = view.By.KEY_TOOL,
    sort: Annotated[view.Sort, typer.Option(help="Order of the rows, the largest first.")] = view.Sort.CALLS,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="Calls of one user.", show_default="all")] = None,
    seconds: Annotated[int, typer.Option(min=5, max=3600, help="Calls in so many seconds up to now.")] = 60,
    interval: Annotated[float, typer.Option(min=0.5, max=60, help="Seconds between two updates.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Print one table and end.")] = False,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Show live calls by key and tool.

    \b
    Shown are rate, errors, records and durations of the last minute, of all replicas, calls whose result was withheld
    (denied), and requests that were answered with 403 or 429 (refused); `q` ends it. Without a terminal,
    and with --once or --json, one table is printed.
    \b
    Examples:
      mcp-gateway top
      mcp-gateway top --by owner --sort errors
      mcp-gateway top --once --json
    """
    wanted = _Wanted(by, sort, options.stored_email(owner), seconds, interval)
    if as_json:
        print_json(with_stores(config, data_dir, lambda stores: _fetch(stores, wanted)))
    elif once or not sys.stdout.isatty():
        found = with_stores(config, data_dir, lambda stores: _fetch(stores, wanted))
        print_table(view.header(by), view.rows(found, by, sort))
    else:
        with_stores(config, data_dir, lambda stores: _watch(stores, wanted))


async def _watch(stores: Stores, wanted: _Wanted) -> None:
    # Imported here: only a terminal needs it.
    from gateway.cli.top.screen import Frame, full_screen

    found = await _fetch(stores, wanted)
    fault = ""
    async with full_screen() as screen:
        while True:
            status = fault or f"calls of the last {found['seconds']} s, by {wanted.by}; q ends"
            rows = view.rows(found, wanted.by, wanted.sort)
            screen.show(Frame(status, view.header(wanted.by), rows, view.name_columns(wanted.by), view.OPTIONAL))
            if await screen.wait(wanted.interval):
                return
            try:
                found, fault = await _fetch(stores, wanted), ""
            except CliError as error:
                fault = f"not updated: {error}"


async def _fetch(stores: Stores, wanted: _Wanted) -> dict[str, Any]:
    async with usage_table(stores) as table:
        if table is None:
            query = {"by": wanted.by.value, "seconds": str(wanted.seconds)}
            query |= admin_client.owner_query(wanted.owner)
            return dict(await admin_client.get_json(stores, "/api/mcp-usage/recent", query))
        # Imported here: the other commands need no ClickHouse client.
        from gateway.usage.consumer.read_your_writes import wait_until_stored
        from gateway.usage.store.queries.recent import recent_calls

        await wait_until_stored(stores.redis)
        found = await recent_calls(table, wanted.by.value, owner=wanted.owner, seconds=wanted.seconds)
        return dict(msgspec.to_builtins(found))
