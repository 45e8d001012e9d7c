"""`mcp-gateway metering`: why a call is counted as it is, and rules for those whose count is unknown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_json, print_pairs, print_stderr
from gateway.cli.support.services import Services, with_services
from gateway.settings import load_settings, read_rules_file

if TYPE_CHECKING:
    from gateway.metering.rules.suggest import ToolUsage

app = typer.Typer(no_args_is_help=True, help="Metering: how calls are counted, and rules for it.")

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of a file with a call."""

CallFile = Annotated[
    str, typer.Argument(metavar="FILE", help="JSON with tool, arguments and result; - for standard input.")
]


@app.command()
def explain(call: CallFile, as_json: options.Json = False, config_file: options.ConfigFile = None) -> None:
    """Show which rule or shape gives a call's tables and records, and why.

    FILE is JSON: {"tool": …, "arguments": {…}, "result": {…}}, or the JSON-RPC request and response.

    \b
    Examples:
      mcp-gateway metering explain call.json
      mcp-gateway metering explain call.json --config gateway.toml   # with the rules in it
    """
    from gateway.metering.explain import explain as explained
    from gateway.metering.recorded_call import read_call
    from gateway.metering.rules.rules import Rules

    try:
        recorded = read_call(_read(call))
    except ValueError as fault:
        raise CliError(f"{'standard input' if call == '-' else call} {fault}") from None
    path = load_settings(config_file).metering_rules
    rules = Rules() if path is None else read_rules_file(path)
    found = explained(recorded.tool, recorded.arguments, recorded.result_json, rules, recorded.hints)
    answer = found.result
    if as_json:
        print_json(
            {
                "tool": recorded.tool,
                "tables": list(answer.tables),
                "records": answer.records,
                "count_method": answer.method,
                "because": found.reason,
                "steps": [{"where": step.part, "found": step.finding} for step in found.steps],
            }
        )
        return
    print_pairs(
        [
            ("tables", ", ".join(answer.tables) or "none found"),
            ("records", "unknown" if answer.records is None else str(answer.records)),
            ("count_method", answer.method),
            ("because", found.reason),
        ]
    )
    typer.echo("\nWhat was looked at:")
    print_pairs([(f"  {step.part}", step.finding) for step in found.steps])


@app.command()
def suggest(
    from_history: Annotated[bool, typer.Option("--from-history", help="For the calls in the usage history.")] = False,
    days: Annotated[int, typer.Option(min=1, max=1000, help="Days up to now.")] = 30,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Propose metering rules for tools whose record counts are unknown.

    They come from what the tools declare of their results, as far as lists of tools have passed the gateway.

    \b
    Example:
      mcp-gateway metering suggest --from-history >> gateway.toml   # then read them
    """
    from gateway.metering.rules.suggest import suggest as suggested
    from gateway.metering.rules.suggest import to_toml

    if not from_history:
        raise CliError("say what the rules are to be for: --from-history")
    counted, schemas = with_services(config_file, data_dir, lambda services: _history(services, days))
    found = suggested(counted, schemas)
    if as_json:
        print_json([msgspec.to_builtins(one) for one in found])
    elif found:
        typer.echo(to_toml(found), nl=False)
    else:
        print_stderr(f"No tool had a call of unknown count in the last {days} days.")


async def _history(services: Services, days: int) -> tuple[list[ToolUsage], dict[str, bytes]]:
    """The calls of every tool, and the schemas that were learned."""
    from gateway.metering.rules.suggest import ToolUsage
    from gateway.proxy.accounting.tool_catalog import load_schemas

    runtime = services.instance
    upstream = runtime.upstream_url if runtime is not None else services.settings.upstream_url
    rows = (await _stats(services, days))["by_tool"]
    counted = [ToolUsage(row["tool_name"], row["calls"], row["unknown_records"]) for row in rows]
    return counted, await load_schemas(services.redis, upstream) if upstream else {}


async def _stats(services: Services, days: int) -> dict[str, Any]:
    """From ClickHouse itself where it is a server, else from the admin process, which alone can open chDB."""
    url = services.settings.clickhouse_url
    if url is None or url.startswith("chdb:"):
        return dict(await admin_client.get_json(services, "/api/mcp-usage/stats", {"days": str(days), "all": "true"}))
    # Not at the top: the other commands need no ClickHouse client.
    from gateway.usage.store.errors import UsageTableUnavailable
    from gateway.usage.store.queries import stats
    from gateway.usage.store.table import UsageTable

    table = UsageTable(url, ttl_days=services.settings.usage_ttl_days, cluster=services.settings.clickhouse_cluster)
    try:
        return dict(msgspec.to_builtins(await stats(table, days)))
    except UsageTableUnavailable as error:
        raise CliError(str(error)) from None
    finally:
        table.close()


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read(MAX_BYTES + 1) if name == "-" else _bytes_of(Path(name))
        if len(data) > MAX_BYTES:
            raise CliError(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MiB")
        return data.decode("utf-8-sig")
    except OSError as fault:
        raise CliError(f"{name} cannot be read: {fault.strerror or fault}") from None
    except UnicodeDecodeError:
        raise CliError(f"{name} is not UTF-8") from None


def _bytes_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
