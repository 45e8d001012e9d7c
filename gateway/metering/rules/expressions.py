"""JMESPath expressions of the operator's rules: checked when they are read, bounded when they run.

Rules:
- An expression runs over `{arguments, result}`; `structuredContent` and `content` are short for the members of
  `result`.
- What can be found out without a call is found out when the expression is read: its syntax, the functions that it
  calls, the members that it begins with.
- One more function than JMESPath has: `parse_json(text)`.
- `length(path)` is answered whatever the size of the result. Any other expression sees only what is within
  `MAX_BYTES` and `MAX_PARTS`, and is stopped after `MAX_STEPS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import EmptyExpressionError, JMESPathError, LexerError, ParseError
from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter

MAX_LENGTH = 2_000
"""Characters of an expression."""
MAX_BYTES = 256 * 1024
"""Bytes of JSON that are decoded for an expression."""
MAX_PARTS = 20_000
"""Values in it (about 60 ns each)."""
MAX_STEPS = 6_000
"""Nodes of the expression that are visited for one call (about 0.5 µs each)."""

ROOT = ("arguments", "result", "structuredContent", "content")
"""Members that an expression can begin with."""


class ExpressionError(ValueError):
    """The expression cannot be used; the message says where and why."""


class NoAnswer(Exception):
    """The expression gave no answer for this call; the message says why, and holds nothing of the call."""


class Expression:
    """One expression."""

    def __init__(self, text: str) -> None:
        """Raises `ExpressionError`."""
        self.text = text
        self._tree = _parse(text)
        for node in _nodes(self._tree):
            if node["type"] == "function_expression":
                _check_call(text, node["value"], len(node["children"]))
        beginnings = set(_beginnings(self._tree))
        for name in sorted(beginnings):
            if name not in ROOT:
                raise ExpressionError(
                    f"column {text.find(name) + 1}: {name} is not there: an expression begins with result, "
                    "structuredContent, content or arguments"
                )
        self.needs_result = not beginnings <= {"arguments"} or "current" in {n["type"] for n in _nodes(self._tree)}
        """Whether the answer depends on the result."""
        self.counted_path = _counted_path(self._tree)
        """The members that lead to the list whose length this is, from `structuredContent` on; `None` for others."""

    def search(self, root: Mapping[str, Any]) -> Any:
        """The value of the expression over `root`. Raises `NoAnswer`."""
        try:
            return _Interpreter().visit(self._tree, root)
        except JMESPathError as fault:
            function = getattr(fault, "function_name", None)
            if function is None:
                raise NoAnswer("it cannot be evaluated") from None
            raise NoAnswer(f"{function}() got {getattr(fault, 'actual_type', 'something else')}") from None
        except (RecursionError, ValueError, TypeError, ZeroDivisionError, OverflowError):
            raise NoAnswer("it cannot be evaluated") from None


def decode(data: bytes | msgspec.Raw | str) -> Any:
    """The value in `data`, which is JSON. Raises `NoAnswer` where it is none, or is beyond the bounds."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    if len(raw) > MAX_BYTES or sum(map(raw.count, (b",", b"[", b"{"))) > MAX_PARTS:
        raise NoAnswer("the result is too large for more than length(path)")
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        raise NoAnswer("a text is no JSON") from None


class _Functions(Functions):
    @signature({"types": ["string"]})
    def _func_parse_json(self, text: str) -> Any:
        return decode(text)


class _Interpreter(TreeInterpreter):
    """Visits a bounded number of nodes."""

    def __init__(self) -> None:
        super().__init__(Options(custom_functions=_functions_table))
        self._left = MAX_STEPS

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise NoAnswer("the result is too large for more than length(path)")
        return super().visit(node, *args, **kwargs)


_functions_table = _Functions()


def _parse(text: str) -> Any:
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"is longer than {MAX_LENGTH} characters")
    try:
        return jmespath.compile(text).parsed
    except EmptyExpressionError:
        raise ExpressionError("is empty") from None
    except LexerError as fault:
        raise ExpressionError(f"column {fault.lexer_position + 1}: {fault.message}") from None
    except ParseError as fault:
        where = f"column {fault.lex_position + 1}"
        if fault.token_value in (None, ""):
            raise ExpressionError(f"{where}: the expression ends too early") from None
        raise ExpressionError(f"{where}: {fault.token_value} cannot stand here") from None
    except (JMESPathError, RecursionError) as fault:
        raise ExpressionError(f"is no JMESPath: {fault}") from None


def _nodes(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield node
        for child in node["children"]:
            yield from _nodes(child)


def _check_call(text: str, name: str, given: int) -> None:
    where = f"column {text.find(name + '(') + 1}"
    known = _Functions.FUNCTION_TABLE.get(name)
    if known is None:
        raise ExpressionError(f"{where}: there is no function {name}()")
    taken = known["signature"]
    if given < len(taken) or (given > len(taken) and not taken[-1].get("variadic")):
        raise ExpressionError(f"{where}: {name}() takes {len(taken)} arguments, not {given}")


_CHAINS = frozenset(
    ("subexpression", "pipe", "index_expression", "projection", "value_projection", "filter_projection", "flatten")
)


def _beginnings(node: Any) -> Iterator[str]:
    """The fields of the root that the expression asks for."""
    match node["type"]:
        case "field":
            yield node["value"]
        case "expref" | "literal" | "current" | "identity" | "slice":
            return
        case kind:
            for child in node["children"][: 1 if kind in _CHAINS else None]:
                yield from _beginnings(child)


def _counted_path(tree: Any) -> tuple[str, ...] | None:
    if tree["type"] != "function_expression" or tree["value"] != "length" or len(tree["children"]) != 1:
        return None
    path = _path(tree["children"][0])
    if path is not None and path[0] == "result":
        path = path[1:]
    return path[1:] if path and path[0] == "structuredContent" else None


def _path(node: Any) -> tuple[str, ...] | None:
    if node["type"] == "field":
        return (node["value"],)
    if node["type"] != "subexpression":
        return None
    parts = [_path(child) for child in node["children"]]
    return None if None in parts else tuple(name for part in parts for name in part or ())
