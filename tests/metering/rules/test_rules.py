"""The operator's rules: their effect on calls, and the reports of their faults."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.metering import MeteringResult, meter
from gateway.metering.rules.interpreter import MAX_STEPS, MAX_VALUES
from gateway.metering.rules.parsing import parse_rules
from gateway.metering.rules.rules import MAX_RULES, Rules, RulesError
from tests.metering.support import outcome, structured, texts, wire


def rules(*entries: dict[str, Any]) -> Rules:
    return parse_rules({"rule": list(entries)})


def ruled(rule: dict[str, Any], result: dict[str, Any], tool: str = "get_orders", **arguments: Any) -> MeteringResult:
    return outcome(meter(tool, arguments, wire(result), rules({"tool": "*", **rule}).find(tool)))


def faults(*entries: object) -> list[str]:
    with pytest.raises(RulesError) as caught:
        parse_rules({"rule": list(entries)})
    return [f"{where}: {what}" for where, what in caught.value.faults]


TOO_LARGE = "the result is too large for an expression other than length(path)"
ITEMS = structured({"items": [{"id": 1}, {"id": 2}], "other": [{"id": 3}]})


@pytest.mark.parametrize(
    "expression",
    [
        "length(result.structuredContent.items)",
        "length(structuredContent.items)",
        "length(structuredContent.items[?id > `0`])",
        "length(parse_json(content[0].text).items)",
    ],
)
def test_a_rule_gives_the_number_of_records(expression: str) -> None:
    assert ruled({"records": expression}, ITEMS) == MeteringResult((), 2, "rule")


def test_a_rule_gives_the_tables() -> None:
    rule = {"tables": "[arguments.area, 'Orders']", "records": "length(structuredContent.items)"}
    assert ruled(rule, ITEMS, area="EU") == MeteringResult(("eu", "orders"), 2, "rule")


def test_a_rule_for_tables_does_not_change_the_count() -> None:
    result = structured({"rows": [{"id": 1}]})
    assert ruled({"tables": "arguments.area"}, result, area="eu") == MeteringResult(("eu",), 1, "structured")


def test_a_rule_for_records_does_not_change_the_tables() -> None:
    assert ruled({"records": "length(structuredContent.items)"}, ITEMS, table="orders") == MeteringResult(
        ("orders",), 2, "rule"
    )


def test_the_first_matching_rule_applies() -> None:
    found = rules(
        {"tool": "get_*", "records": "`1`"}, {"tool": "get_orders", "records": "`2`"}, {"tool": "?", "records": "`3`"}
    )
    assert [getattr(found.find(tool), "number", None) for tool in ("get_orders", "x", "list", "x")] == [1, 3, None, 3]


def test_a_rule_that_evaluates_to_null_has_no_effect() -> None:
    rule = {"tables": "arguments.none", "records": "structuredContent.none"}
    assert ruled(rule, structured({"rows": [{"id": 1}]}), table="t") == MeteringResult(("t",), 1, "structured")


@pytest.mark.parametrize(
    "expression", ["`-1`", "`1.5`", "`true`", "'2'", "structuredContent.items", "length(arguments.x)"]
)
def test_a_rule_that_does_not_give_a_number_makes_the_count_unknown(expression: str) -> None:
    metered = ruled({"records": expression}, structured({"items": [{"id": 1}]}), table="t")
    assert (metered.tables, metered.records, metered.method) == (("t",), None, "unknown")
    assert metered.rule_error is not None
    assert metered.rule_error.startswith("records: ")


def test_a_rule_that_does_not_give_a_name_makes_the_tables_unknown() -> None:
    metered = ruled({"tables": "`1`"}, structured({"rows": [{"id": 1}]}), table="t")
    assert (metered.tables, metered.records) == ((), 1)
    assert metered.rule_error == "tables: the value is not a table name or a list of table names"


def test_a_rule_error_contains_no_data_of_the_call() -> None:
    metered = ruled({"records": "length(arguments.secret)"}, ITEMS, secret=123456789)
    assert metered.rule_error == "records: length() got number"


def test_an_error_has_no_records_whatever_the_rule() -> None:
    assert ruled({"records": "`5`"}, texts("no", isError=True)) == MeteringResult((), 0, "error")
    failed = ruled({"records": "length(structuredContent.items)"}, texts("Error: no such table: x"))
    assert (failed.records, failed.method) == (0, "error")


def test_length_works_on_a_large_result() -> None:
    result = {"content": [], "structuredContent": {"meta": {"a": 1}, "items": [{"id": one} for one in range(90_000)]}}
    assert len(wire(result)) > 1_000_000
    assert ruled({"records": "length(structuredContent.items)"}, result).records == 90_000
    assert ruled({"records": "length(structuredContent.items[?id])"}, result).method == "unknown"


def test_an_expression_that_takes_too_many_steps_fails() -> None:
    items = [{"id": one} for one in range(MAX_STEPS)]
    metered = ruled({"records": "length(structuredContent.items[?id >= `0`])"}, structured({"items": items[:500]}))
    assert metered.records == 500
    metered = ruled(
        {"records": "length(structuredContent.items[?id >= `0`])"},
        {"content": [], "structuredContent": {"items": items}},
    )
    assert metered.records is None
    assert metered.rule_error == f"records: {TOO_LARGE}"


def test_functions_take_steps_by_the_sizes_of_their_arguments() -> None:
    joined = "length(join('', map(&to_string(@), structuredContent.items)))"
    few, many = (structured({"items": [{"id": 10}] * number}) for number in (400, 2_000))
    assert ruled({"records": joined}, few).records == 400 * len('{"id":10}')
    assert ruled({"records": joined}, many).rule_error == f"records: {TOO_LARGE}"
    assert ruled({"records": "length(structuredContent.items[*].length(@))"}, many).records == 2_000


@pytest.mark.parametrize("expression", ["length(sort(arguments.names))", "length(sort_by(arguments.names, &@))"])
def test_a_long_list_is_not_sorted(expression: str) -> None:
    names = [f"{number}" for number in range(MAX_STEPS)]
    assert ruled({"records": "length(arguments.names)"}, ITEMS, names=names).records == MAX_STEPS
    metered = ruled({"records": expression}, ITEMS, names=names)
    assert metered.records is None


def test_a_list_that_doubles_in_each_part_of_an_expression_is_stopped() -> None:
    doubled = "structuredContent.items" + " | [@, @][]" * 60
    assert ruled({"records": f"length({doubled})"}, ITEMS).rule_error == f"records: {TOO_LARGE}"


def test_both_expressions_of_a_rule_share_its_steps() -> None:
    items = structured({"items": [{"id": one} for one in range(MAX_STEPS // 8)]})
    counting = "length(structuredContent.items[?id >= `0`])"
    assert ruled({"records": counting}, items).records == MAX_STEPS // 8
    metered = ruled({"tables": f"[[arguments.a, {counting}][0]]", "records": counting}, items, a="t")
    assert (metered.tables, metered.rule_error) == (("t",), f"records: {TOO_LARGE}")


def test_the_texts_that_a_rule_parses_are_bounded_together() -> None:
    parsing = "length(content[*].parse_json(text))"
    text = json.dumps([1] * (MAX_VALUES // 3))
    assert ruled({"records": parsing}, texts(text, text)).records == 2
    assert ruled({"records": parsing}, texts(text, text, text, text)).rule_error == f"records: {TOO_LARGE}"


def test_faults_name_the_rule_the_member_and_the_position() -> None:
    assert faults(
        {"tool": "a", "records": "length(result.items)"},
        {"tool": "b", "records": "length(items)"},
        {"tool": "c", "records": "size(result.items)"},
        {"tool": "d", "records": "length(result.items, 'x')"},
        {"tool": "e", "tables": "result..x"},
        {"tool": "f", "tables": "length(result."},
        {"tool": "g", "tables": ""},
        {"tool": "h", "tables": 5},
        {"tool": "i", "tabels": "arguments.x", "records": "`1`"},
        {"tool": "j"},
        {"records": "`1`"},
        "k",
    ) == [
        "metering.rule 2 (b) records: column 8: items does not exist: a path begins with result, "
        "structuredContent, content or arguments (in length(items))",
        "metering.rule 3 (c) records: column 1: there is no function size() (in size(result.items))",
        "metering.rule 4 (d) records: column 1: length() takes 1 arguments, not 2 (in length(result.items, 'x'))",
        "metering.rule 5 (e) tables: column 8: . is not allowed here (in result..x)",
        "metering.rule 6 (f) tables: column 15: the expression is incomplete (in length(result.)",
        "metering.rule 7 (g) tables: is empty",
        "metering.rule 8 (h) tables: must be a string with a JMESPath expression",
        "metering.rule 9 (i) tabels: is not a member of a rule: did you mean tables?",
        "metering.rule 10 (j): has no effect: add tables or records",
        'metering.rule 11: has no tool: add a name or pattern, such as tool = "get_*"',
        "metering.rule 12: must be a table",
    ]


@pytest.mark.parametrize("table", [[], {"rules": []}, {"rule": {}}, {"rule": [{"tool": "a"}] * (MAX_RULES + 1)}])
def test_a_value_other_than_a_list_of_rules_is_rejected(table: object) -> None:
    with pytest.raises(RulesError):
        parse_rules(table)


def test_an_empty_table_has_no_rules() -> None:
    assert parse_rules({}).find("x") is None
