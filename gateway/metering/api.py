"""The public functions of the metering.

The order of the steps in `meter`: the operator's rule for the tool, declared tables and rows in `structuredContent`,
known shapes in it, texts, arguments. A number that none of them gives is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.metering import result_count, structured_shortcut, tool_result
from gateway.metering.arguments import (
    ParsedArguments,
    judged_tables,
    may_write,
    named_tables,
    parse_arguments,
    sql_statements,
)
from gateway.metering.metering_result import (
    DECLARED,
    ERROR,
    RULE,
    UNKNOWN,
    WRITE_STATEMENT,
    Count,
    CountKind,
    MeteringResult,
)
from gateway.metering.rules import evaluation
from gateway.metering.rules.evaluation import ExpressionFailure
from gateway.metering.rules.rules import Rule
from gateway.metering.sql import cache as sql_cache
from gateway.metering.tool_declarations import ToolHints
from gateway.metering.tool_result import ToolResult
from gateway.metering.vocabulary.tools import is_describing_tool


def meter(
    tool: str,
    arguments: Mapping[str, Any],
    result_json: bytes,
    rule: Rule | None = None,
    hints: ToolHints | None = None,
) -> MeteringResult:
    """Meter one call by the JSON text of its JSON-RPC `result` member.

    `rule` is the operator's rule for the tool, `hints` are from the tool's declaration. A failed call has 0 records and
    no tables. Never raises.
    """
    result = tool_result.decode(result_json)
    if result is None:
        return MeteringResult((), None, UNKNOWN)
    if rule is not None and result.isError is not True:
        return _meter_with_rule(rule, tool, arguments, result_json, result, hints)
    return meter_decoded(tool, arguments, result, hints)


def _meter_with_rule(
    rule: Rule,
    tool: str,
    arguments: Mapping[str, Any],
    result_json: bytes,
    result: ToolResult,
    hints: ToolHints | None,
) -> MeteringResult:
    """Meter by the rule; use the result's shape for what the rule leaves open."""
    ruled = evaluation.evaluate(rule, arguments, result_json, result)
    if isinstance(ruled.tables, tuple) and isinstance(ruled.records, int):
        written = tables_written(tool, arguments, hints)
        return MeteringResult(ruled.tables, ruled.records, RULE, written=written)
    shape = meter_decoded(tool, arguments, result, hints)
    if shape.method == ERROR:
        return shape
    tables = (
        shape.tables if ruled.tables is None else () if isinstance(ruled.tables, ExpressionFailure) else ruled.tables
    )
    if ruled.records is None:
        return MeteringResult(tables, shape.records, shape.method, ruled.error, shape.written)
    if isinstance(ruled.records, ExpressionFailure):
        return MeteringResult(tables, None, UNKNOWN, ruled.error, shape.written)
    return MeteringResult(tables, ruled.records, RULE, ruled.error, shape.written)


def meter_decoded(
    tool: str, arguments: Mapping[str, Any], result: ToolResult, hints: ToolHints | None
) -> MeteringResult:
    """Meter one call of a tool without a rule by its decoded result. Never raises."""
    if (declared := structured_shortcut.read(result)) is not None:
        written = tables_written(tool, arguments, hints)
        return msgspec.structs.replace(declared, written=written) if written else declared
    parsed = parse_arguments(tool, arguments, hints)
    count = result_count.count_records(result, parsed)
    if count.kind is CountKind.FAILED:
        return MeteringResult((), 0, ERROR)
    return _combine(count, parsed)


def _combine(count: Count, arguments: ParsedArguments) -> MeteringResult:
    """Combine the count in the result with the tables in the arguments."""
    written = arguments.tables_written
    if arguments.is_plan:
        return MeteringResult((), None, UNKNOWN, written=written)
    tables = _merge_tables(count.tables, arguments.tables_read)
    if arguments.returns_rows is False and count.method != DECLARED:
        return MeteringResult(tables, 0, WRITE_STATEMENT, written=written)
    if count.kind is CountKind.NONE or (count.kind is CountKind.OBJECT and not tables):
        return MeteringResult(tables, None, UNKNOWN, written=written)
    is_data = count.method.endswith("_text") and not is_describing_tool(arguments.tool)
    if not tables and arguments.files and is_data and count.records and not arguments.tables_named:
        tables = tuple(sorted(set(arguments.files)))
    return MeteringResult(tables, count.records, count.method, written=written)


def _merge_tables(in_result: tuple[str, ...], in_arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Prefer the tables that the result names; take their schema from the arguments if those have it."""
    if not in_result:
        return in_arguments
    qualified = {name.rpartition(".")[2]: name for name in in_arguments}
    return tuple(sorted({qualified.get(name, name) for name in in_result}))


def tables_in_arguments(
    tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None
) -> tuple[str, ...] | None:
    """Return the tables that a call's arguments name, to read, write or describe; for access control before the call.

    `None` if the arguments may reach a table that is not visible in them, such as SQL that cannot be parsed, and if a
    tool writes to none that is. An empty tuple if they name none; the tables are then known from the result, if at all.
    """
    return named_tables(tool, arguments, hints)


def tables_judged(tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None) -> tuple[str, ...] | None:
    """Return all tables that a call with SQL, or of a writing tool, can reach: its result need not name them.

    `None` for other calls, and if the arguments may reach a table that is not visible in them.
    """
    return judged_tables(tool, arguments, hints)


def tables_written(tool: str, arguments: Mapping[str, Any], hints: ToolHints | None = None) -> tuple[str, ...]:
    """Return the tables that a call writes, by its arguments."""
    return parse_arguments(tool, arguments, hints).tables_written if may_write(tool, arguments) else ()


def is_sql_parsed(arguments: Mapping[str, Any]) -> bool:
    """Return True if `meter` and `tables_in_arguments` need no long parse for the SQL in `arguments`.

    If not, call `parse_sql` in a thread first; without it the SQL counts as unknown.
    """
    statements = sql_statements(arguments)
    return not statements or all(map(sql_cache.is_parsed, statements))


def parse_sql(arguments: Mapping[str, Any]) -> None:
    """Parse the SQL in `arguments` and cache the result. May take 50 ms: do not call it on an event loop."""
    for statement in sql_statements(arguments):
        sql_cache.parse_sql(statement)
