"""Suggested rules for tools with unknown counts."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest

from gateway.metering import meter
from gateway.metering.rules.parsing import parse_rules
from gateway.metering.rules.suggest import Doubt, ToolUsage, suggest, to_toml
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


def doubt(path: str, *signs: str, calls: int = 3) -> Doubt:
    return Doubt(tool_name="find", count_path=path, count_signs=signs, calls=calls, confidence=0.42)


@pytest.mark.parametrize(
    ("path", "expression"),
    [
        ("structuredContent.data.rows", "length(structuredContent.data.rows)"),
        ("structuredContent", "length(structuredContent)"),
        ("text 2: JSON data.rows", "length(parse_json(content[1].text).data.rows)"),
        ("text 1: JSON", "length(parse_json(content[0].text))"),
    ],
)
def test_a_rule_is_suggested_for_the_place_of_a_doubtful_count(path: str, expression: str) -> None:
    (one,) = suggest([ToolUsage("find", 9, 3)], {}, [doubt(path, "common_list", "beyond_limit")])
    assert one.records == (expression,)
    toml = to_toml([one])
    assert f"# In doubt (42 %, 3 calls): {path}: a list under a common name; more records than the call's limit" in toml
    assert parse_rules(tomllib.loads(toml)["metering"]).find("find") is not None


def test_a_suggested_rule_counts_the_records_that_were_in_doubt() -> None:
    result = wire({"content": [], "structuredContent": {"data": {"rows": [{"a": 1}, {"a": 2}]}}})
    doubtful = meter("find", {"limit": 1}, result)
    assert doubtful.records is None
    found = suggest([ToolUsage("find", 1, 1)], {}, [doubt(doubtful.path, *doubtful.signs)])
    rules = parse_rules(tomllib.loads(to_toml(found))["metering"])
    assert meter("find", {"limit": 1}, result, rules.find("find")).records == 2


@pytest.mark.parametrize(
    ("path", "sign"),
    [
        ("structuredContent.result", "format"),
        ("structuredContent.*", "common_list"),
        ("text 1: CSV", "format"),
        ("each text", "format"),
        ("structuredContent." + "a" * 102, "common_list"),
    ],
)
def test_no_rule_is_suggested_for_a_place_that_is_no_list_or_not_known_whole(path: str, sign: str) -> None:
    (one,) = suggest([ToolUsage("find", 9, 3)], {}, [doubt(path, sign)])
    assert one.records == ()
    assert f"# In doubt (42 %, 3 calls): {path}" in to_toml([one])


def test_the_place_of_doubtful_counts_comes_before_the_lists_of_the_output_schema() -> None:
    known = schemas("find", PARTS)
    (one,) = suggest([ToolUsage("find", 9, 3)], known, [doubt("structuredContent.rows", "common_list")])
    assert one.records[:2] == ("length(structuredContent.rows)", 'length(structuredContent."found-parts")')


def test_the_name_of_a_tool_is_escaped() -> None:
    evil = 'x"\n[[metering.rule]]\ntool = "*"\nrecords = "`0`"\n# '
    output = {"type": "object", "properties": {evil: {"type": "array", "items": {"type": "object"}}}}
    toml = to_toml(suggest([ToolUsage(evil, 1, 1)], schemas(evil, output)))
    (rule,) = tomllib.loads(toml)["metering"]["rule"]
    assert rule["tool"] == evil.replace("[[", "[[][[]").replace("*", "[*]")
    assert len(parse_rules({"rule": [rule]})) == 1
