"""`mcp-gateway metering`: why a call is counted as it is, and rules for those whose count is unknown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli import options
from gateway.cli.output import CliError, print_json, print_pairs
from gateway.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="See how calls are counted, and write rules for those that are not.")

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
    from gateway.metering.recorded import read_call
    from gateway.metering.rules import Rules
    from gateway.metering_rules import read_rules_file

    try:
        recorded = read_call(_read(call))
    except ValueError as fault:
        raise CliError(f"{'standard input' if call == '-' else call} {fault}") from None
    path = load_settings(config_file).metering_rules
    rules = Rules() if path is None else read_rules_file(path)
    found = explained(recorded.tool, recorded.arguments, recorded.result_json, rules)
    answer = found.answer
    if as_json:
        print_json(
            {
                "tool": recorded.tool,
                "tables": list(answer.tables),
                "records": answer.records,
                "count_method": answer.method,
                "because": found.because,
                "steps": [{"where": step.where, "found": step.found} for step in found.steps],
            }
        )
        return
    print_pairs(
        [
            ("tables", ", ".join(answer.tables) or "none found"),
            ("records", "unknown" if answer.records is None else str(answer.records)),
            ("count_method", answer.method),
            ("because", found.because),
        ]
    )
    typer.echo("\nWhat was looked at:")
    print_pairs([(f"  {step.where}", step.found) for step in found.steps])


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
