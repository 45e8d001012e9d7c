"""Bounds: the work for any input is bounded, and beyond a bound the count is unknown.

Work is counted in calls of Python and C functions. An input of 2 MB that was read element by element, or line by line,
would take a million. `bench.measurements.metering` measures the time.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from bench.measurements.hostile_inputs import ARGUMENTS, EXPRESSIONS, RESULTS, RULE_RESULTS, STATEMENTS
from gateway.metering import MAX_RESULT, MeteringResult, meter, tables_in_arguments
from gateway.metering.arguments import MAX_ARGUMENT_STRINGS
from gateway.metering.arguments.declared_tables import MAX_TABLE_ARGUMENTS
from gateway.metering.arguments.strings import MAX_ARGUMENT_CHARACTERS
from gateway.metering.json import structure
from gateway.metering.json.object_members import MAX_WRAPPERS
from gateway.metering.rules.interpreter import MAX_STEPS
from gateway.metering.rules.parsing import parse_rules
from gateway.metering.sql.cache import MAX_SQL_CHARACTERS, MAX_TOKENS_ON_LOOP
from gateway.metering.text.formats import MAX_TEXT_CHARACTERS
from gateway.metering.tool_result import MAX_BLOCKS
from tests.metering.support import count_calls, outcome, records, texts, wire

MAX_CALLS = 100_000
"""Calls for a result of any size."""
MAX_CALLS_SQL = 400
"""Calls for one token of SQL that is parsed on the event loop."""
MAX_CALLS_RULE = 30
"""Calls for one step of a rule."""
MAX_CALLS_DECLARED = 50
"""Calls for a declared result."""


@pytest.mark.parametrize("name", RESULTS)
def test_the_work_for_a_hostile_result_is_bounded(name: str) -> None:
    result = RESULTS[name]()
    assert count_calls(lambda: meter("list_items", {}, result)) < MAX_CALLS


@pytest.mark.parametrize("name", STATEMENTS)
def test_the_work_for_hostile_sql_is_bounded(name: str) -> None:
    meter("query", {"sql": "SELECT 1"}, b'{"content":[]}')  # imports the parser
    result = wire(texts("x"))
    arguments = {"sql": STATEMENTS[name]}
    assert count_calls(lambda: meter("query", arguments, result)) < MAX_CALLS_SQL * MAX_TOKENS_ON_LOOP


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_work_for_hostile_arguments_is_bounded(name: str) -> None:
    result = wire(texts("x"))
    assert count_calls(lambda: meter("query", ARGUMENTS[name], result)) < MAX_CALLS


@pytest.mark.parametrize("result", RULE_RESULTS)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_work_for_a_rule_is_bounded(expression: str, result: str) -> None:
    rule = parse_rules({"rule": [{"tool": "*", "records": expression}]}).find("x")
    meter("x", {}, RULE_RESULTS[result], rule)
    assert count_calls(lambda: meter("x", {}, RULE_RESULTS[result], rule)) < MAX_CALLS_RULE * MAX_STEPS


def test_a_result_with_its_table_and_rows_takes_the_shortcut() -> None:
    rows = [{"date": "2024-01-02", "close": 185.64, "ticker": "AAPL", "volume": 82488700}] * 8
    content = {"table": "stocks", "record_count": 8, "rows": rows}
    result = wire({"content": [], "structuredContent": content, "isError": False})
    assert outcome(meter("get_prices", {"symbol": "AAPL"}, result)) == MeteringResult(("stocks",), 8, "declared")
    assert count_calls(lambda: meter("get_prices", {"symbol": "AAPL"}, result)) < MAX_CALLS_DECLARED


def test_two_megabytes_of_rows_are_counted_without_reading_each() -> None:
    rows = [
        {"date": "2024-01-02", "close": 185.64 + number, "ticker": "AAPL", "volume": number} for number in range(26_000)
    ]
    result = wire({"content": [], "structuredContent": {"rows": rows}})
    assert 1_800_000 < len(result) < 2_200_000
    assert meter("query", {}, result).records == 26_000
    assert count_calls(lambda: meter("query", {}, result)) < len(rows) // 10


def test_a_result_beyond_the_largest_size_is_unknown() -> None:
    rows = {"rows": ["x" * 1_000]}
    within, beyond = (wire({"structuredContent": {**rows, "page": "x" * size}}) for size in (1_000, MAX_RESULT))
    assert meter("query", {}, within).records == 1
    assert meter("query", {}, beyond) == MeteringResult((), None, "unknown")


def test_content_blocks_beyond_the_bound_are_unknown() -> None:
    blocks = ['{"id":1}'] * MAX_BLOCKS
    assert records(texts(*blocks)) == MAX_BLOCKS
    assert records(texts(*blocks, blocks[0])) is None


def test_objects_beyond_the_bound_are_unknown() -> None:
    limit = structure.MAX_OBJECTS
    assert records({"structuredContent": {"items": [{}] * (limit - 2)}}) == limit - 2
    assert records({"structuredContent": {"items": [{}] * (limit + 1)}}) is None


def test_a_text_beyond_the_bound_is_unknown() -> None:
    table = "a,b\n1,x\n2,y\n"
    assert records(texts(table)) == 2
    assert records(texts(table + "3,z\n" * (MAX_TEXT_CHARACTERS // 4))) is None


@pytest.mark.parametrize(("wrappers", "expected"), [(MAX_WRAPPERS, 2), (MAX_WRAPPERS + 2, None)])
def test_records_in_too_many_wrappers_are_unknown(wrappers: int, expected: int | None) -> None:
    value: Any = [{"id": 1}, {"id": 2}]
    for _ in range(wrappers):
        value = {"result": value}
    assert records({"content": [], "structuredContent": value}) == expected


@pytest.mark.parametrize(
    "arguments",
    [
        {"sql": "SELECT 1 FROM t WHERE a = '" + "x" * MAX_SQL_CHARACTERS + "'"},
        {"sql": "SELECT 1 FROM t WHERE " + " AND ".join(["a = 1"] * MAX_TOKENS_ON_LOOP)},
        {"table": "t", **{f"a{number}": "x" for number in range(MAX_ARGUMENT_STRINGS)}},
        {"table": "t", "notes": ["x" * (MAX_ARGUMENT_CHARACTERS // 100)] * 101},
        {"table": ",".join(f"t{number}" for number in range(MAX_TABLE_ARGUMENTS + 1))},
    ],
)
def test_tables_in_arguments_beyond_a_bound_are_unknown(arguments: dict[str, Any]) -> None:
    assert tables_in_arguments("query", arguments) is None


def test_tables_in_arguments_within_the_bounds_are_known() -> None:
    arguments = {"table": "t", "notes": ["x" * (MAX_ARGUMENT_CHARACTERS // 100)] * 99}
    assert tables_in_arguments("query", arguments) == ("t",)


def test_a_text_that_mirrors_the_structured_content_is_not_read_again() -> None:
    order = {"id": 7, "customer": "x", "owner": {"name": "y"}, "created": "2024-01-02"}
    alone = wire({"content": [], "structuredContent": order})
    mirrored = wire({**texts(json.dumps(order, indent=2)), "structuredContent": order})
    calls = count_calls(lambda: meter("get_order", {"order": 7}, alone))
    assert count_calls(lambda: meter("get_order", {"order": 7}, mirrored)) < calls + 40


def test_a_field_within_fields_is_read_once() -> None:
    result = wire(texts("a: " * 21_000 + "x"))
    assert count_calls(lambda: meter("list_items", {}, result)) < 5_000
