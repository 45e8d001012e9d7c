"""The CPU time of metering, measured without a proxy: a structured result, and inputs that are made to be slow."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec

from bench.calls import CALLS, result_json
from bench.measurements import hostile_inputs
from gateway.metering import meter
from gateway.metering.rules.parsing import parse_rules

_CALLS = 1000
_ROUNDS = 50
_HOSTILE_ROUNDS = 5


class SlowestInput(msgspec.Struct):
    """The slowest input of a group, in CPU time of the event loop's thread."""

    group: str
    inputs: int
    slowest: str
    ms: float


def structured_us() -> float:
    """Return the CPU time in µs for a result of 1 KB that names its table: the minimum of several rounds."""
    call = CALLS[0]
    result, arguments = result_json(call), {"symbol": "IBM", "start": "2000-03-01", "limit": 3}
    meter(call.name, arguments, result)
    return min(_round(call.name, arguments, result) for _ in range(_ROUNDS))


def slowest_inputs() -> list[SlowestInput]:
    """Time all hostile inputs."""
    meter("query", {"sql": "SELECT 1"}, hostile_inputs.texts("x"))  # imports the SQL parser
    groups = {"results": _results(), "SQL": _statements(), "other arguments": _arguments(), "rules": _rules()}
    return [_slowest(group, dict(calls)) for group, calls in groups.items()]


def _slowest(group: str, calls: dict[str, Callable[[], object]]) -> SlowestInput:
    times = {name: min(_ms(call) for _ in range(_HOSTILE_ROUNDS)) for name, call in calls.items()}
    slowest = max(times, key=lambda name: times[name])
    return SlowestInput(group, len(times), slowest, times[slowest])


def _results() -> Iterator[tuple[str, Callable[[], object]]]:
    for name, make in hostile_inputs.RESULTS.items():
        yield name, partial(meter, "list_items", {}, make())


def _statements() -> Iterator[tuple[str, Callable[[], object]]]:
    for name, statement in hostile_inputs.STATEMENTS.items():
        yield name, partial(meter, "query", {"sql": statement}, hostile_inputs.texts("x"))


def _arguments() -> Iterator[tuple[str, Callable[[], object]]]:
    for name, arguments in hostile_inputs.ARGUMENTS.items():
        yield name, partial(meter, "query", arguments, hostile_inputs.texts("x"))


def _rules() -> Iterator[tuple[str, Callable[[], object]]]:
    for expression in hostile_inputs.EXPRESSIONS:
        rule = parse_rules({"rule": [{"tool": "*", "records": expression}]}).find("x")
        for name, result in hostile_inputs.RULE_RESULTS.items():
            yield f"{expression} of {name}", partial(meter, "x", {}, result, rule)


def _ms(call: Callable[[], object]) -> float:
    before = time.thread_time()
    call()
    return (time.thread_time() - before) * 1e3


def _round(tool: str, arguments: dict[str, Any], result: bytes) -> float:
    before = time.thread_time()
    for _ in range(_CALLS):
        meter(tool, arguments, result)
    return (time.thread_time() - before) / _CALLS * 1e6
