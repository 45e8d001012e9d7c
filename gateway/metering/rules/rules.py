"""The operator's rules, for tools whose tables or records cannot be seen in the shape of a result.

The first rule whose pattern matches a tool's name applies to it; patterns are those of file names (`*`, `?`, `[…]`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import translate
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gateway.metering.rules.expressions import Expression

MAX_RULES = 200
MAX_CACHED_TOOLS = 1_024
"""Tools whose rule is cached."""


class RulesError(ValueError):
    """The rules are invalid; `faults` has all problems, each as (where, what)."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{where}: {what}" for where, what in faults))


class Rule(msgspec.Struct, frozen=True):
    """One rule; `number` is its position in the file, from 1."""

    number: int
    tool: str
    """Pattern of tool names."""
    tables: Expression | None
    records: Expression | None


class Rules:
    """All rules, in their order."""

    def __init__(self, rules: Sequence[Rule] = ()) -> None:
        self._rules = [(re.compile(translate(rule.tool)), rule) for rule in rules]
        self._cache: dict[str, Rule | None] = {}

    def __len__(self) -> int:
        return len(self._rules)

    def find(self, tool: str) -> Rule | None:
        """Return the rule for a tool; `None` if there is none."""
        if not self._rules:
            return None
        try:
            return self._cache[tool]
        except KeyError:
            pass
        found = next((rule for pattern, rule in self._rules if pattern.match(tool[:256])), None)
        if len(self._cache) < MAX_CACHED_TOOLS:
            self._cache[tool] = found
        return found
