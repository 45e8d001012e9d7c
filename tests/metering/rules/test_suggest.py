"""Suggested rules for tools with unknown counts."""

from __future__ import annotations

import tomllib
from typing import Any

from gateway.metering import meter
from gateway.metering.rules.parsing import parse_rules
from gateway.metering.rules.suggest import ToolUsage, suggest, to_toml
from gateway.metering.tool_declarations import parse_tool_list
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
    return parse_tool_list(wire({"tools": [tool if output is None else {**tool, "outputSchema": output}]})).schemas


def test_tools_with_unknown_counts_are_listed_the_most_frequent_first() -> None:
    usage = [ToolUsage("a", 10, 0), ToolUsage("b", 10, 1), ToolUsage("c", 9, 9), ToolUsage("d", 1, 1)]
    assert [one.tool for one in suggest(usage, {})] == ["c", "b", "d"]


def test_a_suggested_rule_is_valid_and_counts() -> None:
    known = schemas("find*", PARTS, area={"description": "Table name"})
    toml = to_toml(suggest([ToolUsage("find*", 8, 2)], known))
    assert toml.startswith("# find*: 2 of 8 calls of unknown count (25 %)\n")
    assert '# or: records = "length(structuredContent.weights)"' in toml
    rules = parse_rules(tomllib.loads(toml)["metering"])
    result = wire({"content": [], "structuredContent": {"found-parts": [{}, {}], "weights": [1.5]}})
    metered = meter("find*", {"area": "EU"}, result, rules.find("find*"))
    assert (metered.tables, metered.records, metered.method) == (("eu",), 2, "rule")
    assert rules.find("find_more") is None


def test_a_suggestion_without_an_output_schema_is_a_comment() -> None:
    known = schemas("declared", area={})
    toml = to_toml(suggest([ToolUsage("declared", 5, 5), ToolUsage("not seen", 5, 5)], known))
    assert tomllib.loads(toml) == {}
    assert "It declares no list in its output schema" in toml
    assert "Its declaration is not known yet" in toml
    assert '# tool = "not seen"' in toml


def test_the_name_of_a_tool_is_escaped() -> None:
    evil = 'x"\n[[metering.rule]]\ntool = "*"\nrecords = "`0`"\n# '
    output = {"type": "object", "properties": {evil: {"type": "array", "items": {"type": "object"}}}}
    toml = to_toml(suggest([ToolUsage(evil, 1, 1)], schemas(evil, output)))
    (rule,) = tomllib.loads(toml)["metering"]["rule"]
    assert rule["tool"] == evil.replace("[[", "[[][[]").replace("*", "[*]")
    assert len(parse_rules({"rule": [rule]})) == 1
