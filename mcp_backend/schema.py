"""Definitions of the tables: names, columns, units and meaning.

The database is created from them, and the tools describe the tables with them, so the two always agree.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcp_backend.errors import CallerError, quoted

INDEX_RULE = (
    "Equal-weight index of all symbols in stock_basic, rebalanced every day, base 100 on the first date. "
    "Each day the level grows by the plain average of the constituents' daily returns of adj_close. "
    "A stock joins on its second trading day, the first with a return: GOOG on 2004-08-20, FB on 2012-05-21."
)


@dataclass(frozen=True)
class Column:
    """A column; `unit` is empty if the values have none."""

    name: str
    type: str
    unit: str
    description: str


@dataclass(frozen=True)
class Table:
    """A table; `key` has the columns of its primary key."""

    name: str
    description: str
    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def signature(self) -> str:
        """`name(column, column, …)`, for error messages."""
        return f"{self.name}({', '.join(self.column_names)})"

    def create_statement(self) -> str:
        columns = ", ".join(f"{column.name} {column.type} NOT NULL" for column in self.columns)
        return f"CREATE TABLE {self.name} ({columns}, PRIMARY KEY ({', '.join(self.key)})) WITHOUT ROWID"


STOCK_BASIC = Table(
    name="stock_basic",
    description="One row per stock: its name, and the days with prices.",
    key=("symbol",),
    columns=(
        Column("symbol", "TEXT", "", "Ticker symbol, upper case"),
        Column("name", "TEXT", "", "Name of the company in the years of the data"),
        Column("exchange", "TEXT", "", "Exchange of the primary listing in the years of the data"),
        Column("currency", "TEXT", "ISO 4217", "Currency of all the prices"),
        Column("first_date", "TEXT", "YYYY-MM-DD", "First day with a price"),
        Column("last_date", "TEXT", "YYYY-MM-DD", "Last day with a price"),
        Column("trading_days", "INTEGER", "days", "Number of days with a price"),
    ),
)

STOCK_DAILY = Table(
    name="stock_daily",
    description=(
        "One row per stock and trading day. Open, high, low, close and volume are as traded on the day, so "
        "they jump at splits; compare prices over time with adj_close."
    ),
    key=("symbol", "date"),
    columns=(
        Column("symbol", "TEXT", "", "Ticker symbol, upper case"),
        Column("date", "TEXT", "YYYY-MM-DD", "Trading day"),
        Column("open", "REAL", "USD", "First price of the day, unadjusted"),
        Column("high", "REAL", "USD", "Highest price of the day, unadjusted"),
        Column("low", "REAL", "USD", "Lowest price of the day, unadjusted"),
        Column("close", "REAL", "USD", "Last price of the day, unadjusted"),
        Column("volume", "INTEGER", "shares", "Shares traded on the day, unadjusted"),
        Column("adj_close", "REAL", "USD", "Close adjusted for all later splits and dividends"),
    ),
)

INDEX_DAILY = Table(
    name="index_daily",
    description=INDEX_RULE,
    key=("date",),
    columns=(
        Column("date", "TEXT", "YYYY-MM-DD", "Trading day"),
        Column("level", "REAL", "points", "Level of the index; 100 on the first date"),
        Column("daily_return_pct", "REAL", "percent", "Change since the day before; 0 on the first date"),
        Column(
            "constituents",
            "INTEGER",
            "stocks",
            "Stocks averaged on the day; on the first date, those with a price",
        ),
    ),
)

TABLES = (STOCK_BASIC, STOCK_DAILY, INDEX_DAILY)
TABLE_NAMES = tuple(table.name for table in TABLES)


def find_table(text: str) -> Table:
    """Look up a table by name, ignoring case. Raises CallerError."""
    name = text.strip().lower()
    for table in TABLES:
        if table.name == name:
            return table
    raise CallerError(f"unknown table {quoted(text)}; the tables are {', '.join(TABLE_NAMES)}")
