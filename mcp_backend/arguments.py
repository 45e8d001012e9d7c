"""What callers may ask for: symbols, tables and dates, checked against what the tables hold.

A refusal names the valid values, so that a model can mend its own call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from mcp_backend.catalogue import TABLE_NAMES, TABLES, Table
from mcp_backend.errors import CallerError, shown

# date.fromisoformat alone also reads 20130301 and 2013-W09-5.
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Period:
    """An inclusive range of days, each YYYY-MM-DD, so that texts compare as days do."""

    start: str
    end: str


@dataclass(frozen=True)
class Coverage:
    """The symbols there are and the days that each has prices for."""

    periods: dict[str, Period]

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.periods)

    @property
    def whole(self) -> Period:
        """From the first day of any symbol to the last."""
        periods = self.periods.values()
        return Period(min(period.start for period in periods), max(period.end for period in periods))

    def symbol(self, text: str) -> str:
        """The known symbol that `text` names, in any case. Raises CallerError."""
        symbol = text.strip().upper()
        if symbol not in self.periods:
            raise CallerError(f"unknown symbol {shown(text)}; the symbols are {', '.join(self.symbols)}")
        return symbol

    def distinct_symbols(self, texts: Sequence[str], at_least: int) -> tuple[str, ...]:
        """The known symbols that `texts` name, without repetition, in their order. Raises CallerError."""
        symbols = tuple(dict.fromkeys(self.symbol(text) for text in texts))
        if len(symbols) < at_least:
            known = ", ".join(self.symbols)
            raise CallerError(f"give at least {at_least} different symbols; the symbols are {known}")
        return symbols

    def period(self, start: str | None, end: str | None, symbols: Iterable[str] = ()) -> Period:
        """The days from `start` to `end`, cut to those with data for all `symbols` (none: for any symbol).

        Raises CallerError for what is no day, for a start after the end, and for a range that lies outside
        the data altogether.
        """
        covered = [self.periods[symbol] for symbol in symbols] or [self.whole]
        known = Period(max(period.start for period in covered), min(period.end for period in covered))
        first = known.start if start is None else _day("start", start, known)
        last = known.end if end is None else _day("end", end, known)
        if start is not None and end is not None and first > last:
            raise CallerError(f"start {first} is after end {last}; {_range(known)}")
        if first > known.end or last < known.start:
            raise CallerError(f"there are no prices in the period asked for; {_range(known)}")
        return Period(max(first, known.start), min(last, known.end))


def table_named(text: str) -> Table:
    """The table that `text` names, in any case. Raises CallerError."""
    name = text.strip().lower()
    for table in TABLES:
        if table.name == name:
            return table
    raise CallerError(f"unknown table {shown(text)}; the tables are {', '.join(TABLE_NAMES)}")


def _day(name: str, text: str, known: Period) -> str:
    day = text.strip()
    try:
        if not _DAY.fullmatch(day):
            raise ValueError
        date.fromisoformat(day)
    except ValueError:
        message = f"{name} {shown(text)} is no date; write it as YYYY-MM-DD; {_range(known)}"
        raise CallerError(message) from None
    return day


def _range(known: Period) -> str:
    return f"the data covers {known.start} to {known.end}"
