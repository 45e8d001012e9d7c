"""The operator's rules: for tools whose tables or records cannot be seen by their shape.

Rules:
- The first rule whose pattern matches the tool is the tool's; patterns are those of file names (`*`, `?`, `[…]`).
- An expression that answers `null` says nothing, and the order goes on as if there were none. One that fails, or whose
  answer is no number of records or no name of a table, makes the answer unknown: never a guess.
- `jmespath` is imported when the first rule is read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from gateway.metering import wire
from gateway.metering.json import structure
from gateway.metering.json.values import TOO_MUCH, length
from gateway.metering.metered import read_table

if TYPE_CHECKING:
    from gateway.metering.rules.expressions import Expression

MAX_RULES = 200
MAX_TABLES = 64
"""Tables that a rule may name for one call."""
MAX_KNOWN = 1_024
"""Tools whose rule is remembered."""

MAX_DECODED = 24 * 1024
"""Bytes of a result that is decoded also for `length(path)` (about 0.15 ms); of a larger one only the path is read."""

_MEMBERS = ("tool", "tables", "records")

Answer = TypeVar("Answer")


class RulesError(ValueError):
    """The rules cannot be used; `faults` has all that is wrong: where, and what."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{where}: {what}" for where, what in faults))


class Rule(msgspec.Struct, frozen=True):
    """One rule; `number` is its place in the file, from 1."""

    number: int
    tool: str
    tables: Expression | None
    records: Expression | None


class Failed(msgspec.Struct, frozen=True):
    """An expression gave no answer for a call."""

    reason: str
    """It holds nothing of the call."""


class Said(msgspec.Struct, frozen=True):
    """What a rule says about one call; `None`: nothing."""

    tables: tuple[str, ...] | Failed | None
    records: int | Failed | None

    @property
    def fault(self) -> str | None:
        """Why the rule failed, if it did."""
        found = [
            f"{name}: {answer.reason}"
            for name, answer in (("tables", self.tables), ("records", self.records))
            if isinstance(answer, Failed)
        ]
        return "; ".join(found) or None


class Rules:
    """All rules, in their order."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = [(re.compile(translate(rule.tool)), rule) for rule in rules]
        self._known: dict[str, Rule | None] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def find(self, tool: str) -> Rule | None:
        """The rule of a tool."""
        if not self._rules:
            return None
        try:
            return self._known[tool]
        except KeyError:
            pass
        found = next((rule for pattern, rule in self._rules if pattern.match(tool[:256])), None)
        if len(self._known) < MAX_KNOWN:
            self._known[tool] = found
        return found


def read_rules(table: object) -> Rules:
    """The rules in the table `metering` of a TOML file. Raises `RulesError`."""
    if not isinstance(table, dict):
        raise RulesError([("metering", "must be a table, with rules as [[metering.rule]]")])
    faults = [
        (f"metering.{name}", "is nothing that is known: rules are [[metering.rule]]")
        for name in table.keys() - {"rule"}
    ]
    entries = table.get("rule", [])
    if not isinstance(entries, list) or len(entries) > MAX_RULES:
        raise RulesError([*faults, ("metering.rule", f"must be at most {MAX_RULES} tables, each as [[metering.rule]]")])
    rules = [_read_rule(number, entry, faults) for number, entry in enumerate(entries, start=1)]
    if faults:
        raise RulesError(faults)
    return Rules([rule for rule in rules if rule is not None])


def _read_rule(number: int, entry: object, faults: list[tuple[str, str]]) -> Rule | None:
    where = f"metering.rule {number}"
    if not isinstance(entry, dict):
        faults.append((where, "must be a table"))
        return None
    tool = entry.get("tool")
    if not isinstance(tool, str) or not tool:
        faults.append((where, 'needs the tool that it is for: tool = "get_*"'))
        return None
    where = f"{where} ({tool[:80]})"
    faults.extend((f"{where} {name}", _unknown(name)) for name in entry if name not in _MEMBERS)
    if "tables" not in entry and "records" not in entry:
        faults.append((where, "says nothing: it needs tables or records"))
    tables, records = (_read_expression(where, name, entry.get(name), faults) for name in ("tables", "records"))
    return Rule(number, tool, tables, records)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, _MEMBERS, n=1)
    return f"is no member of a rule: did you mean {near[0]}?" if near else "is no member of a rule: remove it"


def _read_expression(where: str, name: str, text: object, faults: list[tuple[str, str]]) -> Expression | None:
    from gateway.metering.rules.expressions import Expression, ExpressionError

    if text is None:
        return None
    if not isinstance(text, str):
        faults.append((f"{where} {name}", "must be a text with a JMESPath expression"))
        return None
    try:
        return Expression(text)
    except ExpressionError as fault:
        faults.append((f"{where} {name}", f"{fault}{f' (in {text[:200]})' if text else ''}"))
        return None


def apply(rule: Rule, arguments: Mapping[str, Any], result: bytes, parts: wire.Result | wire.LargeResult) -> Said:
    """What `rule` says about a call with `arguments`; `result` is the JSON whose `parts` are decoded."""
    root = _Root(arguments, result, parts)
    return Said(_ask(rule.tables, root, _tables), _ask(rule.records, root, _records))


def _ask(expression: Expression | None, root: _Root, read: Callable[[Any], Answer]) -> Answer | Failed | None:
    from gateway.metering.rules.expressions import NoAnswer

    if expression is None:
        return None
    try:
        value = root.value(expression)
        return None if value is None else read(value)
    except NoAnswer as fault:
        return Failed(str(fault))
    except ValueError as fault:
        return Failed(f"the answer is {fault}")


class _Root:
    """What expressions run over, decoded when it is first asked for."""

    def __init__(self, arguments: Mapping[str, Any], result: bytes, parts: wire.Result | wire.LargeResult) -> None:
        self._arguments = arguments
        self._result = result
        self._parts = parts
        self._whole: dict[str, Any] | None = None

    def value(self, expression: Expression) -> Any:
        """Raises `NoAnswer`."""
        if not expression.needs_result:
            return expression.search({"arguments": self._arguments})
        if len(self._result) > MAX_DECODED and expression.counted_path is not None:
            return self._length(expression.counted_path)
        if self._whole is None:
            self._whole = self._decoded()
        return expression.search(self._whole)

    def _decoded(self) -> dict[str, Any]:
        from gateway.metering.rules.expressions import decode

        result = decode(self._result)
        return {
            "arguments": self._arguments,
            "result": result,
            "structuredContent": result.get("structuredContent"),
            "content": result.get("content"),
        }

    def _length(self, path: tuple[str, ...]) -> int:
        """The length of the list at `path`, which is not read for it."""
        from gateway.metering.rules.expressions import NoAnswer

        data = wire.structured(self._parts)
        try:
            value = TOO_MUCH if data is None else structure.read(data)
        except ValueError:
            value = TOO_MUCH
        for name in path:
            value = value.get(name) if isinstance(value, dict) else TOO_MUCH
        if not isinstance(value, list):
            raise NoAnswer(f"there is no list to count at {'.'.join(('structuredContent', *path))}")
        return length(value)


def _records(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError("no number of records")
    return value


def _tables(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    names = {read_table(one) for one in values[:MAX_TABLES]}
    if None in names or len(values) > MAX_TABLES:
        raise ValueError("no name of a table, and no list of them")
    return tuple(sorted(name for name in names if name is not None))
