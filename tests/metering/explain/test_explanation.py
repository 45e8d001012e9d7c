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


def test_the_language_of_a_query_is_named() -> None:
    explanation = explained(texts("a,b\n1,2"), kql="T | take 1")
    assert steps(explanation)["arguments"] == "reads t; from a query in kql"


def test_the_reach_of_a_call_is_judged_by_the_name_of_its_tool() -> None:
    explanation = explained(texts("done"), tool="manage_boats", operation="update", table="boats", note="table: secret")
    assert steps(explanation)["arguments"].endswith("may reach further tables")


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


def test_the_candidates_are_shown_with_the_reason_why_each_won_or_lost() -> None:
    explanation = explained(structured({"rows": [{"id": 1}, {"id": 2}], "row_count": 2, "warnings": []}))
    assert [(one.place, one.records, one.has_won, one.reason) for one in explanation.candidates] == [
        ("structuredContent.rows", 2, True, "it is read first"),
        ("text 1: rows", 2, False, "structuredContent is read first, and this repeats it"),
        ("structuredContent.warnings", 0, False, "structuredContent.rows fits better as the records"),
    ]


def test_texts_with_records_win_together() -> None:
    explanation = explained(texts("a,b\n1,2\n3,4", "a,b\n5,6\n7,8"))
    assert explanation.result.records == 4
    assert [(one.records, one.has_won) for one in explanation.candidates] == [(2, True), (2, True)]


def test_a_count_in_doubt_is_explained_by_its_confidence() -> None:
    explanation = explained(texts("a,b\n1,2\n3,4"), limit=1)
    assert explanation.result.records is None
    assert explanation.reason.startswith("the confidence of ")
    (only,) = explanation.candidates
    assert (only.records, only.has_won) == (2, False)
    assert only.reason == "it is the best, but not good enough: the count is unknown"


def test_no_candidate_wins_if_a_rule_or_the_statement_gives_the_number() -> None:
    rules = parse_rules({"rule": [{"tool": "*", "records": "`7`"}]})
    assert {one.reason for one in explained(texts("a,b\n1,2\n3,4"), rules).candidates} == {"your rule gives the number"}
    written = explained(texts("a,b\n1,2\n3,4"), sql="INSERT INTO t VALUES (1)")
    assert {one.reason for one in written.candidates} == {"the statement returns no rows"}
