"""Calls that may reach more than an allowed table, and harmless ones that look alike."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.metering import parse_sql, tables_in_arguments
from tests.metering.queries.attacks import (
    REACHING_ARGUMENTS,
    REACHING_CALLS,
    REACHING_FILTERS,
    REACHING_PARTS,
    SAFE_ARGUMENTS,
    SAFE_CALLS,
    SAFE_FILTERS,
    SAFE_PARTS,
    SAFE_SQL,
    SQL_ATTACKS,
)


def reaches_only_allowed(tool: str, arguments: dict[str, Any]) -> bool:
    parse_sql(arguments)
    tables = tables_in_arguments(tool, arguments)
    return tables is not None and set(tables) == {"allowed"}


def is_denied(tool: str, arguments: dict[str, Any]) -> bool:
    parse_sql(arguments)
    tables = tables_in_arguments(tool, arguments)
    return tables is None or not set(tables) <= {"allowed"}


@pytest.mark.parametrize("arguments", SAFE_ARGUMENTS)
@pytest.mark.parametrize("name", ["table", "index", "collection"])
def test_paging_filters_and_times_beside_a_table_reach_that_table_only(name: str, arguments: dict[str, Any]) -> None:
    assert reaches_only_allowed("query", {name: "allowed"} | arguments)


@pytest.mark.parametrize("arguments", REACHING_ARGUMENTS)
@pytest.mark.parametrize("source", [{"table": "allowed"}, {"index": "allowed"}, {"sql": "SELECT * FROM allowed"}])
def test_arguments_that_may_bring_in_another_table_are_seen(source: dict[str, Any], arguments: dict[str, Any]) -> None:
    assert not reaches_only_allowed("query", source | arguments)


@pytest.mark.parametrize(("language", "part"), [(one, part) for one, parts in SAFE_PARTS.items() for part in parts])
def test_a_part_of_a_query_that_reads_no_other_table_is_harmless(language: str, part: str) -> None:
    assert reaches_only_allowed(f"{language}_query", {"table": "allowed", "filter": part})


@pytest.mark.parametrize(("language", "part"), [(one, part) for one, parts in REACHING_PARTS.items() for part in parts])
def test_a_part_of_a_query_that_may_read_another_table_is_seen(language: str, part: str) -> None:
    assert not reaches_only_allowed(f"{language}_query", {"table": "allowed", "filter": part})


@pytest.mark.parametrize("text", SAFE_FILTERS)
def test_a_filter_of_kibana_beside_an_index_reads_that_index_only(text: str) -> None:
    assert reaches_only_allowed("search", {"index": "allowed", "kql": text})


@pytest.mark.parametrize("text", REACHING_FILTERS)
def test_a_text_beside_an_index_that_may_be_a_query_of_kusto_is_seen(text: str) -> None:
    assert not reaches_only_allowed("search", {"index": "allowed", "kql": text})


@pytest.mark.parametrize(
    "arguments", [{"join": "b"}, {"joins": [{"table": "b"}]}, {"from": "b"}, {"other_table": "s.b"}]
)
def test_a_joined_table_is_named_with_the_schema_of_the_call(arguments: dict[str, Any]) -> None:
    assert tables_in_arguments("query", {"schema": "s", "table": "a"} | arguments) == ("s.a", "s.b")


def test_columns_of_a_row_to_write_are_no_sources() -> None:
    arguments = {"table": "allowed", "row": {"from": "a", "include": "b", "with": "c", "query_id": 5}}
    assert reaches_only_allowed("insert_row", arguments)


def test_parts_of_queries_beyond_a_bound_may_reach_any_table() -> None:
    parts = ["x in (1) or " * 100] * 8
    assert not reaches_only_allowed("kql_query", {"table": "allowed", "filters": parts})


@pytest.mark.parametrize(("tool", "arguments"), SAFE_CALLS)
def test_a_call_that_only_looks_like_an_attack_reaches_its_table_only(tool: str, arguments: dict[str, Any]) -> None:
    assert reaches_only_allowed(tool, arguments)


@pytest.mark.parametrize(("tool", "arguments"), REACHING_CALLS)
def test_a_call_that_may_reach_another_table_is_seen(tool: str, arguments: dict[str, Any]) -> None:
    assert is_denied(tool, arguments)


@pytest.mark.parametrize("statement", SAFE_SQL)
def test_a_statement_of_one_table_reaches_that_table_only(statement: str) -> None:
    assert reaches_only_allowed("execute_sql", {"sql": statement})


@pytest.mark.parametrize("statement", SQL_ATTACKS)
def test_a_statement_that_reads_another_table_is_seen(statement: str) -> None:
    assert is_denied("execute_sql", {"sql": statement})
