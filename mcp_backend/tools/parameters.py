"""Types of the parameters that tools share, with their descriptions and bounds."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from mcp_backend.prices import SYMBOLS

MAX_ROWS: Final = 1000
MAX_SQL_CHARACTERS: Final = 10_000
MAX_WINDOW: Final = 500
MAX_WINDOWS: Final = 12

_KNOWN = ", ".join(SYMBOLS)
_DATE = {"format": "date"}

Symbol = Annotated[str, Field(max_length=100, description=f"Ticker symbol, one of {_KNOWN}", examples=["AAPL"])]
Symbols = Annotated[
    list[str],
    Field(min_length=1, max_length=20, description=f"Ticker symbols, of {_KNOWN}", examples=[["AAPL", "MSFT"]]),
]
TableName = Annotated[
    str, Field(max_length=100, description="Name of a table, see list_tables", examples=["stock_daily"])
]
Start = Annotated[
    str | None,
    Field(
        max_length=100,
        description="First day, inclusive, YYYY-MM-DD; default: the first day with data",
        examples=["2012-01-03"],
        json_schema_extra=_DATE,
    ),
]
End = Annotated[
    str | None,
    Field(
        max_length=100,
        description="Last day, inclusive, YYYY-MM-DD; default: the last day with data",
        examples=["2012-12-31"],
        json_schema_extra=_DATE,
    ),
]
Limit = Annotated[int, Field(ge=1, le=MAX_ROWS, description=f"Maximum number of rows, 1 to {MAX_ROWS}")]
Window = Annotated[int, Field(ge=2, le=MAX_WINDOW, description=f"Trading days to average, 2 to {MAX_WINDOW}")]
Sql = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_SQL_CHARACTERS,
        description="One SELECT statement in SQLite's dialect",
        examples=["SELECT symbol, max(close) FROM stock_daily GROUP BY symbol"],
    ),
]
_Windows = list[Annotated[int, Field(ge=2, le=MAX_WINDOW)]]
_WINDOWS_BOUND = f"in trading days: 1 to {MAX_WINDOWS} of them, each 2 to {MAX_WINDOW}"
FastWindows = Annotated[
    _Windows,
    Field(
        min_length=1,
        max_length=MAX_WINDOWS,
        description=f"Windows to try for the fast average, {_WINDOWS_BOUND}",
    ),
]
SlowWindows = Annotated[
    _Windows,
    Field(
        min_length=1,
        max_length=MAX_WINDOWS,
        description=f"Windows to try for the slow average, {_WINDOWS_BOUND}",
    ),
]
