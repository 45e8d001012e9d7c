"""`mcp-gateway metering explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.metering.call_file import CallFile, read_call_file
from gateway.cli.support import options
from gateway.cli.support.output import print_json, print_pairs
from gateway.settings import load_settings, read_rules_file

if TYPE_CHECKING:
    from gateway.metering.explain.explanation import Explanation


def explain(call: CallFile, as_json: options.Json = False, config_file: options.ConfigFile = None) -> None:
    """Explain how the tables and records of a call are found, step by step.

    FILE is JSON: {"tool": …, "arguments": {…}, "result": {…}}, or the JSON-RPC request and response.

    \b
    Examples:
      mcp-gateway metering explain call.json
      mcp-gateway metering explain call.json --config gateway.toml   # with the rules in that file
    """
    from gateway.metering.explain.explanation import explain as explain_call
    from gateway.metering.rules.rules import Rules

    recorded = read_call_file(call)
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
