"""Real daily prices from `bokeh_sampledata`, written into an SQLite file.

- Prices are copied as they are: nothing is rounded, filled in or made up.
- pandas is not imported: only the plain dictionaries of the source are used.
- Nothing writes to the file after `write_database` has returned.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any, Final

from mcp_backend.schema import INDEX_DAILY, STOCK_BASIC, STOCK_DAILY, TABLES, Table

_SOURCE: Final = "bokeh_sampledata.stocks"


@dataclass(frozen=True)
class Listing:
    """Name and exchange of a stock, which the source does not have."""

    name: str
    exchange: str
    currency: str = "USD"


LISTINGS: Mapping[str, Listing] = {
    "AAPL": Listing("Apple Inc.", "NASDAQ"),
    "FB": Listing("Facebook, Inc.", "NASDAQ"),
    "GOOG": Listing("Google Inc.", "NASDAQ"),
    "IBM": Listing("International Business Machines Corporation", "NYSE"),
    "MSFT": Listing("Microsoft Corporation", "NASDAQ"),
}
SYMBOLS = tuple(LISTINGS)

Series = Mapping[str, Sequence[Any]]


def load_prices() -> dict[str, Series]:
    """Load the columns (`date`, `open`, … `adj_close`) of each symbol, oldest day first.

    Raises ModuleNotFoundError if the source is not installed.
    """
    spec = find_spec(_SOURCE)
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"No module named {_SOURCE!r}", name=_SOURCE)
    # Not imported: sys.modules would keep its 85,000 values alive next to the database.
    stocks = module_from_spec(spec)
    spec.loader.exec_module(stocks)
    return {symbol: getattr(stocks, symbol) for symbol in SYMBOLS}


def write_database(path: Path, prices: Mapping[str, Series]) -> None:
    """Create a new file at `path` with all tables."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # No journal: the file is discarded on any error.
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        for table in TABLES:
            connection.execute(table.create_statement())
        _insert(connection, STOCK_BASIC, _basic_rows(prices))
        _insert(connection, STOCK_DAILY, _daily_rows(prices))
        _insert(connection, INDEX_DAILY, index_rows(prices))
        connection.execute("COMMIT")


def index_rows(prices: Mapping[str, Series]) -> Iterator[tuple[str, float, float, int]]:
    """Compute the rows of index_daily, oldest first; `schema.INDEX_RULE` states the rule."""
    returns: dict[str, list[float]] = {date: [] for series in prices.values() for date in series["date"]}
    for series in prices.values():
        closes = series["adj_close"]
        for position in range(1, len(closes)):
            returns[series["date"][position]].append(closes[position] / closes[position - 1] - 1)
    level = 100.0
    first, *later = sorted(returns)
    yield first, level, 0.0, sum(series["date"][0] == first for series in prices.values())
    for date in later:
        constituents = len(returns[date])
        average = sum(returns[date]) / constituents if constituents else 0.0
        level *= 1 + average
        yield date, level, average * 100, constituents


def _basic_rows(prices: Mapping[str, Series]) -> Iterator[tuple[Any, ...]]:
    for symbol, series in prices.items():
        listing, dates = LISTINGS[symbol], series["date"]
        yield symbol, listing.name, listing.exchange, listing.currency, dates[0], dates[-1], len(dates)


def _daily_rows(prices: Mapping[str, Series]) -> Iterator[tuple[Any, ...]]:
    names = STOCK_DAILY.column_names[1:]
    for symbol, series in prices.items():
        for values in zip(*(series[name] for name in names), strict=True):
            yield symbol, *values


def _insert(connection: sqlite3.Connection, table: Table, rows: Iterator[tuple[Any, ...]]) -> None:
    placeholders = ", ".join("?" for _ in table.columns)
    # The name comes from the schema, never from a caller.
    connection.executemany(f"INSERT INTO {table.name} VALUES ({placeholders})", rows)  # noqa: S608
