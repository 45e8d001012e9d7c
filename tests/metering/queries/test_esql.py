"""The indices that ES|QL reads and may reach."""

from __future__ import annotations

import pytest

from gateway.metering.queries import esql


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("FROM logs | WHERE a == 1 | LIMIT 5", "logs"),
        ("from logs-2024, Audit METADATA _id | stats c = count(*) by host", "audit logs-2024"),
        ('FROM a, "b" | LIMIT 1', "a b"),
        ('FROM """a,b"""', "a b"),
        ("FROM cluster:logs", "cluster:logs"),
        ("FROM a | LOOKUP JOIN b ON id", "a b"),
        ("FROM a | FORK (WHERE x > 1) (LOOKUP JOIN b ON id)", "a b"),
        ("FROM (FROM b | LIMIT 1), a", "a b"),
        ("FROM a | WHERE x IN (FROM b | KEEP id)", "a b"),
        ("FROM a /* , c */ , b // , d", "a b"),
        ('FROM a | WHERE x == "FROM c" | LIMIT 1', "a"),
        ("TS metrics | STATS avg(x)", "metrics"),
        ("ROW a = 1 | EVAL b = 2", ""),
        ("SHOW INFO", ""),
    ],
)
def test_indices_read(text: str, read: str) -> None:
    found = esql.read(text)
    assert found is not None
    assert (" ".join(found.read), found.is_exhaustive) == (read, True)


def test_an_index_with_a_wildcard_is_named_as_written() -> None:
    found = esql.read("FROM logs-*, audit")
    assert found is not None
    assert (found.read, found.is_exhaustive) == (("audit", "logs-*"), False)


@pytest.mark.parametrize(
    "text",
    [
        "FROM *",
        "FROM a, *",
        "FROM a*, -b",
        'FROM "<logs-{now/d}>"',
        "FROM a | ENRICH policy ON x",
        "FROM a | UNKNOWN b",
        "SET a = 1; FROM b",
        "FROM a /* /* */ , b",
        "FROM a // \r , b",
        "FROM a b",
        "FROM a | LOOKUP JOIN b c ON x",
    ],
)
def test_a_query_that_may_reach_more_is_not_exhaustive(text: str) -> None:
    found = esql.read(text)
    assert found is None or not found.is_exhaustive


@pytest.mark.parametrize("text", ["", "SELECT 1", "hello", "FROM a |", "FROM a | WHERE (", "FROM 'a'", "DROP x"])
def test_a_text_that_is_not_understood_has_no_analysis(text: str) -> None:
    assert esql.read(text) is None
