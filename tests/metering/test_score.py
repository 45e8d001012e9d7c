"""The figures that the score of the metering prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.metering import MeteringResult
from tests.metering.corpus_cases import Case, read_lines
from tests.metering.first_sight import first_sight_cases, record_first_sight
from tests.metering.score import by_group, figures, totals
from tests.metering.support import texts
from tests.metering.thresholds import MAX_WRONG, best_threshold, curve, leave_one_server_out

CSV = texts("a,b\n1,2\n3,4")


def call(server: str = "s", records: int | None = 2, **members: Any) -> dict[str, Any]:
    truth: dict[str, Any] = {"tables": [], "records": records}
    return {"id": "1", "server": server, "tool": "run", "arguments": {}, "result": CSV, "truth": truth, **members}


def case(confidence: float | None, is_right: bool, server: str = "s") -> Case:
    result = MeteringResult((), 2 if is_right else 3, "csv_text", confidence=confidence)
    return Case(call(server), result)


def written(path: Path, *calls: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in calls))
    return path


def test_the_curve_has_the_outcomes_with_each_threshold() -> None:
    counted = [case(0.9, True), case(0.7, False), case(0.5, True)]
    outcomes = [(at, totals(at_it)) for at, at_it in curve(counted)]
    assert [(at, total["both"], total["unknown"], total["wrong"]) for at, total in outcomes] == [
        (0.0, 2, 0, 1),
        (0.5, 2, 0, 1),
        (0.7, 1, 1, 1),
        (0.9, 1, 2, 0),
    ]


def test_the_best_threshold_has_the_fewest_unknown_counts_and_hardly_a_wrong_one() -> None:
    assert MAX_WRONG == 0.003
    assert best_threshold([case(0.9, True), case(0.7, False), case(0.5, True)]) == 0.9
    assert best_threshold([case(0.9, True), case(0.7, True)]) == 0.7
    assert best_threshold([case(0.9, False), case(0.9, True)]) == 0.9


def test_the_threshold_for_a_server_is_chosen_without_its_calls() -> None:
    counted = [case(0.9, True, "a"), case(0.6, False, "a"), case(0.7, True, "b"), case(0.6, True, "b")]
    held_out = {name: totals(members) for name, members in servers(leave_one_server_out(counted)).items()}
    # The threshold for a is 0.6, with which all of b are right; that for b is 0.9, with which nothing of a is wrong.
    assert (held_out["a"]["both"], held_out["a"]["wrong"]) == (1, 1)
    assert held_out["b"]["unknown"] == 2


def servers(held_out: list[Case]) -> dict[str, list[Case]]:
    return {name: [one for one in held_out if one.server == name] for name in ("a", "b")}


def test_a_count_without_a_confidence_is_certain() -> None:
    assert [at for at, _ in curve([case(None, True)])] == [0.0, 1.0]


def test_first_sight_is_recorded_once(tmp_path: Path) -> None:
    first_sight = tmp_path / "first_sight.jsonl"
    assert record_first_sight(written(tmp_path / "a.jsonl", call(id="1")), first_sight) == 1
    assert list(read_lines(first_sight)) == [
        {"id": "1", "tables": [], "records": 2, "method": "csv_text", "signs": ["format"]}
    ]
    changed = written(tmp_path / "a.jsonl", call(id="1", result=texts("a,b\n1,2")), call(id="2"))
    assert record_first_sight(changed, first_sight) == 1
    assert [one["records"] for one in read_lines(first_sight)] == [2, 2]


def test_first_sight_is_scored_by_corpus(tmp_path: Path) -> None:
    first_sight = tmp_path / "first_sight.jsonl"
    answers = [
        {"id": "1", "tables": [], "records": 5, "method": "x"},
        {"id": "2", "tables": [], "records": 2, "method": "x"},
    ]
    scored = [Case(call(id=name), MeteringResult((), 2, "csv_text"), "new") for name in "123"]
    first = list(first_sight_cases(scored, written(first_sight, *answers)))
    assert by_group(first) == {"new": {"cases": 2, "both": 1, "tables": 2, "count": 1, "unknown": 0, "wrong": 1}}
    assert list(first_sight_cases(scored, tmp_path / "none.jsonl")) == []


@pytest.mark.parametrize(
    ("is_leave_one_out", "titles"),
    [
        (False, ["server", "shape", "corpus", "in all"]),
        (True, ["at first sight", "at first sight, by signs", "threshold chosen without the server"]),
    ],
)
def test_the_curve_is_always_printed(is_leave_one_out: bool, titles: list[str]) -> None:
    found = figures([case(0.9, True)], is_leave_one_out)
    assert list(found) == [*titles, "wrong versus unknown, by threshold"]
    json.dumps(found)
