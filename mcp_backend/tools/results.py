"""Types of the structured results, from which the SDK makes the output schemas.

Every result names the tables that it was read from, and has the number of its rows in `record_count`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field

Day = Annotated[str, Field(description="YYYY-MM-DD", json_schema_extra={"format": "date"})]
Count = Annotated[int, Field(ge=0, description="Number of rows in this result")]
Truncated = Annotated[bool, Field(description="True if the limit left out rows")]
NextStart = Annotated[
    str | None,
    Field(description="If the limit left out rows: the `start` of the next call, YYYY-MM-DD; else null"),
]
Percent = Annotated[float, Field(description="Percent")]
Drawdown = Annotated[float, Field(le=0, description="Maximum drawdown, in percent")]


class TableSummary(BaseModel):
    """Summary of a table."""

    name: str
    description: str
    columns: list[str]
    total_rows: Annotated[int, Field(description="Number of rows in the table")]


class TableList(BaseModel):
    tables: Annotated[list[str], Field(description="Names of the tables")]
    record_count: Count
    rows: list[TableSummary]


class ColumnDescription(BaseModel):
    column: str
    type: Annotated[str, Field(description="SQLite type: TEXT, REAL or INTEGER")]
    unit: Annotated[str, Field(description="Unit or format; empty where there is none")]
    description: str


class TableDescription(BaseModel):
    table: str
    description: str
    primary_key: list[str]
    total_rows: Annotated[int, Field(description="Number of rows in the table")]
    record_count: Annotated[int, Field(ge=0, description="Number of columns described in rows")]
    rows: Annotated[list[ColumnDescription], Field(description="One row per column, in the table's order")]


class DailyPrice(BaseModel):
    """One trading day of a stock. Prices in USD; all but adj_close are unadjusted."""

    date: Day
    open: float
    high: float
    low: float
    close: float
    volume: Annotated[int, Field(description="Shares")]
    adj_close: Annotated[float, Field(description="Close adjusted for splits and dividends, USD")]


class DailyPrices(BaseModel):
    table: Literal["stock_daily"] = "stock_daily"
    symbol: str
    record_count: Count
    truncated: Truncated
    next_start: NextStart
    rows: Annotated[list[DailyPrice], Field(description="One row per trading day, oldest first")]


class IndexLevel(BaseModel):
    """One trading day of the index."""

    date: Day
    level: Annotated[float, Field(description="Points; 100 on the first date")]
    daily_return_pct: Percent
    constituents: int


class IndexLevels(BaseModel):
    table: Literal["index_daily"] = "index_daily"
    record_count: Count
    truncated: Truncated
    next_start: NextStart
    rows: Annotated[list[IndexLevel], Field(description="One row per trading day, oldest first")]


class LatestPrice(BaseModel):
    """The last trading day that there is data for. Prices in USD."""

    table: Literal["stock_daily"] = "stock_daily"
    symbol: str
    date: Day
    close: Annotated[float, Field(description="USD, unadjusted")]
    previous_close: Annotated[float, Field(description="USD, unadjusted")]
    change: Annotated[float, Field(description="USD")]
    change_pct: Percent
    volume: Annotated[int, Field(description="Shares")]
    record_count: Count = 1


class SqlResult(BaseModel):
    tables: Annotated[list[str], Field(description="Tables that were read, in sub-queries and joins too")]
    columns: Annotated[list[str], Field(description="Names of the values of each row")]
    record_count: Count
    truncated: Annotated[bool, Field(description="True if the limit or the size of the result left out rows")]
    rows: list[list[str | int | float | None]]


class StockComparison(BaseModel):
    """Performance of one stock, with dividends reinvested (adj_close)."""

    symbol: str
    name: str
    first_adj_close: Annotated[float, Field(description="USD")]
    last_adj_close: Annotated[float, Field(description="USD")]
    trading_days: int
    total_return_pct: Percent
    annual_return_pct: Annotated[float | None, Field(description="Percent per year; null for less than a year")]
    annual_volatility_pct: Annotated[
        float | None,
        Field(description="Standard deviation of daily log returns, times the root of 252, in percent"),
    ]
    max_drawdown_pct: Annotated[float, Field(description="Maximum drawdown, in percent, at most 0")]


class StockComparisons(BaseModel):
    tables: list[str] = ["stock_basic", "stock_daily"]
    start: Day
    end: Day
    record_count: Count
    rows: Annotated[list[StockComparison], Field(description="One row per stock, best total return first")]


class AveragedDay(BaseModel):
    date: Day
    adj_close: Annotated[float, Field(description="USD")]
    moving_average: Annotated[
        float | None, Field(description="USD; null on the first `window` - 1 trading days of the data")
    ]


class MovingAverage(BaseModel):
    table: Literal["stock_daily"] = "stock_daily"
    symbol: str
    window: Annotated[int, Field(description="Trading days")]
    record_count: Count
    truncated: Truncated
    next_start: NextStart
    rows: Annotated[list[AveragedDay], Field(description="One row per trading day, oldest first")]


class PairCorrelation(BaseModel):
    first: str
    second: str
    correlation: Annotated[
        float | None, Field(ge=-1.000001, le=1.000001, description="Pearson's coefficient; null if undefined")
    ]
    days: Annotated[int, Field(description="Number of daily returns compared")]


class Correlations(BaseModel):
    table: Literal["stock_daily"] = "stock_daily"
    start: Day
    end: Day
    record_count: Count
    rows: Annotated[list[PairCorrelation], Field(description="One row per pair of stocks")]


class CrossoverResult(BaseModel):
    fast: Annotated[int, Field(description="Trading days of the fast average")]
    slow: Annotated[int, Field(description="Trading days of the slow average")]
    total_return_pct: Percent
    max_drawdown_pct: Annotated[float, Field(description="Maximum drawdown, in percent, at most 0")]
    trades: Annotated[int, Field(description="Number of purchases")]
    days_in_market: int


class CrossoverResults(BaseModel):
    table: Literal["stock_daily"] = "stock_daily"
    symbol: str
    start: Day
    end: Day
    trading_days: int
    buy_and_hold_return_pct: Percent
    record_count: Count
    rows: Annotated[list[CrossoverResult], Field(description="One row per pair of windows, best return first")]
