"""Tools that read the tables. They block, so the SDK runs them in worker threads."""

from __future__ import annotations

import csv
import io
from typing import Any

from mcp_backend import queries
from mcp_backend.coverage import Coverage
from mcp_backend.database import Database, QueryResult
from mcp_backend.errors import CallerError
from mcp_backend.schema import TABLES, find_table
from mcp_backend.tools.parameters import End, Limit, Sql, Start, Symbol, TableName
from mcp_backend.tools.results import (
    ColumnDescription,
    DailyPrice,
    DailyPrices,
    IndexLevel,
    IndexLevels,
    LatestPrice,
    SqlResult,
    TableDescription,
    TableList,
    TableSummary,
)


class TableTools:
    """Each public method is a tool; its docstring is the description that clients see."""

    def __init__(self, database: Database, coverage: Coverage) -> None:
        self._database = database
        self._coverage = coverage

    def list_tables(self) -> TableList:
        """List the tables of the stock database, with their columns and number of rows."""
        with self._database.reader() as reader:
            rows = [
                TableSummary(
                    name=table.name,
                    description=table.description,
                    columns=list(table.column_names),
                    total_rows=queries.row_count(reader, table),
                )
                for table in TABLES
            ]
        return TableList(tables=[row.name for row in rows], record_count=len(rows), rows=rows)

    def describe_table(self, table: TableName) -> TableDescription:
        """Describe the columns of a table: type, unit and meaning."""
        found = find_table(table)
        with self._database.reader() as reader:
            total_rows = queries.row_count(reader, found)
        rows = [
            ColumnDescription(column=column.name, type=column.type, unit=column.unit, description=column.description)
            for column in found.columns
        ]
        return TableDescription(
            table=found.name,
            description=found.description,
            primary_key=list(found.key),
            total_rows=total_rows,
            record_count=len(rows),
            rows=rows,
        )

    def query_stock_daily(
        self, symbol: Symbol, start: Start = None, end: End = None, limit: Limit = 100
    ) -> DailyPrices:
        """Daily open, high, low, close (USD), volume (shares) and adj_close (USD) of a stock, oldest first.

        Open, high, low and close are as traded and jump at splits; compare over time with adj_close.
        """
        symbol = self._coverage.symbol(symbol)
        period = self._coverage.period(start, end, [symbol])
        with self._database.reader() as reader:
            result = queries.stock_daily(reader, symbol, period, limit + 1)
        records, next_start = split_page(result, limit)
        rows = [DailyPrice(**record) for record in records]
        return DailyPrices(
            symbol=symbol,
            record_count=len(rows),
            truncated=next_start is not None,
            next_start=next_start,
            rows=rows,
        )

    def query_index_daily(self, start: Start = None, end: End = None, limit: Limit = 100) -> IndexLevels:
        """Daily level of an equal-weight index of all the stocks, oldest day first.

        Base 100 on the first date, rebalanced every day: the level grows by the plain average of the
        constituents' daily returns of adj_close. A stock joins on its second trading day.
        """
        period = self._coverage.period(start, end)
        with self._database.reader() as reader:
            result = queries.index_daily(reader, period, limit + 1)
        records, next_start = split_page(result, limit)
        rows = [IndexLevel(**record) for record in records]
        return IndexLevels(record_count=len(rows), truncated=next_start is not None, next_start=next_start, rows=rows)

    def get_latest_price(self, symbol: Symbol) -> LatestPrice:
        """The last close of a stock in the data (USD, unadjusted) and its change from the day before."""
        symbol = self._coverage.symbol(symbol)
        with self._database.reader() as reader:
            (date, close, volume), (_, previous, _) = queries.latest_two_days(reader, symbol)
        return LatestPrice(
            symbol=symbol,
            date=date,
            close=close,
            previous_close=previous,
            change=round(close - previous, 6),
            change_pct=(close / previous - 1) * 100,
            volume=volume,
        )

    def run_sql(self, sql: Sql, limit: Limit = 100) -> SqlResult:
        """Run one read-only SELECT over stock_basic, stock_daily and index_daily, in SQLite's dialect.

        Stopped after 2 seconds. Returns at most `limit` rows and about 1 MB; `truncated` is true if there
        was more. Blobs are hexadecimal digits. Dates are texts, YYYY-MM-DD. See describe_table for the
        columns.
        """
        with self._database.reader() as reader:
            result = reader.read(sql, max_rows=limit)
            tables = reader.tables_read(sql)
        return SqlResult(
            tables=list(tables),
            columns=list(result.columns),
            record_count=len(result.rows),
            truncated=result.truncated,
            rows=[list(row) for row in result.rows],
        )

    def export_csv(self, table: TableName, symbol: Symbol | None = None, start: Start = None, end: End = None) -> str:
        """A table as CSV text (RFC 4180, with a header line), whole or for one symbol and a period.

        `symbol` is for stock_basic and stock_daily, `start` and `end` for stock_daily and index_daily. See
        describe_table for units.
        """
        found = find_table(table)
        for column, argument in (("symbol", symbol), ("date", start or end)):
            if argument is not None and column not in found.column_names:
                raise CallerError(f"{found.name} has no {column}; its columns are {', '.join(found.column_names)}")
        symbols = [] if symbol is None else [self._coverage.symbol(symbol)]
        period = self._coverage.period(start, end, symbols)
        with self._database.reader() as reader:
            result = queries.export(reader, found, symbols[0] if symbols else None, period)
        if result.truncated:
            raise CallerError("the export is too large; give a symbol, or a start and an end")
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(result.columns)
        writer.writerows(result.rows)
        return text.getvalue()


def split_page(result: QueryResult, limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """Return the first `limit` rows as records, and the date of the next row, or None if there is none.

    The query must select the date first, with a limit of `limit + 1` rows.
    """
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.rows[:limit]]
    return rows, str(result.rows[limit][0]) if len(result.rows) > limit else None
