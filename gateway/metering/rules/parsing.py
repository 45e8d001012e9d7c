"""Parses and checks the operator's rules; reports all faults together.

`jmespath` is imported with the first rule.
"""

from __future__ import annotations

import difflib
import tomllib
from typing import TYPE_CHECKING

from gateway.metering.rules.rules import MAX_RULES, Rule, Rules, RulesError

if TYPE_CHECKING:
    from gateway.metering.rules.expressions import Expression

MAX_FILE = 1_048_576
"""Bytes of a file with rules."""

_MEMBERS = ("tool", "tables", "records")


def parse_rules_file(data: bytes, path: str) -> Rules:
    """Parse the content of the TOML file at `path`; all tables but `metering` are ignored. Raises `RulesError`."""
    if len(data) > MAX_FILE:
        raise RulesError([(path, f"is larger than {MAX_FILE} bytes")])
    try:
        table = tomllib.loads(data.decode()).get("metering", {})
    except tomllib.TOMLDecodeError as error:
        raise RulesError([(path, f"is not TOML: {error}")]) from None
    except UnicodeDecodeError:
        raise RulesError([(path, "is not UTF-8: save it as UTF-8")]) from None
    try:
        return parse_rules(table)
    except RulesError as error:
        raise RulesError([(f"{where} in {path}", what) for where, what in error.faults]) from None


def parse_rules(table: object) -> Rules:
    """Parse the decoded table `metering` of a TOML file. Raises `RulesError`."""
    if not isinstance(table, dict):
        raise RulesError([("metering", "must be a table, with rules as [[metering.rule]]")])
    faults = [(f"metering.{name}", "is unknown: write rules as [[metering.rule]]") for name in table.keys() - {"rule"}]
    entries = table.get("rule", [])
    if not isinstance(entries, list) or len(entries) > MAX_RULES:
        raise RulesError([*faults, ("metering.rule", f"must be at most {MAX_RULES} tables, each as [[metering.rule]]")])
    rules = [_parse_rule(number, entry, faults) for number, entry in enumerate(entries, start=1)]
    if faults:
        raise RulesError(faults)
    return Rules([rule for rule in rules if rule is not None])


def _parse_rule(number: int, entry: object, faults: list[tuple[str, str]]) -> Rule | None:
    where = f"metering.rule {number}"
    if not isinstance(entry, dict):
        faults.append((where, "must be a table"))
        return None
    tool = entry.get("tool")
    if not isinstance(tool, str) or not tool:
        faults.append((where, 'has no tool: add a name or pattern, such as tool = "get_*"'))
        return None
    where = f"{where} ({tool[:80]})"
    faults.extend((f"{where} {name}", _unknown_member(name)) for name in entry if name not in _MEMBERS)
    if "tables" not in entry and "records" not in entry:
        faults.append((where, "has no effect: add tables or records"))
    tables, records = (_parse_expression(where, name, entry.get(name), faults) for name in ("tables", "records"))
    return Rule(number, tool, tables, records)


def _unknown_member(name: str) -> str:
    near = difflib.get_close_matches(name, _MEMBERS, n=1)
    return f"is not a member of a rule: did you mean {near[0]}?" if near else "is not a member of a rule: remove it"


def _parse_expression(where: str, name: str, text: object, faults: list[tuple[str, str]]) -> Expression | None:
    from gateway.metering.rules.expressions import Expression, ExpressionError

    if text is None:
        return None
    if not isinstance(text, str):
        faults.append((f"{where} {name}", "must be a string with a JMESPath expression"))
        return None
    try:
        return Expression(text)
    except ExpressionError as error:
        faults.append((f"{where} {name}", f"{error}{f' (in {text[:200]})' if text else ''}"))
        return None
