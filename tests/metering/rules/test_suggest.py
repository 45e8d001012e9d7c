"""Rules that are suggested for tools whose count is unknown."""

from __future__ import annotations

import tomllib
from typing import Any

from gateway.metering import Metered, meter
from gateway.metering.rules.rules import read_rules
from gateway.metering.rules.suggest import Counted, suggest, to_toml
from gateway.metering.tools import read_tools
from tests.metering.support import wire

PARTS = {
    "type": "object",
    "properties": {
        "weights": {"type": "array", "items": {"type": "number"}},
        "found-parts": {"type": "array", "items": {"type": "object"}},
    },
}


def schemas(name: str, output: Any = None, **arguments: Any) -> dict[str, bytes]:
    tool = {"name": name, "inputSchema": {"type": "object", "properties": arguments}}
    return read_tools(wire({"tools": [tool if output is None else {**tool, "outputSchema": output}]}))


def test_only_tools_with_unknown_counts_are_named_the_worst_first() -> None:
    counted = [Counted("a", 10, 0), Counted("b", 10, 1), Counted("c", 9, 9), Counted("d", 1, 1)]
    assert [one.tool for one in suggest(counted, {})] == ["c", "b", "d"]


def test_a_suggested_rule_can_be_pasted_and_counts() -> None:
    known = schemas("find*", PARTS, area={"description": "Table name"})
    toml = to_toml(suggest([Counted("find*", 8, 2)], known))
    assert toml.startswith("# find*: 2 of 8 calls of unknown count (25 %)\n")
    assert '# or: records = "length(structuredContent.weights)"' in toml
    rules = read_rules(tomllib.loads(toml)["metering"])
    result = wire({"content": [], "structuredContent": {"found-parts": [{}, {}], "weights": [1.5]}})
    assert meter("find*", {"area": "EU"}, result, rules.find("find*")) == Metered(("eu",), 2, "rule")
    assert rules.find("find_more") is None


def test_what_cannot_be_told_is_a_comment() -> None:
    known = schemas("declared", area={})
    toml = to_toml(suggest([Counted("declared", 5, 5), Counted("not seen", 5, 5)], known))
    assert tomllib.loads(toml) == {}
    assert "It declares no list in its output" in toml
    assert "No list of tools with it has passed yet" in toml
    assert '# tool = "not seen"' in toml


def test_the_name_of_a_tool_cannot_break_out_of_its_line() -> None:
    evil = 'x"\n[[metering.rule]]\ntool = "*"\nrecords = "`0`"\n# '
    output = {"type": "object", "properties": {evil: {"type": "array", "items": {"type": "object"}}}}
    toml = to_toml(suggest([Counted(evil, 1, 1)], schemas(evil, output)))
    (rule,) = tomllib.loads(toml)["metering"]["rule"]
    assert rule["tool"] == evil.replace("[[", "[[][[]").replace("*", "[*]")
    assert len(read_rules({"rule": [rule]})) == 1
