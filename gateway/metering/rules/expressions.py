"""JMESPath expressions of the operator's rules: checked when they are parsed, bounded when they are evaluated.

- An expression is evaluated on `{arguments, result}`; `structuredContent` and `content` are short for the members of
  `result`.
- Syntax, function names and root members are checked when the expression is parsed.
- One function is added to those of JMESPath: `parse_json(text)`.
- `length(path)` works on results of any size (see `evaluation`). For any other expression, result and work are bounded
  (see `interpreter`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
from jmespath.exceptions import EmptyExpressionError, JMESPathError, LexerError, ParseError

from gateway.metering.rules.interpreter import BoundedFunctions, EvaluationError, Interpreter

MAX_EXPRESSION_CHARACTERS = 2_000
"""Characters of an expression."""
ROOT_MEMBERS = ("arguments", "result", "structuredContent", "content")
"""Members that a path can begin with."""


class ExpressionError(ValueError):
    """An invalid expression; the message says where and why."""


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

    def evaluate(self, root: Mapping[str, Any], interpreter: Interpreter) -> Any:
        """Return the expression's value for `root`. Raises `EvaluationError`."""
        try:
            return interpreter.visit(self._tree, root)
        except JMESPathError as error:
            function = getattr(error, "function_name", None)
            if function is None:
                raise EvaluationError("it cannot be evaluated") from None
            raise EvaluationError(f"{function}() got {getattr(error, 'actual_type', 'an unexpected type')}") from None
        except (RecursionError, ValueError, TypeError, ZeroDivisionError, OverflowError):
            raise EvaluationError("it cannot be evaluated") from None


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
    known = BoundedFunctions.FUNCTION_TABLE.get(name)
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
