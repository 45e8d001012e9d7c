"""The public functions of the metering, except those in `arguments` about the tables before a call.

The order of the steps in `meter`: an error; the operator's rule for the tool; declared tables and rows in
`structuredContent`; known shapes in it, or else texts; then the arguments, which may overrule the count. A number that
none of them gives is unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.metering import result_count, structured_shortcut, tool_result
from gateway.metering.arguments import (
    ParsedArguments,
    may_write,
    parse_arguments,
    sql_statements,
)
from gateway.metering.arguments.limits import largest_result
from gateway.metering.confidence import THRESHOLD, Sign, confidence
from gateway.metering.metering_result import (
    DECLARED,
    ERROR,
    RULE,
    UNKNOWN,
    UNKNOWN_COUNT,
    WRITE_STATEMENT,
    Count,
    CountKind,
    MeteringResult,
    counted,
)
from gateway.metering.rules import evaluation
from gateway.metering.rules.evaluation import ExpressionFailure
from gateway.metering.rules.rules import Rule
from gateway.metering.sql import cache as sql_cache
from gateway.metering.text.statements.messages import AFFECTED_ROWS
from gateway.metering.tool_declarations import ToolHints
from gateway.metering.tool_result import ToolResult
from gateway.metering.vocabulary.tools import (
    is_acting_tool,
    is_describing_tool,
    is_fetching_tool,
    is_searching_tool,
    is_sure_write,
    is_writing_tool,
    may_list,
    tool_words,
)

_ABOUT_ROWS = (Sign.WITNESS_DISAGREES, Sign.DATA_BESIDE, Sign.TEXT_DISAGREES)
"""Signs against a count that say nothing about a write: a number of affected rows, data beside an empty list."""


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
        return MeteringResult(ruled.tables, ruled.records, RULE, None, written, 1.0)
    shape = meter_decoded(tool, arguments, result, hints)
    if shape.method == ERROR:
        return shape
    tables = (
        shape.tables if ruled.tables is None else () if isinstance(ruled.tables, ExpressionFailure) else ruled.tables
    )
    if ruled.records is None:
        return msgspec.structs.replace(shape, tables=tables, rule_error=ruled.error)
    if isinstance(ruled.records, ExpressionFailure):
        return MeteringResult(tables, None, UNKNOWN, ruled.error, shape.written)
    return MeteringResult(tables, ruled.records, RULE, ruled.error, shape.written, 1.0)


def meter_decoded(
    tool: str, arguments: Mapping[str, Any], result: ToolResult, hints: ToolHints | None
) -> MeteringResult:
    """Meter one call of a tool without a rule by its decoded result. Never raises."""
    if (declared := structured_shortcut.read(result)) is not None:
        return _of_write(declared, tool, arguments, hints) if may_write(tool, arguments) else declared
    parsed = parse_arguments(tool, arguments, hints)
    count = result_count.count_records(result, parsed, hints)
    if count.kind is CountKind.FAILED:
        return _result((), 0, ERROR, (), count)
    return _combine(count, parsed, arguments)


def _of_write(
    declared: MeteringResult, tool: str, arguments: Mapping[str, Any], hints: ToolHints | None
) -> MeteringResult:
    """Return the metering of declared rows with the tables that the call writes; the rows of a write are its echo."""
    parsed = parse_arguments(tool, arguments, hints)
    if parsed.returns_rows is not None or not is_sure_write(parsed.tool):
        return msgspec.structs.replace(declared, written=parsed.tables_written)
    count = counted(0, declared.method, (), (Sign.WRITE,)).at(declared.path)
    return _result(declared.tables, 0, declared.method, parsed.tables_written, count)


def _combine(count: Count, parsed: ParsedArguments, arguments: Mapping[str, Any]) -> MeteringResult:
    """Combine the count in the result with the arguments: their tables, and what a write or `EXPLAIN` returns."""
    written = parsed.tables_written
    if parsed.is_plan or (parsed.returns_rows and "explain" in tool_words(parsed.tool)):
        return MeteringResult((), None, UNKNOWN, written=written)
    tables = _merge_tables(count.tables, parsed.tables_read)
    if parsed.returns_rows is False and count.method != DECLARED:
        signs = (one for one in count.signs if one not in _ABOUT_ROWS)
        count = msgspec.structs.replace(count, signs=(*signs, Sign.NO_ROWS))
        return _result(tables, 0, WRITE_STATEMENT, written, count)
    if parsed.returns_rows is None and is_sure_write(parsed.tool):
        method = AFFECTED_ROWS.method if count.kind is CountKind.NONE else count.method
        count = counted(0, method, (), (Sign.WRITE,)).at(count.path)
    elif count.kind is CountKind.OBJECT:
        count = _count_object(count, parsed, tables)
    if count.kind is CountKind.NONE or count.records is None:
        return MeteringResult(tables, None, UNKNOWN, written=written)
    if (limit := largest_result(arguments)) is not None and count.records >= limit:
        count = count.with_signs(Sign.AT_LIMIT if count.records == limit else Sign.BEYOND_LIMIT)
    if count.records and parsed.returns_rows is None and is_acting_tool(parsed.tool):
        count = count.with_signs(Sign.ACTING_TOOL)
    is_data = count.method.endswith("_text") and not is_describing_tool(parsed.tool)
    if not tables and parsed.files and is_data and count.records and not parsed.tables_named:
        tables = tuple(sorted(set(parsed.files)))
    return _result(tables, count.records, count.method, written, count)


def _count_object(count: Count, parsed: ParsedArguments, tables: tuple[str, ...]) -> Count:
    """Decide whether one object is a record: if the call reads a table, runs a query or fetches an entity by its id."""
    if is_writing_tool(parsed.tool) and parsed.returns_rows is None:
        return counted(0, count.method, (), (Sign.WRITE,)).at(count.path)
    if parsed.returns_rows:
        return count.with_signs(Sign.QUERIED)
    is_entity = Sign.ENTITY in count.signs
    is_named = bool(parsed.ids) or Sign.ECHO in count.signs
    is_fetched = is_fetching_tool(parsed.tool) or (is_entity and Sign.ECHO in count.signs and may_list(parsed.tool))
    if (is_entity and parsed.path_ids) or (is_named and is_fetched):
        return count.with_signs(Sign.IDENTIFIED)
    if tables or (is_entity and is_fetching_tool(parsed.tool)):
        return count
    if Sign.RECORD_LIKE in count.signs and is_searching_tool(parsed.tool):
        return count
    return UNKNOWN_COUNT


def _result(
    tables: tuple[str, ...], records: int | None, method: str, written: tuple[str, ...], count: Count
) -> MeteringResult:
    """Return the metering result for a count; without a number of records if its confidence is below the threshold."""
    signs = tuple(dict.fromkeys(count.signs))
    certainty = confidence(signs)
    if certainty < THRESHOLD:
        records, method = None, UNKNOWN
    return MeteringResult(tables, records, method, None, written, certainty, count.path, count.witness, signs)


def _merge_tables(in_result: tuple[str, ...], in_arguments: tuple[str, ...]) -> tuple[str, ...]:
    """Prefer the tables that the result names; take their schema from the arguments if those have it."""
    if not in_result:
        return in_arguments
    qualified = {name.rpartition(".")[2]: name for name in in_arguments}
    return tuple(sorted({qualified.get(name, name) for name in in_result}))


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
