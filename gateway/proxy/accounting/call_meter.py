"""What the worker counts calls with: the metering, with the operator's rules in their present state.

- New rules take the place of the old ones between two calls; rules with a fault never do.
- A rule that fails on a call is told once for each of its faults, and counted each time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from gateway import metering
from gateway.metering import Metered, Result
from gateway.metering.rules.file import read_rules_file
from gateway.metering.rules.rules import Rules, RulesError
from gateway.metering.tools import ToolHints

log = logging.getLogger(__name__)

_MAX_TOLD = 1_000
"""Faults that are remembered as told; further ones are counted only."""


class CallMeter:
    """Meters calls; `rules_file` may be missing, and is read anew by `reload`."""

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
        self._told: set[tuple[int, str]] = set()

    def without_rule(self, tool: str, arguments: Mapping[str, Any], parts: Result) -> Metered | None:
        """Meter a call whose result was read with the message around it; `None` where a rule needs it whole."""
        if self._rules.find(tool) is not None:
            return None
        return metering.meter_parts(tool, arguments, parts, self._hints(tool))

    def __call__(self, tool: str, arguments: Mapping[str, Any], result: bytes) -> Metered:
        """Meter one answered call."""
        rule = self._rules.find(tool)
        metered = metering.meter(tool, arguments, result, rule, self._hints(tool))
        if metered.fault is not None and rule is not None:
            self._rule_failed()
            if (rule.number, metered.fault) not in self._told and len(self._told) < _MAX_TOLD:
                self._told.add((rule.number, metered.fault))
                log.warning("metering rule %d (%s) failed on a call: %s", rule.number, rule.tool, metered.fault)
        return metered

    async def reload(self) -> None:
        """Read the rules; those that have a fault change nothing, and are told."""
        if self._rules_file is None:
            log.info("there are no metering rules to read: no file of settings was named")
            return
        try:
            rules = await asyncio.to_thread(read_rules_file, self._rules_file)
        except RulesError as error:
            for where, what in error.faults:
                log.error("the metering rules stay as they were: %s: %s", where, what)
            return
        self._rules, self._told = rules, set()
        log.info("metering rules in force: %d", len(rules))
