"""The tables in the database, compared with the source of the prices."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from mcp_backend.database import Reader
from mcp_backend.prices import index_rows, load_prices
from mcp_backend.schema import TABLES, Table
from tests.mcp_backend.conftest import SOURCE, SYMBOLS

EVERYTHING = 100_000


def test_stock_daily_has_each_price_of_the_source_unchanged(reader: Reader) -> None:
    expected = [
        (symbol, *values)
        for symbol in SYMBOLS
        for values in zip(
            *(SOURCE[symbol][name] for name in ("date", "open", "high", "low", "close", "volume", "adj_close")),
            strict=True,
        )
    ]

    result = reader.read("SELECT * FROM stock_daily ORDER BY symbol, date", max_rows=EVERYTHING)

    assert len(expected) == 12_154
    assert result.rows == expected


def test_stock_basic_has_the_first_and_last_day_and_the_number_of_days(reader: Reader) -> None:
    result = reader.read(
        "SELECT symbol, first_date, last_date, trading_days FROM stock_basic ORDER BY symbol", max_rows=10
    )

    assert result.rows == [
        ("AAPL", "2000-03-01", "2013-03-01", 3270),
        ("FB", "2012-05-18", "2013-03-01", 196),
        ("GOOG", "2004-08-19", "2013-03-01", 2148),
        ("IBM", "2000-03-01", "2013-03-01", 3270),
        ("MSFT", "2000-03-01", "2013-03-01", 3270),
    ]


def test_the_index_is_the_compounded_average_of_the_daily_returns(reader: Reader) -> None:
    closes = {symbol: dict(zip(series["date"], series["adj_close"], strict=True)) for symbol, series in SOURCE.items()}
    days = SOURCE["IBM"]["date"]
    levels = {days[0]: 100.0}
    for before, day in pairwise(days):
        growth = [series[day] / series[before] for series in closes.values() if before in series]
        levels[day] = levels[before] * sum(growth) / len(growth)

    result = reader.read("SELECT date, level FROM index_daily ORDER BY date", max_rows=EVERYTHING)

    rows: Any = result.rows
    assert dict(rows) == pytest.approx(levels, rel=1e-9)


def test_the_index_counts_a_stock_from_its_second_day(reader: Reader) -> None:
    result = reader.read(
        "SELECT constituents, min(date), max(date) FROM index_daily GROUP BY constituents", max_rows=10
    )

    assert result.rows == [
        (3, "2000-03-01", "2004-08-19"),
        (4, "2004-08-20", "2012-05-18"),
        (5, "2012-05-21", "2013-03-01"),
    ]


def test_the_index_of_two_stocks_by_hand() -> None:
    prices: dict[str, dict[str, Sequence[Any]]] = {
        "A": {"date": ["2020-01-01", "2020-01-02", "2020-01-03"], "adj_close": [10.0, 11.0, 11.0]},
        "B": {"date": ["2020-01-02", "2020-01-03"], "adj_close": [50.0, 60.0]},
    }

    rows = list(index_rows(prices))

    assert [(day, constituents) for day, _, _, constituents in rows] == [
        ("2020-01-01", 1),
        ("2020-01-02", 1),
        ("2020-01-03", 2),
    ]
    assert [level for _, level, _, _ in rows] == pytest.approx([100, 110, 121])
    assert [change for _, _, change, _ in rows] == pytest.approx([0, 10, 10])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_columns_are_those_of_the_schema(table: Table, reader: Reader) -> None:
    result = reader.read(f"SELECT * FROM {table.name}", max_rows=1)

    assert result.columns == table.column_names


def test_loading_leaves_no_copy_of_the_prices_and_no_pandas_behind() -> None:
    code = (
        "import sys\n"
        "from mcp_backend import http_server\n"
        "assert http_server.load_prices()['IBM']['close'][-1] == 202.91\n"
        "unwanted = {'pandas', 'numpy', 'websockets', 'gateway'} & set(sys.modules)\n"
        "assert not unwanted, unwanted\n"
        "assert 'bokeh_sampledata.stocks' not in sys.modules\n"
    )

    subprocess.run([sys.executable, "-c", code], check=True)


def test_prices_that_are_not_installed_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bokeh_sampledata", None)

    with pytest.raises(ModuleNotFoundError, match="bokeh_sampledata"):
        load_prices()
