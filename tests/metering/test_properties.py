"""Properties of the metering of arbitrary input."""

from __future__ import annotations

import json
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.metering import MeteringResult, meter, tables_in_arguments
from gateway.metering.arguments import parse_arguments
from gateway.metering.confidence import THRESHOLD, Sign
from gateway.metering.result_count import count_records
from gateway.metering.tool_result import decode
from tests.metering.support import wire

NAMES = st.sampled_from(
    [
        "table",
        "table_name",
        "rows",
        "records",
        "data",
        "result",
        "results",
        "items",
        "columns",
        "error",
        "success",
        "count",
        "row_count",
        "record_count",
        "total",
        "a",
        "b",
        "content",
        "structuredContent",
        "isError",
        "type",
        "text",
        "resource",
        "message",
        "status",
        "affected_rows",
        "tables",
        "values",
        "hits",
        "documents",
        "2024-01-02",
        "0",
    ]
) | st.text(max_size=8)
TEXTS = st.text(max_size=40) | st.sampled_from(
    [
        "a,b\n1,2\n3,4",
        "| a |\n|---|\n| 1 |",
        "[{'a': 1}]",
        "1. row\na: 1",
        "No results",
        "Error: x",
        "a: 1\nb: 2",
        "- a\n- b",
        "[",
        "{",
        "(",
        '"',
    ]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5), max_leaves=25
)
OBJECTS = st.dictionaries(NAMES, VALUES, max_size=5)
RESULTS = st.fixed_dictionaries(
    {},
    optional={
        "structuredContent": OBJECTS | VALUES,
        "content": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["text", "image", "resource_link"])}, optional={"text": TEXTS}
            ),
            max_size=4,
        )
        | VALUES,
        "isError": st.booleans() | st.none(),
    },
)
ARGUMENTS = st.dictionaries(
    NAMES | st.sampled_from(["sql", "query", "table", "schema"]),
    VALUES | st.sampled_from(["SELECT a FROM t", "x"]),
    max_size=4,
)
TOOLS = st.sampled_from(["query", "list_tables", "get_rows", "insert_row", "describe_table", ""]) | st.text(max_size=10)


def check(result: MeteringResult) -> None:
    assert result.records is None or (type(result.records) is int and result.records >= 0)
    assert (result.records is None) == (result.method == "unknown")
    assert all(type(table) is str and table == table.lower() for table in result.tables)
    assert list(result.tables) == sorted(set(result.tables))


@given(TOOLS, ARGUMENTS, RESULTS)
@settings(max_examples=400, deadline=None)
def test_any_result_is_metered(tool: str, arguments: dict[str, Any], result: dict[str, Any]) -> None:
    check(meter(tool, arguments, wire(result)))


@given(TOOLS, ARGUMENTS, VALUES)
@settings(max_examples=200, deadline=None)
def test_any_json_is_metered(tool: str, arguments: dict[str, Any], value: Any) -> None:
    check(meter(tool, arguments, wire(value)))
    check(meter(tool, arguments, wire({"structuredContent": value})))
    check(meter(tool, arguments, wire({"content": [{"type": "text", "text": json.dumps(value, indent=1)}]})))
    check(meter(tool, arguments, wire({"content": [{"type": "text", "text": repr(value)}]})))


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_metered(result: bytes) -> None:
    check(meter("query", {}, result))


@given(st.text(max_size=300) | TEXTS)
@settings(max_examples=400, deadline=None)
def test_any_text_is_metered(text: str) -> None:
    check(meter("list_files", {}, wire({"content": [{"type": "text", "text": text}]})))
    check(meter("query", {"sql": text}, wire({"content": [{"type": "text", "text": text}]})))


@given(TOOLS, ARGUMENTS)
@settings(max_examples=200, deadline=None)
def test_any_arguments_have_tables_or_none(tool: str, arguments: dict[str, Any]) -> None:
    tables = tables_in_arguments(tool, arguments)
    assert tables is None or list(tables) == sorted(set(tables))


def shuffled(value: Any, order: random.Random) -> Any:
    if isinstance(value, dict):
        members = list(value.items())
        order.shuffle(members)
        return {name: shuffled(inner, order) for name, inner in members}
    return [shuffled(one, order) for one in value] if isinstance(value, list) else value


@given(TOOLS, ARGUMENTS, RESULTS, st.randoms(use_true_random=False))
@settings(max_examples=400, deadline=None)
def test_the_order_of_members_changes_nothing(
    tool: str, arguments: dict[str, Any], result: dict[str, Any], order: random.Random
) -> None:
    assert meter(tool, arguments, wire(result)) == meter(
        tool, shuffled(arguments, order), wire(shuffled(result, order))
    )


@given(
    st.sampled_from(["table", "table_name"]),
    st.text(min_size=1, max_size=20),
    st.sampled_from(["rows", "records"]),
    st.lists(OBJECTS, min_size=1, max_size=5),
    OBJECTS,
)
@settings(max_examples=300, deadline=None)
def test_the_shortcut_agrees_with_the_count_by_shapes(
    table_member: str, table: str, rows_member: str, rows: list[dict[str, Any]], others: dict[str, Any]
) -> None:
    result = wire({"structuredContent": {**others, table_member: table, rows_member: rows}})
    fast = meter("query", {}, result)
    parts = decode(result)
    assert parts is not None
    if fast.method == "declared":
        general = count_records(parts, parse_arguments("query", {}))
        assert (general.tables, general.records, general.method) == (fast.tables, fast.records, fast.method)


SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
UNRELATED = st.sampled_from(["elapsed_ms", "weight", "version", "note", "request_id", "x"])
ROWS = st.lists(st.fixed_dictionaries({"id": st.integers(), "name": st.text(max_size=5)}), min_size=2, max_size=6)
PAGES = st.builds(
    lambda member, rows, others: {**others, member: rows},
    st.sampled_from(["rows", "data", "results", "items", "weights", "issues"]),
    ROWS,
    st.dictionaries(st.sampled_from(["total", "page", "success", "columns", "took", "message"]), SCALARS, max_size=3),
)

MAPS = st.dictionaries(
    st.sampled_from(["2024-01-02", "2024-01-03", "0", "1", "A1", "a.csv"]),
    st.dictionaries(st.sampled_from(["table", "rows", "0", "2024-01-02", "a", "b"]), SCALARS | ROWS | st.just([])),
    min_size=1,
    max_size=3,
)


def count(value: Any, tool: str = "query") -> int | None:
    return meter(tool, {}, wire({"content": [], "structuredContent": value})).records


@given(PAGES | MAPS, UNRELATED, SCALARS)
@settings(max_examples=300, deadline=None)
def test_an_unrelated_scalar_beside_the_data_never_changes_the_count_to_another(
    page: dict[str, Any], name: str, scalar: Any
) -> None:
    before = count(page)
    if before is not None and name not in page:
        assert count({**page, name: scalar}) in (before, None)


@given(PAGES, st.sampled_from(["warnings", "errors", "streams", "data", "items", "groups", "facets", "messages"]))
@settings(max_examples=300, deadline=None)
def test_an_empty_list_beside_the_data_never_changes_the_count_to_another(page: dict[str, Any], name: str) -> None:
    before = count(page)
    if before is not None and name not in page:
        assert count({**page, name: []}) in (before, None)


@given(PAGES, st.sampled_from(["result", "data", "response"]))
@settings(max_examples=300, deadline=None)
def test_a_wrapper_keeps_the_count(page: dict[str, Any], wrapper: str) -> None:
    assert count({wrapper: page}) == count(page)
    assert count({wrapper: json.dumps(page)}) == count(page)


def elements(value: Any) -> int:
    """Count the elements of a value, and the lines and bracketed parts of its texts, which may hold records."""
    if isinstance(value, str):
        return 1 + len(value)
    inner = list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
    return 1 + sum(map(elements, inner))


@given(TOOLS, RESULTS)
@settings(max_examples=400, deadline=None)
def test_a_count_is_at_most_the_number_of_elements_in_the_result(tool: str, result: dict[str, Any]) -> None:
    metered = meter(tool, {}, wire(result))
    if metered.records is not None and Sign.STATED_ONLY not in metered.signs:
        assert metered.records <= elements(result)


@given(TOOLS, ARGUMENTS, RESULTS)
@settings(max_examples=400, deadline=None)
def test_a_known_count_has_a_confidence_above_the_threshold_and_a_path_without_data(
    tool: str, arguments: dict[str, Any], result: dict[str, Any]
) -> None:
    metered = meter(tool, arguments, wire(result))
    assert (metered.records is None) or (metered.confidence is not None and metered.confidence >= THRESHOLD)
    assert len(metered.path) <= 120
    assert "2024-01-02" not in metered.path + metered.witness
