"""`mcp-gateway metering explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from gateway.cli.metering.call_file import CallFile, read_call_file
from gateway.cli.support import options
from gateway.cli.support.output import counted, print_json, print_pairs
from gateway.metering.confidence import THRESHOLD
from gateway.settings import load_settings, read_rules_file

if TYPE_CHECKING:
    from gateway.metering.explain.candidates import Candidate
    from gateway.metering.explain.explanation import Explanation


def explain(call: CallFile, as_json: options.Json = False, config_file: options.ConfigFile = None) -> None:
    """Explain how the tables and records of a call are found, step by step.

    FILE is JSON: {"tool": …, "arguments": {…}, "result": {…}}, or the JSON-RPC request and response.

    Signs are observations for and against the count. Their weights add up to its confidence; below a threshold the
    count is unknown. Candidates are the parts of the result that could have given the count.

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
        "confidence": result.confidence,
        "threshold": THRESHOLD,
        "path": result.path,
        "witness": result.witness,
        "signs": [{"sign": sign.value, "weight": sign.weight, "text": sign.text} for sign in result.signs],
        "candidates": [
            {
                "where": one.place,
                "records": one.records,
                "count_method": one.method,
                "confidence": one.confidence,
                "signs": [sign.value for sign in one.signs],
                "won": one.has_won,
                "because": one.reason,
            }
            for one in explanation.candidates
        ],
        "steps": [{"where": step.part, "found": step.finding} for step in explanation.steps],
    }


def _print(explanation: Explanation) -> None:
    result = explanation.result
    pairs = [
        ("tables", ", ".join(result.tables) or "none found"),
        ("records", "unknown" if result.records is None else str(result.records)),
        ("count_method", result.method),
        ("because", explanation.reason),
    ]
    if result.confidence is not None:
        pairs.append(("confidence", f"{_percent(result.confidence)}, unknown below {_percent(THRESHOLD)}"))
    pairs += [(name, text) for name, text in (("counted in", result.path), ("stated by", result.witness)) if text]
    print_pairs(pairs)
    if result.signs:
        typer.echo("\nSigns:")
        print_pairs([(f"  {sign.weight:+.1f}", sign.text) for sign in result.signs])
    if explanation.candidates:
        typer.echo("\nCandidates:")
        print_pairs([(f"  {one.place}", _describe(one)) for one in explanation.candidates])
    typer.echo("\nSteps:")
    print_pairs([(f"  {step.part}", step.finding) for step in explanation.steps])


def _describe(candidate: Candidate) -> str:
    outcome = "won" if candidate.has_won else "lost"
    if not candidate.signs:
        return f"{outcome}: a list of {candidate.records}; {candidate.reason}"
    records = "no number" if candidate.records is None else counted(candidate.records, "record")
    return f"{outcome}: {records} ({candidate.method}), {_percent(candidate.confidence)}; {candidate.reason}"


def _percent(probability: float) -> str:
    return f"{100 * probability:.1f} %"
