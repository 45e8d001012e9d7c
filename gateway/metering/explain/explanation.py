"""Explains the metering of one recorded call, step by step.

It follows the steps of `meter` and reports what each found. Slower than `meter`: it also runs the steps that `meter`
skips because an earlier one gave the number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.metering import tool_result
from gateway.metering.api import meter, parse_sql
from gateway.metering.arguments import ParsedArguments, names_all_tables, parse_arguments, sql_statements
from gateway.metering.confidence import THRESHOLD
from gateway.metering.explain.candidates import Candidate, candidates
from gateway.metering.json.object_members import MAX_WRAPPERS
from gateway.metering.metering_result import (
    ERROR,
    RULE,
    UNKNOWN,
    UNKNOWN_COUNT,
    WRITE_STATEMENT,
    Count,
    CountKind,
    MeteringResult,
)
from gateway.metering.result_count import ResultCounter
from gateway.metering.rules import evaluation
from gateway.metering.rules.evaluation import ExpressionFailure
from gateway.metering.rules.rules import Rules
from gateway.metering.tool_declarations import ToolHints
from gateway.metering.tool_result import ToolResult

MAX_PATHS = 5
"""Paths of lists with the counted length that are listed."""
MAX_TEXTS = 20
"""Texts that are explained one by one."""

_KIND_TEXTS = {
    CountKind.NONE: "nothing that can be counted",
    CountKind.OBJECT: "one object: a record only if the call is known to read a table",
    CountKind.STATED: "a number without the records that it counts",
    CountKind.FAILED: "reports an error",
}


class Step(msgspec.Struct, frozen=True):
    """One part of the call and what was found in it."""

    part: str
    finding: str


class Explanation(msgspec.Struct, frozen=True):
    """The result of metering and the steps to it."""

    result: MeteringResult
    reason: str
    steps: tuple[Step, ...]
    candidates: tuple[Candidate, ...] = ()
    """The parts that could have given the count, the winner among them."""


def explain(
    tool: str, arguments: Mapping[str, Any], result_json: bytes, rules: Rules, hints: ToolHints | None = None
) -> Explanation:
    """Return the result of `meter` for a call, with the steps to it. Its duration is not bounded."""
    parse_sql(arguments)
    result = meter(tool, arguments, result_json, rules.find(tool), hints)
    decoded = tool_result.decode(result_json)
    if decoded is None:
        size = f"{len(result_json):,} bytes that are not a tool result, or exceed a bound"
        return Explanation(result, _reason(result, ()), (Step("result", size),))
    parsed = parse_arguments(tool, arguments, hints)
    parts = _count_parts(decoded, ResultCounter(parsed, hints))
    steps = (
        Step("result", f"{len(result_json):,} bytes" + (", isError" if decoded.isError is True else "")),
        *_rule_steps(tool, arguments, result_json, rules, decoded),
        Step("arguments", _describe_arguments(tool, parsed, arguments, hints)),
        *_part_steps(parts),
    )
    found = candidates(result, parts.structured, parts.lists, parts.text_counts)
    return Explanation(result, _reason(result, steps), steps, found)


class _Parts(msgspec.Struct, frozen=True):
    """The parts of a result with the count of each."""

    is_structured: bool
    structured: Count
    lists: list[tuple[str, int]]
    """The paths and lengths of the lists in the structured content, if its records were counted."""
    texts: list[str]
    text_counts: list[Count]


def _count_parts(result: ToolResult, counter: ResultCounter) -> _Parts:
    data = tool_result.structured_content(result)
    blocks = tool_result.content_blocks(result)
    texts = [block.text for block in blocks or () if block.text is not None]
    structured = UNKNOWN_COUNT if data is None else counter.count_structured(result)
    lists: list[tuple[str, int]] = []
    if data is not None and structured.kind is CountKind.COUNTED:
        lists = list(_lists(msgspec.json.decode(data), "structuredContent", 0))
    text_counts = [counter.count_text(text, 0) for text in texts[:MAX_TEXTS]]
    return _Parts(data is not None, structured, lists, texts, text_counts)


def _lists(value: Any, path: str, depth: int) -> Iterator[tuple[str, int]]:
    if isinstance(value, list):
        yield path, len(value)
    elif isinstance(value, dict) and depth < MAX_WRAPPERS:
        for name, inner in value.items():
            yield from _lists(inner, f"{path}.{name}", depth + 1)


def _part_steps(parts: _Parts) -> Iterator[Step]:
    if parts.is_structured:
        yield Step("structuredContent", _describe_count(parts.structured) + _describe_lists(parts))
        if parts.texts:
            yield Step("content", "read only if structuredContent has no records")
    for number, (text, count) in enumerate(zip(parts.texts, parts.text_counts, strict=False), start=1):
        yield Step(f"text {number} of {len(parts.texts)}", f"{len(text):,} characters: {_describe_count(count)}")


def _rule_steps(
    tool: str, arguments: Mapping[str, Any], result_json: bytes, rules: Rules, result: ToolResult
) -> Iterator[Step]:
    rule = rules.find(tool)
    if rule is None:
        yield Step("rules", f"none of {len(rules)} matches {tool}" if len(rules) else "none configured")
        return
    name = f"rule {rule.number} ({rule.tool})"
    if result.isError is True:
        yield Step(name, "not evaluated: the result is an error")
        return
    ruled = evaluation.evaluate(rule, arguments, result_json, result)
    for member, expression, value in (("tables", rule.tables, ruled.tables), ("records", rule.records, ruled.records)):
        if expression is not None:
            shown = "null, so the next steps decide" if value is None else str(value)
            if isinstance(value, ExpressionFailure):
                shown = f"failed, so {member} are unknown: {value.reason}"
            elif isinstance(value, tuple):
                shown = ", ".join(value)
            yield Step(f"{name} {member}", f"{expression.text} → {shown}")


def _describe_arguments(
    tool: str, parsed: ParsedArguments, arguments: Mapping[str, Any], hints: ToolHints | None
) -> str:
    findings = [f"reads {', '.join(parsed.tables_read)}"] if parsed.tables_read else ["no table is read"]
    if others := set(parsed.tables_named) - set(parsed.tables_read):
        findings.append(f"writes or names {', '.join(sorted(others))}")
    if sql_statements(arguments):
        findings.append("from SQL")
    if parsed.languages:
        findings.append(f"from a query in {', '.join(parsed.languages)}")
    if parsed.returns_rows is False:
        findings.append("a statement that returns no rows")
    if parsed.is_plan:
        findings.append("the plan of a statement, whose records are unknown")
    if not names_all_tables(tool, arguments, hints):
        findings.append("may reach further tables")
    return "; ".join(findings)


def _describe_count(count: Count) -> str:
    records = f"{count.records} {'record' if count.records == 1 else 'records'}"
    text = _KIND_TEXTS.get(count.kind, records)
    tables = f", tables {', '.join(count.tables)}" if count.tables else ""
    return f"{text} ({count.method}){tables}" if count.kind is not CountKind.NONE else text + tables


def _describe_lists(parts: _Parts) -> str:
    """Name the lists in the structured content that are as long as the count."""
    paths = [path for path, length in parts.lists if length == parts.structured.records][:MAX_PATHS]
    return f": the length of {' and of '.join(paths)}" if paths else ""


def _reason(result: MeteringResult, steps: tuple[Step, ...]) -> str:
    if result.method == RULE:
        return "your rule gives the number of records"
    if result.rule_error is not None and result.method == UNKNOWN:
        return f"your rule failed on this call: {result.rule_error}"
    if result.method == UNKNOWN and result.confidence is not None and result.confidence < THRESHOLD:
        return (
            f"the confidence of {100 * result.confidence:.1f} % is below {100 * THRESHOLD:.0f} %; "
            "add a rule that says how to count"
        )
    if result.method == UNKNOWN:
        return "no step gave a reliable number; add a rule that says how to count"
    if result.method == ERROR:
        return "the call failed, and an error has no records"
    if result.method == WRITE_STATEMENT:
        return "the statement returns no rows"
    part = next((step.part for step in steps if f"({result.method})" in step.finding), "the content as a whole")
    return f"counted in {part}"
