"""What is told of how a call is counted."""

from __future__ import annotations

from typing import Any

from gateway.metering import meter
from gateway.metering.explain import Explanation, explain
from gateway.metering.rules.rules import Rules, read_rules
from tests.metering.score import cases
from tests.metering.support import structured, texts, wire


def explained(result: dict[str, Any], rules: Rules | None = None, tool: str = "query", **arguments: Any) -> Explanation:
    return explain(tool, arguments, wire(result), rules or Rules())


def steps(explanation: Explanation) -> dict[str, str]:
    return {step.where: step.found for step in explanation.steps}


def test_the_answer_is_the_metering_s() -> None:
    for case in cases():
        call = case.call
        explanation = explain(call["tool"], call["arguments"], wire(call["result"]), Rules())
        assert explanation.answer == case.answer, call["id"]
        assert explanation.because


def test_it_names_the_list_that_was_counted() -> None:
    explanation = explained(structured({"page": 1, "answer": {"items": [{"id": 1}, {"id": 2}]}}))
    assert explanation.because == "counted in structuredContent"
    assert steps(explanation)["structuredContent"].endswith(
        "2 records (structured): the length of structuredContent.answer.items"
    )


def test_it_names_the_text_that_was_counted_and_where_the_tables_come_from() -> None:
    explanation = explained(texts("a,b\n1,2\n3,4"), sql="SELECT a, b FROM t")
    assert explanation.because == "counted in text 1 of 1"
    assert steps(explanation)["arguments"] == "reads t; from SQL"
    assert steps(explanation)["text 1 of 1"] == "11 characters: 2 records (csv_text)"


def test_it_tells_what_each_expression_of_the_rule_gave() -> None:
    rules = read_rules(
        {"rule": [{"tool": "que*", "tables": "arguments.area", "records": "length(structuredContent.found)"}]}
    )
    explanation = explained(structured({"found": [1, 2]}), rules, area="eu")
    assert explanation.because == "your rule gives the number of records"
    assert steps(explanation)["rule 1 (que*) tables"] == "arguments.area → eu"
    assert steps(explanation)["rule 1 (que*) records"] == "length(structuredContent.found) → 2"


def test_it_tells_why_a_rule_failed_or_said_nothing() -> None:
    rules = read_rules({"rule": [{"tool": "*", "tables": "arguments.none", "records": "length(structuredContent.x)"}]})
    explanation = explained(structured({"found": [1, 2]}), rules)
    assert explanation.because == "your rule failed on this call: records: length() got null"
    assert steps(explanation)["rule 1 (*) tables"] == "arguments.none → null, so the order goes on"
    assert steps(explanation)["rule 1 (*) records"].endswith("failed, so records are unknown: length() got null")


def test_it_tells_that_no_rule_is_for_the_tool() -> None:
    rules = read_rules({"rule": [{"tool": "get_*", "records": "`1`"}]})
    assert steps(explained(texts("x"), rules))["rules"] == "none of 1 is for query"


def test_it_tells_what_is_beyond_the_bounds_and_what_failed() -> None:
    explanation = explain("query", {}, b"[" * 10, Rules())
    assert (explanation.answer, explanation.answer.method) == (meter("query", {}, b"[" * 10), "unknown")
    assert "beyond the bounds" in explanation.steps[0].found
    assert explained(texts("no", isError=True)).because == "the call failed, and an error has no records"
