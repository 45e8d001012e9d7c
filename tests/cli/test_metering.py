"""`mcp-gateway metering` from the command line."""

from __future__ import annotations

import io
import json
import re
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from gateway.cli import main
from gateway.metering.confidence import Sign
from gateway.metering.explain import report
from tests.support.running_up import Running

Capture = pytest.CaptureFixture[str]

CALL = {
    "tool": "find_parts",
    "arguments": {"area": "eu"},
    "result": {"content": [], "structuredContent": {"pieces": ["a", "b"], "weight": 5, "maker": "x"}},
}
RULES = '[[metering.rule]]\ntool = "find_*"\ntables = "arguments.area"\nrecords = "length(structuredContent.pieces)"\n'


@pytest.fixture(autouse=True)
def _files() -> None:
    """A recorded call and a rule, in the current folder of the test."""
    Path("call.json").write_text(json.dumps(CALL))
    Path("gateway.toml").write_text(RULES)


def explained(capsys: Capture, *options: str) -> dict[str, Any]:
    assert main(["metering", "explain", *options, "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_explain_shows_the_result_with_and_without_the_configured_rules(capsys: Capture) -> None:
    without_rules = explained(capsys, "call.json")
    assert (without_rules["records"], without_rules["count_method"]) == (None, "unknown")
    with_rules = explained(capsys, "call.json", "--config", "gateway.toml")
    assert (with_rules["tables"], with_rules["records"], with_rules["count_method"]) == (["eu"], 2, "rule")
    assert {"where": "rule 1 (find_*) tables", "found": "arguments.area → eu"} in with_rules["steps"]


def test_explain_prints_text_and_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(CALL).encode())))
    assert main(["metering", "explain", "-", "--config", "gateway.toml"]) == 0
    printed = capsys.readouterr().out
    assert "records       2\n" in printed
    assert "because       your rule gives the number of records\n" in printed


def test_explain_shows_the_signs_with_their_weights_and_the_candidates(capsys: Capture) -> None:
    rows = {"rows": [{"id": 1}, {"id": 2}], "row_count": 2, "warnings": []}
    call = {"tool": "find", "result": {"content": [], "structuredContent": rows}}
    Path("rows.json").write_text(json.dumps(call))
    explained_call = explained(capsys, "rows.json")
    assert explained_call["signs"] == [
        {"sign": "common_list", "weight": Sign.COMMON_LIST.weight, "text": "a list under a common name"},
        {"sign": "witness_agrees", "weight": Sign.WITNESS_AGREES.weight, "text": "the result states the same number"},
    ]
    assert (explained_call["path"], explained_call["witness"]) == (
        "structuredContent.rows",
        "structuredContent.row_count",
    )
    assert [(one["where"], one["won"]) for one in explained_call["candidates"]] == [
        ("structuredContent.rows", True),
        ("structuredContent.warnings", False),
    ]
    assert main(["metering", "explain", "rows.json"]) == 0
    printed = capsys.readouterr().out
    assert f"  {Sign.WITNESS_AGREES.weight:+.1f}  the result states the same number\n" in printed
    assert re.search(r"won: 2 records \(structured\), 9\d\.\d %; it is read first\n", printed)


def test_explain_names_what_is_wrong_with_the_file(capsys: Capture) -> None:
    Path("bad.json").write_text("{")
    Path("latin.json").write_bytes(b"\xff")
    for name, message in (
        ("none.json", "none.json cannot be read: No such file or directory"),
        ("bad.json", "bad.json is not JSON: Expecting property name enclosed in double quotes in line 1, column 2"),
        ("latin.json", "latin.json is not UTF-8"),
    ):
        assert main(["metering", "explain", name]) == 1
        assert capsys.readouterr().err == f"mcp-gateway: {message}\n"


def test_explain_reports_a_fault_of_a_rule_like_the_start(capsys: Capture) -> None:
    Path("gateway.toml").write_text(RULES.replace("length", "size"))
    assert main(["metering", "explain", "call.json", "--config", "gateway.toml"]) == 1
    assert "metering.rule 1 (find_*) records in" in capsys.readouterr().err


def test_report_prints_an_anonymized_call_that_counts_alike(capsys: Capture) -> None:
    assert main(["metering", "report", "call.json", "--expected-records", "2", "--expected-tables", "eu"]) == 0
    printed = capsys.readouterr()
    made = json.loads(printed.out)
    assert (made["tool"], made["expected"]["records"]) == ("find_parts", 2)
    assert made["expected"]["tables"] == [made["arguments"]["area"]] != ["eu"]
    names = list(made["result"]["structuredContent"])
    assert [len(name) for name in names] == [6, 6, 5]
    assert not {"pieces", "weight", "maker"} & set(names)
    assert printed.err.startswith("The anonymized call reproduces the count: an unknown count (unknown), 0 tables.")


def test_report_writes_a_file_and_prints_the_comparison_as_json(capsys: Capture) -> None:
    assert main(["metering", "report", "call.json", "--output", "report.json", "--json"]) == 0
    metered = {"records": None, "count_method": "unknown", "tables": 0}
    assert json.loads(capsys.readouterr().out) == {"reproduces": True, "original": metered, "anonymized": metered}
    assert main(["metering", "explain", "report.json"]) == 0


def test_report_says_that_the_call_does_not_reproduce_the_count(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    unlike = report.Report({"tool": "x"}, report.Metered(2, "csv_text", 1), report.Metered(None, "unknown", 0))
    monkeypatch.setattr(report, "report", lambda *_: unlike)
    assert main(["metering", "report", "call.json"]) == 1
    assert capsys.readouterr().err == (
        "mcp-gateway: the anonymized call has an unknown count (unknown), 0 tables, the original 2 records (csv_text), "
        "1 table: it does not reproduce the count. Run the command again, or change the values by hand and compare "
        "both calls with mcp-gateway metering explain\n"
    )


def test_report_names_what_is_wrong_with_its_files(capsys: Capture) -> None:
    Path("empty.json").write_text("")
    assert main(["metering", "report", "empty.json"]) == 1
    assert capsys.readouterr().err.startswith("mcp-gateway: empty.json holds no call: expected ")
    assert main(["metering", "report", "call.json", "--output", "none/report.json"]) == 1
    assert capsys.readouterr().err == "mcp-gateway: none/report.json cannot be written: No such file or directory\n"


def test_suggest_requires_from_history(capsys: Capture) -> None:
    assert main(["metering", "suggest"]) == 1
    assert "--from-history" in capsys.readouterr().err


def test_suggest_reports_an_unreachable_clickhouse(
    redis: Redis, valkey_url: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_REDIS_URL", valkey_url)
    monkeypatch.setenv("GATEWAY_CLICKHOUSE_URL", "http://127.0.0.1:9")
    assert main(["metering", "suggest", "--from-history"]) == 1
    assert "cannot be reached, check GATEWAY_CLICKHOUSE_URL" in capsys.readouterr().err


def test_rules_are_suggested_from_the_tools_of_a_running_gateway(tmp_path: Path, capsys: Capture) -> None:
    """A failing rule makes a count unknown; the suggested comes from the tool's output schema."""
    rules = tmp_path / "rules.toml"
    rules.write_text('[[metering.rule]]\ntool = "query_*"\nrecords = "\'many\'"\n')
    running = Running("up", data_dir=tmp_path / "data", GATEWAY_METERING_RULES=str(rules))
    try:
        running.until_ready()
        options = ["metering", "suggest", "--from-history", "--data-dir", str(running.data_dir)]
        assert main(options) == 0
        assert capsys.readouterr().out == ""
        call = {"name": "query_stock_daily", "arguments": {"symbol": "IBM", "limit": 2}}
        for id_, method, params in ((1, "tools/list", {}), (2, "tools/call", call)):
            message = {"jsonrpc": "2.0", "id": id_, "method": method, "params": params}
            assert running.rpc(message, running.key).status_code == 200
        deadline = time.monotonic() + 20
        while "[[metering.rule]]" not in (printed := suggested(options, capsys)):
            assert time.monotonic() < deadline, printed
        (rule,) = tomllib.loads(printed)["metering"]["rule"]
        assert printed.startswith("# query_stock_daily: 1 of 1 calls of unknown count (100 %)\n")
        assert rule == {"tool": "query_stock_daily", "records": "length(structuredContent.rows)"}
        assert main([*options, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)[0]["records"] == ["length(structuredContent.rows)"]
    finally:
        running.stop()


def suggested(options: list[str], capsys: Capture) -> str:
    assert main(options) == 0
    return capsys.readouterr().out
