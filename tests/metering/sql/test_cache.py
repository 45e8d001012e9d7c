"""SQL is analyzed within bounds, and the analyses of long statements are cached."""

from __future__ import annotations

import sys
import threading

import pytest

from gateway.metering.sql import cache as sql_cache


def long_statement(table: str) -> str:
    """A statement with too many tokens for `analyze`."""
    return f"SELECT a FROM {table} WHERE " + " AND ".join(f"a{number} = {number}" for number in range(300))


@pytest.mark.parametrize(
    "bomb",
    [
        "SELECT " + "(" * 3_000 + "1" + ")" * 3_000,
        "SELECT " + "1," * 9_000 + "1",
        "SELECT " + "f(" * 400 + "1" + ")" * 400,
        "SELECT * FROM " + "(SELECT * FROM " * 300 + "t" + ")" * 300,
        "SELECT " + "NOT " * 3_000 + "1",
        "SELECT " + "CASE WHEN a THEN " * 300 + "1" + " END" * 300,
        ";" * 19_000,
        "SELECT 1;" * 2_000,
        "SELECT '" + "x" * 30_000 + "'",
        "\x00" * 5_000,
        "SELECT \ud800 FROM t",
        "/*" * 5_000,
        "--" * 5_000,
        "'" * 9_999,
    ],
)
def test_sql_beyond_the_bounds_is_rejected_without_an_error(bomb: str) -> None:
    sql_cache.analyze(bomb)
    sql_cache.parse_sql(bomb)
    assert sql_cache.is_parsed(bomb)


def test_a_long_statement_is_analyzed_after_it_was_parsed_in_a_thread() -> None:
    text = long_statement("t")
    assert not sql_cache.is_parsed(text)
    assert sql_cache.analyze(text) is None
    thread = threading.Thread(target=sql_cache.parse_sql, args=(text,))
    thread.start()
    thread.join()
    assert sql_cache.is_parsed(text)
    analysis = sql_cache.analyze(text)
    assert analysis is not None
    assert analysis.read == ("t",)


def test_the_cache_is_bounded_and_keeps_no_statement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql_cache, "MAX_CACHED_TEXTS", 3)
    statements = [long_statement(f"t{number}") for number in range(10)]
    references = [sys.getrefcount(text) for text in statements]
    any(map(sql_cache.parse_sql, statements))
    assert [sql_cache.is_parsed(text) for text in statements] == [False] * 7 + [True] * 3
    assert [sys.getrefcount(text) for text in statements] == references
