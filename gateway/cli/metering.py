"""`mcp-gateway metering`: explain how a call is counted, and suggest rules for unknown counts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from gateway.cli.support import admin_client, options
from gateway.cli.support.output import CliError, print_json, print_pairs, print_stderr
from gateway.cli.support.stores import Stores, with_stores
from gateway.cli.support.usage_table import usage_table
from gateway.settings import load_settings, read_rules_file

if TYPE_CHECKING:
    from gateway.metering.explain import Explanation
    from gateway.metering.rules.suggest import ToolUsage

app = typer.Typer(no_args_is_help=True, help="Metering: explain counts, and suggest rules.")

MAX_FILE_BYTES = 64 * 1024 * 1024
"""Bytes of a file with a recorded call."""

CallFile = Annotated[
    str, typer.Argument(metavar="FILE", help="JSON with tool, arguments and result; - for standard input.")
]


@app.command()
def explain(call: CallFile, as_json: options.Json = False, config_file: options.ConfigFile = None) -> None:
    """Explain how the tables and records of a call are found, step by step.

    FILE is JSON: {"tool": …, "arguments": {…}, "result": {…}}, or the JSON-RPC request and response.

    \b
    Examples:
      mcp-gateway metering explain call.json
      mcp-gateway metering explain call.json --config gateway.toml   # with the rules in that file
    """
    from gateway.metering.explain import explain as explain_call
    from gateway.metering.recorded_call import read_call
    from gateway.metering.rules.rules import Rules

    try:
        recorded = read_call(_read(call))
    except ValueError as error:
        raise CliError(f"{'standard input' if call == '-' else call} {error}") from None
    path = load_settings(config_file).metering_rules
    rules = Rules() if path is None else read_rules_file(path)
    explanation = explain_call(recorded.tool, recorded.arguments, recorded.result_json, rules, recorded.hints)
    if as_json:
        print_json({"tool": recorded.tool, **_as_json(explanation)})
    else:
        _print(explanation)


def _as_json(explanation: Explanation) -> dict[str, Any]:
    result = explanation.result
    return {
        "tables": list(result.tables),
        "records": result.records,
        "count_method": result.method,
        "because": explanation.reason,
        "steps": [{"where": step.part, "found": step.finding} for step in explanation.steps],
    }


def _print(explanation: Explanation) -> None:
    result = explanation.result
    print_pairs(
        [
            ("tables", ", ".join(result.tables) or "none found"),
            ("records", "unknown" if result.records is None else str(result.records)),
            ("count_method", result.method),
            ("because", explanation.reason),
        ]
    )
    typer.echo("\nSteps:")
    print_pairs([(f"  {step.part}", step.finding) for step in explanation.steps])


@app.command()
def suggest(
    from_history: Annotated[bool, typer.Option("--from-history", help="For the calls in the usage history.")] = False,
    days: Annotated[int, typer.Option(min=1, max=1000, help="Days up to now.")] = 30,
    as_json: options.Json = False,
    data_dir: options.DataDir = None,
    config_file: options.ConfigFile = None,
) -> None:
    """Suggest metering rules for tools whose record counts are unknown.

    They are based on the output schemas in the tool lists that the gateway has forwarded.

    \b
    Example:
      mcp-gateway metering suggest --from-history >> gateway.toml   # review them before use
    """
    from gateway.metering.rules.suggest import suggest as suggest_rules
    from gateway.metering.rules.suggest import to_toml

    if not from_history:
        raise CliError("nothing to suggest rules for: add --from-history")
    usage, schemas = with_stores(config_file, data_dir, lambda stores: _load_history(stores, days))
    suggestions = suggest_rules(usage, schemas)
    if as_json:
        print_json([msgspec.to_builtins(one) for one in suggestions])
    elif suggestions:
        typer.echo(to_toml(suggestions), nl=False)
    else:
        print_stderr(f"No tool had a call of unknown count in the last {days} days.")


async def _load_history(stores: Stores, days: int) -> tuple[list[ToolUsage], dict[str, bytes]]:
    """Return the usage of every tool, and the schemas in the tool catalog."""
    from gateway.metering.rules.suggest import ToolUsage
    from gateway.proxy.tools.catalog_store import load_schemas

    instance = stores.instance
    upstream = instance.upstream_url if instance is not None else stores.settings.upstream_url
    rows = (await _load_stats(stores, days))["by_tool"]
    usage = [ToolUsage(row["tool_name"], row["calls"], row["unknown_records"]) for row in rows]
    return usage, await load_schemas(stores.redis, upstream) if upstream else {}


async def _load_stats(stores: Stores, days: int) -> dict[str, Any]:
    async with usage_table(stores) as table:
        if table is None:
            query = {"days": str(days), **admin_client.owner_query(None)}
            return dict(await admin_client.get_json(stores, "/api/mcp-usage/stats", query))
        # Imported here because the other commands need no ClickHouse client.
        from gateway.usage.store.queries.period import last_days
        from gateway.usage.store.queries.statistics import StatsRequest, stats

        request = StatsRequest(period=last_days(days, table.now_ms()))
        return dict(msgspec.to_builtins(await stats(table, request)))


def _read(name: str) -> str:
    try:
        data = sys.stdin.buffer.read(MAX_FILE_BYTES + 1) if name == "-" else _read_file(Path(name))
        if len(data) > MAX_FILE_BYTES:
            raise CliError(f"{name} is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB")
        return data.decode("utf-8-sig")
    except OSError as error:
        raise CliError(f"{name} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise CliError(f"{name} is not UTF-8") from None


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_FILE_BYTES + 1)
