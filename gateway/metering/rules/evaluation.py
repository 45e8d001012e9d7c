"""Evaluates a rule on one call.

An expression that evaluates to `null` gives nothing, and metering continues as if it were not there. One that fails, or
evaluates to something other than a number of records or names of tables, makes the value unknown: never a guess.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from gateway.metering import tool_result
from gateway.metering.json.structure.partial_values import UNREAD, length
from gateway.metering.rules.rules import Rule
from gateway.metering.table_names import read_table_name
from gateway.metering.tool_result import ToolResult

if TYPE_CHECKING:
    from gateway.metering.rules.expressions import Expression
    from gateway.metering.rules.interpreter import Interpreter

MAX_RULE_TABLES = 64
"""Tables that a rule may name for one call."""
MAX_DECODED = 24 * 1024
"""Bytes of a result that is decoded also for `length(path)` (about 0.15 ms); in a larger one only the path is read."""

Value = TypeVar("Value")


class ExpressionFailure(msgspec.Struct, frozen=True):
    """An expression that gave no usable value for a call."""

    reason: str
    """Contains no data of the call."""


class RuleResult(msgspec.Struct, frozen=True):
    """The values of a rule's expressions for one call; `None` if an expression is missing or evaluates to `null`."""

    tables: tuple[str, ...] | ExpressionFailure | None
    records: int | ExpressionFailure | None

    @property
    def error(self) -> str | None:
        """The reasons of the failures, if there are any."""
        reasons = [
            f"{name}: {value.reason}"
            for name, value in (("tables", self.tables), ("records", self.records))
            if isinstance(value, ExpressionFailure)
        ]
        return "; ".join(reasons) or None


def evaluate(rule: Rule, arguments: Mapping[str, Any], result_json: bytes, result: ToolResult) -> RuleResult:
    """Evaluate `rule` on a call; `result` is `result_json`, decoded."""
    call = _Call(arguments, result_json, result)
    return RuleResult(
        _evaluate_expression(rule.tables, call, _to_tables), _evaluate_expression(rule.records, call, _to_records)
    )


def _evaluate_expression(
    expression: Expression | None, call: _Call, convert: Callable[[Any], Value]
) -> Value | ExpressionFailure | None:
    from gateway.metering.rules.interpreter import EvaluationError

    if expression is None:
        return None
    try:
        value = call.evaluate(expression)
        return None if value is None else convert(value)
    except EvaluationError as error:
        return ExpressionFailure(str(error))
    except ValueError as error:
        return ExpressionFailure(f"the value is {error}")


class _Call:
    """The call that expressions are evaluated on; the result is decoded when an expression first needs it."""

    def __init__(self, arguments: Mapping[str, Any], result_json: bytes, result: ToolResult) -> None:
        self._arguments = arguments
        self._result_json = result_json
        self._result = result
        self._decoded: dict[str, Any] | None = None
        self._interpreter: Interpreter | None = None

    def evaluate(self, expression: Expression) -> Any:
        """Return the expression's value. Raises `EvaluationError`."""
        from gateway.metering.rules.interpreter import Interpreter

        if self._interpreter is None:
            self._interpreter = Interpreter()
        if not expression.needs_result:
            return expression.evaluate({"arguments": self._arguments}, self._interpreter)
        if len(self._result_json) > MAX_DECODED and expression.length_path is not None:
            return self._length(expression.length_path)
        if self._decoded is None:
            self._decoded = self._decode()
        return expression.evaluate(self._decoded, self._interpreter)

    def _decode(self) -> dict[str, Any]:
        from gateway.metering.rules.interpreter import decode

        result = decode(self._result_json)
        return {
            "arguments": self._arguments,
            "result": result,
            "structuredContent": result.get("structuredContent"),
            "content": result.get("content"),
        }

    def _length(self, path: tuple[str, ...]) -> int:
        """Return the length of the list at `path` without decoding its elements."""
        from gateway.metering.rules.interpreter import EvaluationError

        try:
            value = tool_result.read_structure(self._result)
        except ValueError:
            value = UNREAD
        for name in path:
            value = value.get(name) if isinstance(value, dict) else UNREAD
        if not isinstance(value, list):
            raise EvaluationError(f"there is no list to count at {'.'.join(('structuredContent', *path))}")
        return length(value)


def _to_records(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("not a number of records")
    return value


def _to_tables(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    names = {read_table_name(one) for one in values[:MAX_RULE_TABLES]}
    if None in names or len(values) > MAX_RULE_TABLES:
        raise ValueError("not a table name or a list of table names")
    return tuple(sorted(name for name in names if name is not None))
