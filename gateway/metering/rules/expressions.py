"""JMESPath expressions of the operator's rules: checked when they are parsed, bounded when they are evaluated.

- An expression is evaluated on `{arguments, result}`; `structuredContent` and `content` are short for the members of
  `result`.
- Syntax, function names and root members are checked when the expression is parsed.
- One function is added to those of JMESPath: `parse_json(text)`.
- `length(path)` works on results of any size (see `evaluation`). Any other expression needs a result within
  `MAX_INPUT_BYTES` and `MAX_VALUES`, and is stopped after `MAX_STEPS`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
import msgspec
from jmespath.exceptions import EmptyExpressionError, JMESPathError, LexerError, ParseError
from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter

MAX_EXPRESSION_CHARACTERS = 2_000
"""Characters of an expression."""
MAX_INPUT_BYTES = 256 * 1024
"""Bytes of JSON that is decoded for an expression."""
MAX_VALUES = 20_000
"""Values in that JSON (about 60 ns each)."""
MAX_STEPS = 6_000
"""Nodes of the expression tree that are visited for one call (about 0.5 µs each)."""

ROOT_MEMBERS = ("arguments", "result", "structuredContent", "content")
"""Members that a path can begin with."""


class ExpressionError(ValueError):
    """An invalid expression; the message says where and why."""


class EvaluationError(Exception):
    """An expression failed on a call; the message says why, and contains no data of the call."""


class Expression:
    """A parsed expression."""

    def __init__(self, text: str) -> None:
        """Parse `text`. Raises `ExpressionError`."""
        self.text = text
        self._tree = _parse(text)
        for node in _nodes(self._tree):
            if node["type"] == "function_expression":
                _check_call(text, node["value"], len(node["children"]))
        members = set(_root_members(self._tree))
        for name in sorted(members):
            if name not in ROOT_MEMBERS:
                raise ExpressionError(
                    f"column {text.find(name) + 1}: {name} does not exist: a path begins with result, "
                    "structuredContent, content or arguments"
                )
        self.needs_result = not members <= {"arguments"} or "current" in {n["type"] for n in _nodes(self._tree)}
        """True if the value depends on the call's result."""
        self.length_path = _length_path(self._tree)
        """For `length(path)`, the path from `structuredContent` on; `None` for any other expression."""

    def evaluate(self, root: Mapping[str, Any]) -> Any:
        """Return the expression's value for `root`. Raises `EvaluationError`."""
        try:
            return _Interpreter().visit(self._tree, root)
        except JMESPathError as error:
            function = getattr(error, "function_name", None)
            if function is None:
                raise EvaluationError("it cannot be evaluated") from None
            raise EvaluationError(f"{function}() got {getattr(error, 'actual_type', 'an unexpected type')}") from None
        except (RecursionError, ValueError, TypeError, ZeroDivisionError, OverflowError):
            raise EvaluationError("it cannot be evaluated") from None


def decode(data: bytes | msgspec.Raw | str) -> Any:
    """Decode JSON. Raises `EvaluationError` if `data` is not JSON or exceeds a bound."""
    raw = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)
    if len(raw) > MAX_INPUT_BYTES or sum(map(raw.count, (b",", b"[", b"{"))) > MAX_VALUES:
        raise EvaluationError("the result is too large for an expression other than length(path)")
    try:
        return msgspec.json.decode(raw)
    except (ValueError, RecursionError):
        raise EvaluationError("a text is not JSON") from None


class _Functions(Functions):
    @signature({"types": ["string"]})
    def _func_parse_json(self, text: str) -> Any:
        return decode(text)


class _Interpreter(TreeInterpreter):
    """Raises `EvaluationError` after `MAX_STEPS` nodes."""

    def __init__(self) -> None:
        super().__init__(Options(custom_functions=_functions))
        self._steps_left = MAX_STEPS

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        self._steps_left -= 1
        if self._steps_left < 0:
            raise EvaluationError("the result is too large for an expression other than length(path)")
        return super().visit(node, *args, **kwargs)


_functions = _Functions()


def _parse(text: str) -> Any:
    if len(text) > MAX_EXPRESSION_CHARACTERS:
        raise ExpressionError(f"is longer than {MAX_EXPRESSION_CHARACTERS} characters")
    try:
        return jmespath.compile(text).parsed
    except EmptyExpressionError:
        raise ExpressionError("is empty") from None
    except LexerError as error:
        raise ExpressionError(f"column {error.lexer_position + 1}: {error.message}") from None
    except ParseError as error:
        where = f"column {error.lex_position + 1}"
        if error.token_value in (None, ""):
            raise ExpressionError(f"{where}: the expression is incomplete") from None
        raise ExpressionError(f"{where}: {error.token_value} is not allowed here") from None
    except (JMESPathError, RecursionError) as error:
        raise ExpressionError(f"is not JMESPath: {error}") from None


def _nodes(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield node
        for child in node["children"]:
            yield from _nodes(child)


def _check_call(text: str, name: str, passed: int) -> None:
    where = f"column {text.find(name + '(') + 1}"
    known = _Functions.FUNCTION_TABLE.get(name)
    if known is None:
        raise ExpressionError(f"{where}: there is no function {name}()")
    expected = known["signature"]
    if passed < len(expected) or (passed > len(expected) and not expected[-1].get("variadic")):
        raise ExpressionError(f"{where}: {name}() takes {len(expected)} arguments, not {passed}")


_CHAINS = frozenset(
    ("subexpression", "pipe", "index_expression", "projection", "value_projection", "filter_projection", "flatten")
)


def _root_members(node: Any) -> Iterator[str]:
    """Yield the members of the root that the expression reads."""
    match node["type"]:
        case "field":
            yield node["value"]
        case "expref" | "literal" | "current" | "identity" | "slice":
            return
        case node_type:
            for child in node["children"][: 1 if node_type in _CHAINS else None]:
                yield from _root_members(child)


def _length_path(tree: Any) -> tuple[str, ...] | None:
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
