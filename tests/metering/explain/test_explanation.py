"""Explanations of how a call is counted."""

from __future__ import annotations

from typing import Any

from gateway.metering import meter
from gateway.metering.explain.explanation import Explanation, explain
from gateway.metering.rules.parsing import parse_rules
from gateway.metering.rules.rules import Rules
from tests.metering.corpus_cases import cases, hints
from tests.metering.support import structured, texts, wire


def explained(result: dict[str, Any], rules: Rules | None = None, tool: str = "query", **arguments: Any) -> Explanation:
    return explain(tool, arguments, wire(result), rules or Rules())


def steps(explanation: Explanation) -> dict[str, str]:
    return {step.part: step.finding for step in explanation.steps}


def test_the_result_is_that_of_the_metering() -> None:
    for case in cases():
        call = case.call
        explanation = explain(call["tool"], call["arguments"], wire(call["result"]), Rules(), hints(call))
        assert explanation.result == case.result, call["id"]
        assert explanation.reason


def test_the_list_that_was_counted_is_named() -> None:
    explanation = explained(structured({"page": 1, "answer": {"items": [{"id": 1}, {"id": 2}]}}))
    assert explanation.reason == "counted in structuredContent"
    assert steps(explanation)["structuredContent"].endswith(
        "2 records (structured): the length of structuredContent.answer.items"
    )


def test_the_text_that_was_counted_and_the_source_of_the_tables_are_named() -> None:
    explanation = explained(texts("a,b\n1,2\n3,4"), sql="SELECT a, b FROM t")
    assert explanation.reason == "counted in text 1 of 1"
    assert steps(explanation)["arguments"] == "reads t; from SQL"
    assert steps(explanation)["text 1 of 1"] == "11 characters: 2 records (csv_text)"


def test_the_value_of_each_expression_of_the_rule_is_shown() -> None:
    rules = parse_rules(
        {"rule": [{"tool": "que*", "tables": "arguments.area", "records": "length(structuredContent.found)"}]}
    )
    explanation = explained(structured({"found": [1, 2]}), rules, area="eu")
    assert explanation.reason == "your rule gives the number of records"
    assert steps(explanation)["rule 1 (que*) tables"] == "arguments.area → eu"
    assert steps(explanation)["rule 1 (que*) records"] == "length(structuredContent.found) → 2"


def test_the_reason_is_shown_if_a_rule_failed_or_had_no_effect() -> None:
    rules = parse_rules({"rule": [{"tool": "*", "tables": "arguments.none", "records": "length(structuredContent.x)"}]})
    explanation = explained(structured({"found": [1, 2]}), rules)
    assert explanation.reason == "your rule failed on this call: records: length() got null"
    assert steps(explanation)["rule 1 (*) tables"] == "arguments.none → null, so the next steps decide"
    assert steps(explanation)["rule 1 (*) records"].endswith("failed, so records are unknown: length() got null")


def test_it_is_shown_that_no_rule_matches_the_tool() -> None:
    rules = parse_rules({"rule": [{"tool": "get_*", "records": "`1`"}]})
    assert steps(explained(texts("x"), rules))["rules"] == "none of 1 matches query"


def test_results_beyond_a_bound_and_errors_are_named() -> None:
    explanation = explain("query", {}, b"[" * 10, Rules())
    assert (explanation.result, explanation.result.method) == (meter("query", {}, b"[" * 10), "unknown")
    assert "exceed a bound" in explanation.steps[0].finding
    assert explained(texts("no", isError=True)).reason == "the call failed, and an error has no records"
