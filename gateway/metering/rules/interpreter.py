"""Evaluates JMESPath expressions with bounded work: each node of the tree is a step, and functions take more of them.

The steps of a function depend on the sizes of its arguments, so a rule may call `length` or `starts_with` for as many
elements as a filter, and `to_string` or `sort` for fewer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec
from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter

MAX_INPUT_BYTES = 256 * 1024
"""Bytes of JSON that is decoded for a rule; the same for all texts that are parsed by `parse_json`."""
MAX_VALUES = 20_000
"""Values in that JSON (about 60 ns each)."""
MAX_STEPS = 6_000
"""Steps of a rule for one call (about 0.3 µs each)."""

_STEPS_PER_ELEMENT = {"sort": 1, "sort_by": 2, "min_by": 1, "max_by": 1}
"""Steps for each element of an argument, apart from those for nodes."""
_OTHER_ELEMENTS = 4
"""Elements of an argument of another function for one step."""
_CHARACTERS = 256
"""Characters of an argument for one step."""
_STRING_STEPS, _STRING_CHARACTERS = 4, 8
"""Steps of `to_string`, and characters of its text for one more."""
_UNSIZED = frozenset(("length", "type", "to_array", "not_null", "map", "to_string", "parse_json"))
"""Functions whose work does not depend on the number of elements, or is bounded elsewhere."""
_FLATTENED_ELEMENTS = 64
"""Elements of a flattened list for one step."""

_to_json = json.JSONEncoder(separators=(",", ":"), default=str).encode


class EvaluationError(Exception):
    """An expression failed on a call; the message says why, and contains no data of the call."""


class _TooLarge(EvaluationError):
    def __init__(self) -> None:
        super().__init__("the result is too large for an expression other than length(path)")


class _JsonBudget:
    """The JSON that may still be decoded."""

    def __init__(self) -> None:
        self._bytes_left = MAX_INPUT_BYTES
        self._values_left = MAX_VALUES

    def decode(self, raw: bytes) -> Any:
        """Decode JSON. Raises `EvaluationError` if `raw` is not JSON or exceeds what is left."""
        self._bytes_left -= len(raw)
        if self._bytes_left >= 0:
            self._values_left -= sum(map(raw.count, (b",", b"[", b"{")))
        if self._bytes_left < 0 or self._values_left < 0:
            raise _TooLarge
        try:
            return msgspec.json.decode(raw)
        except (ValueError, RecursionError):
            raise EvaluationError("a text is not JSON") from None


def decode(raw: bytes) -> Any:
    """Decode the result. Raises `EvaluationError` if it is not JSON or exceeds a bound."""
    return _JsonBudget().decode(raw)


class BoundedFunctions(Functions):
    """The functions of JMESPath and `parse_json`, for one call."""

    _accepted: ClassVar[set[tuple[Any, ...]]] = set()
    """Functions with types of their arguments that were checked; only those without types of elements."""

    def __init__(self) -> None:
        self._texts = _JsonBudget()

    def call_function(self, function_name: str, resolved_args: Iterable[Any]) -> Any:
        """Call a function; its signature is checked once for each combination of types."""
        key = (function_name, *map(type, resolved_args))
        known = self.FUNCTION_TABLE[function_name]
        if key in self._accepted:
            return known["function"](self, *resolved_args)
        found = super().call_function(function_name, resolved_args)
        if len(key) <= 3 and not any("-" in name for one in known["signature"] for name in one["types"]):
            self._accepted.add(key)
        return found

    @signature({"types": ["string"]})
    def _func_parse_json(self, text: str) -> Any:
        return self._texts.decode(text.encode("utf-8", "surrogatepass"))

    @signature({"types": []})
    def _func_to_string(self, value: Any) -> str:
        return value if isinstance(value, str) else _to_json(value)


class Interpreter(TreeInterpreter):
    """Evaluates the expressions of one rule for one call; raises `EvaluationError` after `MAX_STEPS`."""

    def __init__(self) -> None:
        functions = BoundedFunctions()
        super().__init__(Options(custom_functions=functions))
        self._call = functions.call_function
        self._steps_left = MAX_STEPS

    def visit(self, node: Any, value: Any) -> Any:
        """Evaluate one node."""
        self._steps_left -= 1
        if self._steps_left < 0:
            raise _TooLarge
        return _VISITORS[node["type"]](self, node, value)

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """Evaluate the arguments and call the function."""
        name, arguments = node["value"], [self.visit(child, value) for child in node["children"]]
        if name not in _UNSIZED:
            self._take(sum(_steps(name, one) for one in arguments))
        found = self._call(name, arguments)
        if name == "to_string":
            self._take(_STRING_STEPS + len(found) // _STRING_CHARACTERS)
        return found

    def visit_flatten(self, node: Any, value: Any) -> Any:
        """Flatten a list."""
        found = super().visit_flatten(node, value)
        self._take(len(found or ()) // _FLATTENED_ELEMENTS)
        return found

    def _take(self, steps: int) -> None:
        self._steps_left -= steps
        if self._steps_left < 0:
            raise _TooLarge


_VISITORS = {name.removeprefix("visit_"): getattr(Interpreter, name) for name in dir(Interpreter) if "visit_" in name}


def _steps(function: str, argument: Any) -> int:
    """Return the steps of a function for one of its arguments."""
    if isinstance(argument, str):
        return len(argument) // _CHARACTERS
    if not isinstance(argument, list | dict):
        return 0
    per_element = _STEPS_PER_ELEMENT.get(function)
    return len(argument) // _OTHER_ELEMENTS if per_element is None else len(argument) * per_element
