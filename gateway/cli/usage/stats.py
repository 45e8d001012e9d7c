"""`mcp-gateway usage`: statistics of a period, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

import msgspec
import typer

from gateway.cli.support import admin_client, options, period
from gateway.cli.support.output import CliError, print_json, print_stderr, print_table, printable
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.support.usage_table import usage_table
from gateway.keys.listing import label_values

if TYPE_CHECKING:
    from gateway.usage.store.queries.models import Stats
    from gateway.usage.store.table import UsageTable

_NUMBERS = ("calls", "errors", "denied", "records", "unknown_records", "bytes")
_PERCENTILES = ("p50_ms", "p95_ms", "p99_ms")


class By(StrEnum):
    """Groupings."""

    TOOL = "tool"
    TABLE = "table"
    KEY = "key"
    DAY = "day"
    HOUR = "hour"
    OWNER = "owner"
    CLIENT = "client"
    LABEL = "label"


_NAMES = {
    By.TOOL: ("tool_name",),
    By.TABLE: ("table_name",),
    By.KEY: ("key_id", "key_name"),
    By.DAY: ("day",),
    By.HOUR: ("hour",),
    By.OWNER: ("owner",),
    By.CLIENT: ("client_name",),
    By.LABEL: ("value",),
}
_OPTIONAL: dict[By, Literal["owner", "client", "hour"]] = {By.OWNER: "owner", By.CLIENT: "client", By.HOUR: "hour"}


def show(
    context: typer.Context,
    days: period.Days = None,
    by: Annotated[By, typer.Option(help="Grouping of the rows.")] = By.TOOL,
    label: Annotated[str | None, typer.Option(metavar="NAME", help="The label for `--by label`.")] = None,
    since: period.Since = None,
    until: period.Until = None,
    zone: period.Zone = None,
    owner: Annotated[str | None, typer.Option(metavar="EMAIL", help="Calls of one user.", show_default="all")] = None,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config: options.ConfigFile = None,
) -> None:
    """Usage statistics, exports, and delivery.

    Without a command, show what was called and read: calls, errors, records, bytes and durations, the most calls first.

    \b
    Examples:
      mcp-gateway usage                      # by tool, the last 30 days
      mcp-gateway usage --days 7 --by table
      mcp-gateway usage --from 2026-01-01 --to 2026-01-31 --tz Europe/Berlin --by label --label team
      mcp-gateway usage export --format csv --output usage.csv
    """
    if context.invoked_subcommand is not None:
        _refuse_options_of(context)
        return
    if (by is By.LABEL) != (label is not None):
        raise CliError("`--by label` needs the name of a label: --label NAME")
    chosen = period.Chosen(days, since, until, zone)
    wanted = _Wanted(chosen, options.stored_email(owner), by, label)
    found = with_stores(config, data_dir, lambda stores: _stats(stores, wanted))
    if as_json:
        print_json(found)
        return
    _print(found, by)


class _Wanted(NamedTuple):
    period: period.Chosen
    owner: str | None
    by: By
    label: str | None


def _print(found: Mapping[str, Any], by: By) -> None:
    rows = found[f"by_{by}"]
    header = (*(name.replace("_", " ").upper() for name in (*_NAMES[by], *_NUMBERS, *_PERCENTILES)),)
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


async def _stats(stores: Stores, wanted: _Wanted) -> dict[str, Any]:
    async with usage_table(stores) as table:
        if table is None:
            query = wanted.period.query() | admin_client.owner_query(wanted.owner)
            query |= {f"by_{wanted.by}": "true"} if wanted.by in _OPTIONAL else {}
            query |= {} if wanted.label is None else {"by_label": wanted.label}
            return dict(await admin_client.get_json(stores, "/api/mcp-usage/stats", query))
        return dict(msgspec.to_builtins(await _read(stores, table, wanted)))


async def _read(stores: Stores, table: UsageTable, wanted: _Wanted) -> Stats:
    from gateway.usage.consumer.read_your_writes import wait_until_stored
    from gateway.usage.store.queries.filters import CallFilters
    from gateway.usage.store.queries.period import InvalidPeriod
    from gateway.usage.store.queries.statistics import StatsRequest, stats

    request = StatsRequest(
        period=wanted.period.for_statistics(),
        filters=CallFilters(owner=wanted.owner),
        by=frozenset(name for by, name in _OPTIONAL.items() if by is wanted.by),
        label_values=None if wanted.label is None else await label_values(stores.keys, wanted.owner, wanted.label),
    )
    await wait_until_stored(stores.redis)
    try:
        return await stats(table, request)
    except InvalidPeriod as error:
        raise CliError(f"--by {wanted.by} {error.detail}") from None


def _named(row: Mapping[str, Any], by: By) -> tuple[str, ...]:
    return tuple("(none)" if row[name] is None else printable(str(row[name])) for name in _NAMES[by])


def _numbers(row: Mapping[str, Any]) -> tuple[str, ...]:
    percentiles = ("-" if row[name] is None else f"{row[name]:,.4g}" for name in _PERCENTILES)
    return (*(f"{row[name]:,}" for name in _NUMBERS), *percentiles)
