"""The questions that the tools ask the tables, as plain functions from a reader to rows.

Each takes valid arguments (see `arguments`) and returns plain values, oldest day first where there are days.
"""

from __future__ import annotations

from typing import Final, cast

from mcp_backend.arguments import Coverage, Period
from mcp_backend.catalogue import Table
from mcp_backend.database import Answer, Reader, Value

# More rows than any table has: for the questions whose answer is bounded by the data itself.
ALL_ROWS: Final = 100_000

Point = tuple[str, float]


def coverage(reader: Reader) -> Coverage:
    """The symbols and their days, from stock_basic."""
    answer = reader.read("SELECT symbol, first_date, last_date FROM stock_basic ORDER BY symbol", max_rows=ALL_ROWS)
    return Coverage({str(symbol): Period(str(first), str(last)) for symbol, first, last in answer.rows})


def row_count(reader: Reader, table: Table) -> int:
    """The number of rows of a table."""
    # The name comes from the catalogue.
    answer = reader.read(f"SELECT count(*) FROM {table.name}", max_rows=1)  # noqa: S608
    return cast(int, answer.rows[0][0])


def profile(reader: Reader, symbol: str) -> dict[str, Value]:
    """The row of stock_basic for a symbol."""
    answer = reader.read("SELECT * FROM stock_basic WHERE symbol = ?", (symbol,), max_rows=1)
    return dict(zip(answer.columns, answer.rows[0], strict=True))


def profiles(reader: Reader) -> list[dict[str, Value]]:
    """All rows of stock_basic, by symbol."""
    answer = reader.read("SELECT * FROM stock_basic ORDER BY symbol", max_rows=ALL_ROWS)
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def stock_daily(reader: Reader, symbol: str, period: Period, limit: int) -> Answer:
    """The first `limit` days of a symbol in a period."""
    return reader.read(
        "SELECT date, open, high, low, close, volume, adj_close FROM stock_daily"
        " WHERE symbol = ? AND date BETWEEN ? AND ? ORDER BY date",
        (symbol, period.start, period.end),
        max_rows=limit,
    )


def index_daily(reader: Reader, period: Period, limit: int) -> Answer:
    """The first `limit` days of the index in a period."""
    return reader.read(
        "SELECT date, level, daily_return_pct, constituents FROM index_daily WHERE date BETWEEN ? AND ? ORDER BY date",
        (period.start, period.end),
        max_rows=limit,
    )


def latest_two_days(reader: Reader, symbol: str) -> list[tuple[str, float, int]]:
    """(date, close, volume) of the last two days of a symbol, the later one first."""
    answer = reader.read(
        "SELECT date, close, volume FROM stock_daily WHERE symbol = ? ORDER BY date DESC",
        (symbol,),
        max_rows=2,
    )
    return cast(list[tuple[str, float, int]], answer.rows)


def moving_average(reader: Reader, symbol: str, window: int, period: Period, limit: int) -> Answer:
    """date, adj_close and the mean of adj_close over the `window` days up to the date.

    Days before the period count into the mean; it is None on the first `window - 1` days of the data.
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
    """(date, adj_close) of each day of a symbol in a period."""
    answer = reader.read(
        "SELECT date, adj_close FROM stock_daily WHERE symbol = ? AND date BETWEEN ? AND ? ORDER BY date",
        (symbol, period.start, period.end),
        max_rows=ALL_ROWS,
    )
    return cast(list[Point], answer.rows)


def export(reader: Reader, table: Table, symbol: str | None, period: Period) -> Answer:
    """All rows of a table, of one symbol if it is given, and of a period if the table has dates."""
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
    return reader.read(sql, values, max_rows=ALL_ROWS)
