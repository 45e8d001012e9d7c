"""Metering: which tables a tool call read, and how many records it returned.

Pure: no I/O, no clock, no event loop. Every function here answers within about 5 ms whatever it is given, but for
`prepare`. The order of what is asked: the operator's rule for the tool, then declared fields and shapes in
`structuredContent`, then texts, then arguments; what cannot be known is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.metering import names, reading, structured_fast_path, wire
from gateway.metering.arguments import Request, read_request, statements_in
from gateway.metering.metered import DECLARED, ERROR, RULE, UNKNOWN, Confidence, Count, Metered
from gateway.metering.rules import rules
from gateway.metering.rules.rules import Failed, Rule
from gateway.metering.sql import facts
from gateway.metering.tools import ToolHints
from gateway.metering.wire import MAX_RESULT

__all__ = [
    "ERROR",
    "MAX_RESULT",
    "UNKNOWN",
    "Metered",
    "Result",
    "is_prepared",
    "meter",
    "meter_parts",
    "prepare",
    "tables_in_arguments",
]

Result = wire.Result | wire.LargeResult
"""A result that was read with the message around it."""


def meter(
    tool: str,
    arguments: Mapping[str, Any],
    result_json: bytes,
    rule: Rule | None = None,
    hints: ToolHints | None = None,
) -> Metered:
    """Meters one answered call. `result_json` is the JSON text of the `result` member as it was on the wire; `rule` is
    the operator's for the tool, `hints` what the tool's declaration tells.

    Never raises. An error has 0 records and no tables: nothing was read.
    """
    parts = wire.decode(result_json)
    if parts is None:
        return Metered((), None, UNKNOWN)
    if rule is not None and parts.isError is not True:
        return _by_rule(rule, tool, arguments, result_json, parts, hints)
    return meter_parts(tool, arguments, parts, hints)


def _by_rule(
    rule: Rule,
    tool: str,
    arguments: Mapping[str, Any],
    result_json: bytes,
    parts: Result,
    hints: ToolHints | None,
) -> Metered:
    """What the rule says, and where it says nothing, what the shape does."""
    said = rules.apply(rule, arguments, result_json, parts)
    if isinstance(said.tables, tuple) and isinstance(said.records, int):
        return Metered(said.tables, said.records, RULE)
    found = meter_parts(tool, arguments, parts, hints)
    if found.method == ERROR:
        return found
    tables = found.tables if said.tables is None else () if isinstance(said.tables, Failed) else said.tables
    if said.records is None:
        return Metered(tables, found.records, found.method, said.fault)
    if isinstance(said.records, Failed):
        return Metered(tables, None, UNKNOWN, said.fault)
    return Metered(tables, said.records, RULE, said.fault)


def meter_parts(tool: str, arguments: Mapping[str, Any], parts: Result, hints: ToolHints | None) -> Metered:
    """Meters one answered call of a tool without a rule, whose result was read with the message around it."""
    if (quick := structured_fast_path.read(parts)) is not None:
        return quick
    request = read_request(tool, arguments, hints)
    count = reading.count(parts, request)
    if count.grade is Confidence.FAILED:
        return Metered((), 0, ERROR)
    return _metered(count, request)


def _metered(count: Count, request: Request) -> Metered:
    if request.is_plan:
        return Metered((), None, UNKNOWN)
    tables = _tables(count.tables, request.read)
    if request.returns_rows is False and count.method != DECLARED:
        return Metered(tables, 0, "write_statement")
    if count.grade is Confidence.NONE or (count.grade is Confidence.OBJECT and not tables):
        return Metered(tables, None, UNKNOWN)
    is_content = count.method.endswith("_text") and not names.is_describing(request.tool)
    if not tables and request.files and is_content and count.records and not request.named:
        tables = tuple(sorted(set(request.files)))
    return Metered(tables, count.records, count.method)


def _tables(declared: tuple[str, ...], requested: tuple[str, ...]) -> tuple[str, ...]:
    """What the result says of its tables goes before the arguments, which may say the same with a schema."""
    if not declared:
        return requested
    qualified = {name.rpartition(".")[2]: name for name in requested}
    return tuple(sorted({qualified.get(name, name) for name in declared}))


def tables_in_arguments(
    tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None
) -> tuple[str, ...] | None:
    """The tables that a call names before it is made: to read, to write or to describe; for access control.

    `None` where the arguments may reach a table that cannot be seen in them, such as SQL that does not parse. An
    empty tuple says that they name none; what the call reads is then known from its result, if at all.
    """
    request = read_request(tool, arguments, hints)
    return request.named if request.certain else None


def is_prepared(arguments: Mapping[str, Any]) -> bool:
    """Whether `meter` and `tables_in_arguments` can read the SQL in `arguments` at once. If not, call `prepare` in a
    thread."""
    statements = statements_in(arguments)
    return not statements or all(map(facts.is_prepared, statements))


def prepare(arguments: Mapping[str, Any]) -> None:
    """Reads the SQL in `arguments`, however long it takes, and keeps what it says. Not for an event loop."""
    for statement in statements_in(arguments):
        facts.prepare(statement)
