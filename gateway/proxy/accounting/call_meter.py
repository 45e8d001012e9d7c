"""The worker's meter: metering with the operator's current rules.

- New rules replace the old ones between two calls. Rules with an error are never used.
- A rule that fails on a call is counted each time, and logged once for each of its errors.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway import metering
from gateway.metering import MeteringResult, ToolResult
from gateway.metering.rules.parsing import MAX_FILE, parse_rules_file
from gateway.metering.rules.rules import Rules, RulesError
from gateway.metering.tool_declarations import ToolHints

log = logging.getLogger(__name__)

_MAX_LOGGED = 1_000
"""Maximum number of rule failures that are logged; more are only counted."""


class CallMeter:
    """Meters calls; `rules_file` may be missing, and is read again by `reload`."""

    def __init__(
        self,
        rules_file: Path | None,
        rule_failed: Callable[[], None],
        hints: Callable[[str], ToolHints | None] = lambda tool: None,
    ) -> None:
        self._rules_file = rules_file
        self._rule_failed = rule_failed
        self._hints = hints
        self._rules = Rules()
        self._logged: set[tuple[int, str]] = set()

    def meter_decoded(self, tool: str, arguments: Mapping[str, Any], result: ToolResult) -> MeteringResult | None:
        """Meter a call whose result is already decoded; return `None` if a rule needs the result's bytes."""
        if self._rules.find(tool) is not None:
            return None
        return metering.meter_decoded(tool, arguments, result, self._hints(tool))

    def reachable_tables(self, tool: str, arguments: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the tables that a call can reach if its arguments tell all of them, whatever its result names."""
        return metering.reachable_tables(tool, arguments, self._hints(tool))

    def __call__(self, tool: str, arguments: Mapping[str, Any], result: bytes) -> MeteringResult:
        """Meter one answered call."""
        rule = self._rules.find(tool)
        metered = metering.meter(tool, arguments, result, rule, self._hints(tool))
        if metered.rule_error is not None and rule is not None:
            self._rule_failed()
            if (rule.number, metered.rule_error) not in self._logged and len(self._logged) < _MAX_LOGGED:
                self._logged.add((rule.number, metered.rule_error))
                log.warning("metering rule %d (%s) failed on a call: %s", rule.number, rule.tool, metered.rule_error)
        return metered

    async def reload(self) -> None:
        """Read the rules file; if it has errors, log them and keep the current rules."""
        if self._rules_file is None:
            log.info("metering rules not read: no settings file was given at start")
            return
        try:
            rules = await asyncio.to_thread(_read_rules_file, self._rules_file)
        except RulesError as error:
            for where, what in error.faults:
                log.error("the metering rules stay as they were: %s: %s", where, what)
            return
        self._rules, self._logged = rules, set()
        log.info("metering rules in force: %d", len(rules))


def _read_rules_file(path: Path) -> Rules:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise RulesError([(str(path), f"cannot be read ({error.strerror or error})")]) from None
    return parse_rules_file(data, str(path))
