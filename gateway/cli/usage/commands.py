"""Registers the commands of `mcp-gateway usage`, and compares accepted with stored calls."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import typer

from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_json, print_pairs
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.support.usage_table import usage_table
from gateway.cli.usage import dead_letters, denials, export, readers, stats

app = typer.Typer()
app.callback(invoke_without_command=True)(stats.show)
app.command()(export.export)
app.command()(readers.readers)
app.command()(denials.denials)
app.add_typer(dead_letters.app, name="dead-letters")


@app.command()
def reconcile(
    days: Annotated[int, typer.Option(min=1, max=365, help="Number of days, today included.")] = 30,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Compare accepted calls with those that are written, waiting, spooled or dead letters.

    The exit code is 1 if they do not balance.

    \b
    Example:
      mcp-gateway usage reconcile --days 7
    """
    balance = with_stores(config, data_dir, lambda stores: _balance(stores, days))
    if as_json:
        print_json(balance)
    else:
        names = ("since", "accepted", "written", "waiting", "spooled", "dead_lettered", "dropped", "summed")
        print_pairs([(name.replace("_", " "), str(balance[name])) for name in names])
    if not balance["balanced"]:
        raise CliError('usage does not balance: see "When usage does not balance" in docs/how-to/operate.md')


async def _balance(stores: Stores, days: int) -> dict[str, Any]:
    async with usage_table(stores) as table:
        if table is None:
            return dict(await admin_client.get_json(stores, "/api/mcp-usage/reconcile", {"days": str(days)}))
        # Imported here: the other commands need no ClickHouse client.
        from gateway.usage.reconciliation import reconcile

        return dict(msgspec.to_builtins(await reconcile(stores.redis, table, days)))
