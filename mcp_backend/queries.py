"""The SQL queries of the tools.

Arguments must be validated before (see `coverage`). Rows with dates are sorted by date, oldest first.
"""

from __future__ import annotations

from typing import Final, cast

from mcp_backend.coverage import Coverage, Period
from mcp_backend.database import QueryResult, Reader, Value
from mcp_backend.schema import Table

_ALL_ROWS: Final = 100_000
"""More rows than any table has, for queries whose result is bounded by the data."""

Point = tuple[str, float]


def coverage(reader: Reader) -> Coverage:
    """Read the symbols and their periods from stock_basic."""
    result = reader.read("SELECT symbol, first_date, last_date FROM stock_basic ORDER BY symbol", max_rows=_ALL_ROWS)
    return Coverage({str(symbol): Period(str(first), str(last)) for symbol, first, last in result.rows})


def row_count(reader: Reader, table: Table) -> int:
    """Count the rows of a table."""
    # The name comes from the schema.
    result = reader.read(f"SELECT count(*) FROM {table.name}", max_rows=1)  # noqa: S608
    return cast(int, result.rows[0][0])


def profile(reader: Reader, symbol: str) -> dict[str, Value]:
    """Read the row of stock_basic for a symbol."""
    result = reader.read("SELECT * FROM stock_basic WHERE symbol = ?", (symbol,), max_rows=1)
    return dict(zip(result.columns, result.rows[0], strict=True))


def profiles(reader: Reader) -> list[dict[str, Value]]:
    """Read all rows of stock_basic, sorted by symbol."""
    result = reader.read("SELECT * FROM stock_basic ORDER BY symbol", max_rows=_ALL_ROWS)
    return [dict(zip(result.columns, row, strict=True)) for row in result.rows]


def stock_daily(reader: Reader, symbol: str, period: Period, limit: int) -> QueryResult:
    """Read the first `limit` days of a symbol in a period."""
    return reader.read(
        "SELECT date, open, high, low, close, volume, adj_close FROM stock_daily"
        " WHERE symbol = ? AND date BETWEEN ? AND ? ORDER BY date",
        (symbol, period.start, period.end),
        max_rows=limit,
    )


def index_daily(reader: Reader, period: Period, limit: int) -> QueryResult:
    """Read the first `limit` days of the index in a period."""
    return reader.read(
        "SELECT date, level, daily_return_pct, constituents FROM index_daily WHERE date BETWEEN ? AND ? ORDER BY date",
        (period.start, period.end),
        max_rows=limit,
    )


def latest_two_days(reader: Reader, symbol: str) -> list[tuple[str, float, int]]:
    """Read date, close and volume of the last two days of a symbol, the later one first."""
    result = reader.read(
        "SELECT date, close, volume FROM stock_daily WHERE symbol = ? ORDER BY date DESC",
        (symbol,),
        max_rows=2,
    )
    return cast(list[tuple[str, float, int]], result.rows)


def moving_average(reader: Reader, symbol: str, window: int, period: Period, limit: int) -> QueryResult:
    """Read date, adj_close and the mean of adj_close over the `window` days up to the date.

    Days before the period count into the mean. It is None on the first `window - 1` days of the data.
    """
    return reader.read(
        "SELECT date, adj_close, CASE WHEN days = :window THEN mean END AS moving_average FROM ("
        " SELECT date, adj_close, avg(adj_close) OVER recent AS mean, count(*) OVER recent AS days"
        " FROM stock_daily WHERE symbol = :symbol"
        " WINDOW recent AS (ORDER BY date ROWS BETWEEN :window - 1 PRECEDING AND CURRENT ROW)"
        ") WHERE date BETWEEN :start AND :end ORDER BY date",
        {"window": window, "symbol": symbol, "start": period.start, "end": period.end},
        max_rows=limit,
    )


def adjusted_closes(reader: Reader, symbol: str, period: Period) -> list[Point]:
    """Read date and adj_close of each day of a symbol in a period."""
    result = reader.read(
        "SELECT date, adj_close FROM stock_daily WHERE symbol = ? AND date BETWEEN ? AND ? ORDER BY date",
        (symbol, period.start, period.end),
        max_rows=_ALL_ROWS,
    )
    return cast(list[Point], result.rows)


def export(reader: Reader, table: Table, symbol: str | None, period: Period) -> QueryResult:
    """Read all rows of a table: for one symbol if it is not None, and for the period if the table has dates."""
    conditions: list[str] = []
    values: dict[str, Value] = {}
    if symbol is not None:
        conditions.append("symbol = :symbol")
        values["symbol"] = symbol
    if "date" in table.column_names:
        conditions.append("date BETWEEN :start AND :end")
        values |= {"start": period.start, "end": period.end}
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    sql = f"SELECT * FROM {table.name}{where} ORDER BY {', '.join(table.key)}"  # noqa: S608
    return reader.read(sql, values, max_rows=_ALL_ROWS)
