"""Why the metering answers what it answers, for one call that an operator has at hand.

It goes the way of `meter`, and tells of each step what was found there. Not for the path of a call: it reads more than
the answer needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from gateway.metering import meter, prepare, wire
from gateway.metering.arguments import Request, read_request, statements_in
from gateway.metering.json.shapes import MAX_DEPTH
from gateway.metering.metered import ERROR, RULE, UNKNOWN, Confidence, Count, Metered
from gateway.metering.reading import Reading
from gateway.metering.rules import rules
from gateway.metering.rules.rules import Failed, Rules
from gateway.metering.tools import ToolHints

MAX_PLACES = 5
"""Lists of the counted length that are named."""
MAX_TEXTS = 20
"""Texts that are told of, one by one."""

_GRADES = {
    Confidence.NONE: "nothing that can be counted",
    Confidence.OBJECT: "one object: a record only where the call is known to read a table",
    Confidence.DECLARED: "a number without the records that it counts",
    Confidence.FAILED: "it tells of a failure",
}


class Step(msgspec.Struct, frozen=True):
    """One thing that was looked at, and what was found."""

    where: str
    found: str


class Explanation(msgspec.Struct, frozen=True):
    """The answer, and how it came about."""

    answer: Metered
    because: str
    steps: tuple[Step, ...]


def explain(
    tool: str, arguments: Mapping[str, Any], result_json: bytes, all_rules: Rules, hints: ToolHints | None = None
) -> Explanation:
    """The answer of `meter` for a call, with the steps to it. It takes the time that it needs."""
    prepare(arguments)
    answer = meter(tool, arguments, result_json, all_rules.find(tool), hints)
    steps = tuple(_steps(tool, arguments, result_json, all_rules, hints))
    return Explanation(answer, _because(answer, steps), steps)


def _steps(
    tool: str, arguments: Mapping[str, Any], result_json: bytes, all_rules: Rules, hints: ToolHints | None
) -> Iterator[Step]:
    parts = wire.decode(result_json)
    if parts is None:
        yield Step("result", f"{len(result_json):,} bytes that are no result, or are beyond the bounds")
        return
    yield Step("result", f"{len(result_json):,} bytes" + (", isError" if parts.isError is True else ""))
    yield from _rule_steps(tool, arguments, result_json, all_rules, parts)
    request = read_request(tool, arguments, hints)
    yield Step("arguments", _in_arguments(request, arguments))
    reading = Reading(request)
    if (data := wire.structured(parts)) is not None:
        found = reading.structured(data)
        yield Step("structuredContent", _said(found) + _places(found, data))
    blocks = wire.blocks(parts)
    texts = [block.text for block in blocks or () if block.text is not None]
    if data is not None and texts:
        yield Step("content", "asked only where structuredContent has no records of its own")
    for number, text in enumerate(texts[:MAX_TEXTS], start=1):
        yield Step(f"text {number} of {len(texts)}", f"{len(text):,} characters: {_said(reading.text(text, 0))}")


def _rule_steps(
    tool: str, arguments: Mapping[str, Any], result: bytes, all_rules: Rules, parts: wire.Result | wire.LargeResult
) -> Iterator[Step]:
    rule = all_rules.find(tool)
    if rule is None:
        yield Step("rules", f"none of {len(all_rules)} is for {tool}" if len(all_rules) else "there are none")
        return
    name = f"rule {rule.number} ({rule.tool})"
    if parts.isError is True:
        yield Step(name, "not asked: the result is an error")
        return
    said = rules.apply(rule, arguments, result, parts)
    for what, expression, value in (("tables", rule.tables, said.tables), ("records", rule.records, said.records)):
        if expression is not None:
            shown = "null, so the order goes on" if value is None else str(value)
            if isinstance(value, Failed):
                shown = f"failed, so {what} are unknown: {value.reason}"
            elif isinstance(value, tuple):
                shown = ", ".join(value)
            yield Step(f"{name} {what}", f"{expression.text} → {shown}")


def _in_arguments(request: Request, arguments: Mapping[str, Any]) -> str:
    told = [f"reads {', '.join(request.read)}"] if request.read else ["no table is named"]
    if written := set(request.named) - set(request.read):
        told.append(f"writes or names {', '.join(sorted(written))}")
    if statements_in(arguments):
        told.append("from SQL")
    if request.returns_rows is False:
        told.append("a statement that returns no rows")
    if request.is_plan:
        told.append("the plan of a statement, whose records are unknown")
    if not request.certain:
        told.append("it may reach more than can be seen")
    return "; ".join(told)


def _said(found: Count) -> str:
    told = _GRADES.get(found.grade) or f"{found.records} {'record' if found.records == 1 else 'records'}"
    tables = f", tables {', '.join(found.tables)}" if found.tables else ""
    return f"{told} ({found.method}){tables}" if found.grade is not Confidence.NONE else told + tables


def _places(found: Count, data: msgspec.Raw) -> str:
    """Where in the structured content the lists are that are as long as the count."""
    if found.records is None or found.grade is not Confidence.COUNTED:
        return ""
    places = list(_lists(msgspec.json.decode(data), "structuredContent", found.records, 0))[:MAX_PLACES]
    return f": the length of {' and of '.join(places)}" if places else ""


def _lists(value: Any, path: str, length: int, depth: int) -> Iterator[str]:
    if isinstance(value, list) and len(value) == length:
        yield path
    elif isinstance(value, dict) and depth < MAX_DEPTH:
        for name, inner in value.items():
            yield from _lists(inner, f"{path}.{name}", length, depth + 1)


def _because(answer: Metered, steps: tuple[Step, ...]) -> str:
    if answer.method == RULE:
        return "your rule gives the number of records"
    if answer.fault is not None and answer.method == UNKNOWN:
        return f"your rule failed on this call: {answer.fault}"
    if answer.method == UNKNOWN:
        return "no step gave a number that is sure; a rule can say how to count"
    if answer.method == ERROR:
        return "the call failed, and an error has no records"
    if answer.method == "write_statement":
        return "the statement returns no rows"
    source = next((step.where for step in steps if f"({answer.method})" in step.found), "the content as a whole")
    return f"counted in {source}"
