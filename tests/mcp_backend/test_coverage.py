"""Validation of arguments: an error names the valid values."""

from __future__ import annotations

import pytest

from mcp_backend.coverage import Coverage, Period
from mcp_backend.errors import CallerError, quoted
from mcp_backend.schema import find_table

COVERAGE = Coverage(
    {"AAPL": Period("2000-03-01", "2013-03-01"), "FB": Period("2012-05-18", "2013-03-01")},
)


@pytest.mark.parametrize("text", ["AAPL", "aapl", " Aapl\n"])
def test_symbols_are_case_insensitive(text: str) -> None:
    assert COVERAGE.symbol(text) == "AAPL"


@pytest.mark.parametrize("text", ["", "TSLA", "AAPL;", "' OR 1=1 --", "x" * 1000])
def test_an_unknown_symbol_is_an_error_that_lists_the_known_ones(text: str) -> None:
    with pytest.raises(CallerError, match="the symbols are AAPL, FB") as caught:
        COVERAGE.symbol(text)

    assert len(str(caught.value)) < 120


def test_repeated_symbols_count_once() -> None:
    assert COVERAGE.distinct_symbols(["fb", "AAPL", "FB"], at_least=2) == ("FB", "AAPL")
    with pytest.raises(CallerError, match="at least 2 different symbols; the symbols are AAPL, FB"):
        COVERAGE.distinct_symbols(["fb", "FB"], at_least=2)


@pytest.mark.parametrize(
    ("start", "end", "symbols", "expected"),
    [
        (None, None, [], Period("2000-03-01", "2013-03-01")),
        (None, None, ["FB"], Period("2012-05-18", "2013-03-01")),
        (None, None, ["AAPL", "FB"], Period("2012-05-18", "2013-03-01")),
        ("1990-01-01", "2001-01-01", ["AAPL"], Period("2000-03-01", "2001-01-01")),
        ("2013-03-01", None, ["AAPL"], Period("2013-03-01", "2013-03-01")),
        (" 2012-06-01 ", "2030-01-01", ["FB"], Period("2012-06-01", "2013-03-01")),
    ],
)
def test_a_period_is_limited_to_the_days_with_data(
    start: str | None, end: str | None, symbols: list[str], expected: Period
) -> None:
    assert COVERAGE.period(start, end, symbols) == expected


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        ("yesterday", None, "start 'yesterday' is not a date"),
        (None, "2012-02-30", "end '2012-02-30' is not a date"),
        ("20120601", None, "not a date"),
        ("2012-W23-5", None, "not a date"),
        ("2012-06-01T00:00:00", None, "not a date"),
        ("\u0662\u0660\u0661\u0662-06-01", None, "not a date"),
        ("", None, "not a date"),
        ("2012-07-01", "2012-06-01", "start 2012-07-01 is after end 2012-06-01"),
        ("2020-01-01", None, "no prices in the requested period"),
        (None, "2001-01-01", "no prices in the requested period"),
    ],
)
def test_an_invalid_period_is_an_error_that_names_the_known_range(
    start: str | None, end: str | None, reason: str
) -> None:
    with pytest.raises(CallerError, match=reason) as caught:
        COVERAGE.period(start, end, ["FB"])

    assert "the data covers 2012-05-18 to 2013-03-01" in str(caught.value)


def test_table_names_are_case_insensitive_and_an_unknown_one_is_an_error_that_lists_the_known_ones() -> None:
    assert find_table(" Stock_Daily ").name == "stock_daily"
    with pytest.raises(CallerError, match="the tables are stock_basic, stock_daily, index_daily"):
        find_table("sqlite_master")


def test_a_text_of_the_caller_is_quoted_on_one_short_line() -> None:
    assert quoted("a\nb") == r"'a\nb'"
    assert len(quoted("x" * 1000)) == 43
