"""`mcp-gateway metering suggest`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_json, print_stderr
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.support.usage_table import usage_table

if TYPE_CHECKING:
    from gateway.metering.rules.suggest import Doubt, ToolUsage


def suggest(
    from_history: Annotated[bool, typer.Option("--from-history", help="For the calls in the usage history.")] = False,
    days: Annotated[int, typer.Option(min=1, max=1000, help="Days up to now.")] = 30,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Suggest metering rules for tools whose record counts are unknown.

    They are based on the places in which doubtful counts found the records (see mcp-gateway metering explain), and on
    the output schemas in the tool lists that the gateway has forwarded. Comments say where each comes from.

    \b
    Example:
      mcp-gateway metering suggest --from-history >> gateway.toml   # review them before use
    """
    from gateway.metering.rules.suggest import suggest as suggest_rules
    from gateway.metering.rules.suggest import to_toml

    if not from_history:
        raise CliError("nothing to suggest rules for: add --from-history")
    usage, schemas, doubts = with_stores(config_file, data_dir, lambda stores: _load_history(stores, days))
    suggestions = suggest_rules(usage, schemas, doubts)
    if as_json:
        print_json([msgspec.to_builtins(one) for one in suggestions])
    elif suggestions:
        typer.echo(to_toml(suggestions), nl=False)
    else:
        print_stderr(f"No tool had a call of unknown count in the last {days} days.")


async def _load_history(stores: Stores, days: int) -> tuple[list[ToolUsage], dict[str, bytes], list[Doubt]]:
    """Return the usage of every tool, the schemas in the tool catalog, and the doubtful counts."""
    from gateway.metering.rules.suggest import Doubt, ToolUsage
    from gateway.proxy.tools.catalog_store import load_schemas

    instance = stores.instance
    upstream = instance.upstream_url if instance is not None else stores.settings.upstream_url
    by_tool, doubts = await _load_usage(stores, days)
    usage = [ToolUsage(row["tool_name"], row["calls"], row["unknown_records"]) for row in by_tool]
    schemas = await load_schemas(stores.redis, upstream) if upstream else {}
    return usage, schemas, msgspec.convert(doubts, list[Doubt])


async def _load_usage(stores: Stores, days: int) -> tuple[list[Any], list[Any]]:
    """Return the statistics by tool, and the doubtful counts."""
    async with usage_table(stores) as table:
        if table is None:
            query = {"days": str(days), **admin_client.owner_query(None)}
            found = await admin_client.get_json(stores, "/api/mcp-usage/stats", query)
            doubted = await admin_client.get_json(stores, "/api/mcp-usage/doubts", query)
            return found["by_tool"], doubted["doubts"]
        # Imported here because the other commands need no ClickHouse client.
        from gateway.usage.store.queries.doubts import doubts
        from gateway.usage.store.queries.period import last_days
        from gateway.usage.store.queries.statistics import StatsRequest, stats

        period = last_days(days, table.now_ms())
        by_tool = (await stats(table, StatsRequest(period=period))).by_tool
        return msgspec.to_builtins(by_tool), msgspec.to_builtins((await doubts(table, period)).doubts)
