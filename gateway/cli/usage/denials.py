"""`mcp-gateway usage denials`: what was refused with 403 or 429."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec
import typer

from gateway.cli.support import admin_client, options, period
from gateway.cli.support.output import CliError, print_json, print_stderr, print_table, printable
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.support.usage_table import usage_table

_NAMES = ("owner", "key_name", "key_id", "tool_name", "status", "reason")


class _Wanted(NamedTuple):
    period: period.Chosen
    owner: str | None
    filters: Mapping[str, Any]
    """By the name of the parameter of the admin API."""
    limit: int


def denials(
    days: period.AllDays = None,
    since: period.Since = None,
    until: period.Until = None,
    zone: period.Zone = None,
    owner: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Requests with keys of one user.", show_default="all")
    ] = None,
    key: Annotated[
        str | None, typer.Option(metavar="KEY_ID", help="Requests with one key.", show_default="all")
    ] = None,
    tool: Annotated[str | None, typer.Option(help="Calls of one tool.", show_default="all")] = None,
    status: Annotated[int | None, typer.Option(help="403 or 429.", show_default="both")] = None,
    reason: Annotated[str | None, typer.Option(help="Requests refused for one reason.", show_default="all")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Number of rows at most.")] = 1000,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Show how many requests the proxy refused with 403 or 429: by key, tool and reason, the most frequent first.

    \b
    Examples:
      mcp-gateway usage denials --days 1
      mcp-gateway usage denials --status 429 --owner ada@example.com --json
    """
    if status not in (None, 403, 429):
        raise CliError("--status must be 403 or 429")
    filters = {"key_id": key, "tool": tool, "status": status, "reason": reason}
    wanted = _Wanted(period.Chosen(days, since, until, zone), options.stored_email(owner), filters, limit)
    found, has_more = with_stores(config, data_dir, lambda stores: _denials(stores, wanted))
    if as_json:
        print_json({"denials": found, "truncated": has_more})
        return
    header = tuple(name.replace("_", " ").upper() for name in (*_NAMES, "count", "last_at"))
    print_table(header, [_columns(row) for row in found])
    if has_more:
        print_stderr("only the most frequent are shown: use --limit for more rows")


async def _denials(stores: Stores, wanted: _Wanted) -> tuple[list[dict[str, Any]], bool]:
    """Return the rows, and True if there are more."""
    async with usage_table(stores) as table:
        if table is None:
            return await _from_admin_api(stores, wanted)
        # Imported here: the other commands need no ClickHouse client.
        from gateway.usage.consumer.read_your_writes import wait_until_stored
        from gateway.usage.store.logs import denials as queries

        bounds = wanted.period.for_calls()
        filters = queries.DenialFilters(owner=wanted.owner, since=bounds.since, until=bounds.until, **wanted.filters)
        await wait_until_stored(stores.redis)
        page = await queries.read_page(table, filters, wanted.limit)
        page = page.named({key.key_id: key.key_name for key in await stores.keys.get_all(page.key_ids)})
        return msgspec.to_builtins(page.denials), page.next_position is not None


async def _from_admin_api(stores: Stores, wanted: _Wanted) -> tuple[list[dict[str, Any]], bool]:
    query = {name: str(value) for name, value in wanted.filters.items() if value is not None}
    query |= period.bounds_query(wanted.period.for_calls()) | admin_client.owner_query(wanted.owner)
    return await admin_client.get_items(stores, "/api/mcp-usage/denials", query, "denials", wanted.limit)


def _columns(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (*(printable(str(row[name])) for name in _NAMES), f"{row['count']:,}", row["last_at"])
