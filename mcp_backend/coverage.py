"""Symbols and dates for which there is data, and validation of arguments against them.

An error names the valid values, so that a model can correct its call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from mcp_backend.errors import CallerError, quoted

# date.fromisoformat also accepts 20130301 and 2013-W09-5.
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Period:
    """An inclusive range of days as YYYY-MM-DD, which compare as text."""

    start: str
    end: str


@dataclass(frozen=True)
class Coverage:
    """The known symbols, and the period of each for which there are prices."""

    periods: dict[str, Period]

    @property
    def symbols(self) -> tuple[str, ...]:
        return tuple(self.periods)

    @property
    def whole(self) -> Period:
        """The period from the first day of any symbol to the last."""
        periods = self.periods.values()
        return Period(min(period.start for period in periods), max(period.end for period in periods))

    def symbol(self, text: str) -> str:
        """Look up a symbol, ignoring case. Raises CallerError."""
        symbol = text.strip().upper()
        if symbol not in self.periods:
            raise CallerError(f"unknown symbol {quoted(text)}; the symbols are {', '.join(self.symbols)}")
        return symbol

    def distinct_symbols(self, texts: Sequence[str], at_least: int) -> tuple[str, ...]:
        """Look up symbols and drop repetitions, keeping the order. Raises CallerError."""
        symbols = tuple(dict.fromkeys(self.symbol(text) for text in texts))
        if len(symbols) < at_least:
            known = ", ".join(self.symbols)
            raise CallerError(f"give at least {at_least} different symbols; the symbols are {known}")
        return symbols

    def period(self, start: str | None, end: str | None, symbols: Iterable[str] = ()) -> Period:
        """Limit the range from `start` to `end` to the days with data for all `symbols`; without symbols, for any.

        Raises CallerError for an invalid day, for a start after the end, and for a range without data.
        """
        covered = [self.periods[symbol] for symbol in symbols] or [self.whole]
        known = Period(max(period.start for period in covered), min(period.end for period in covered))
        first = known.start if start is None else _parse_day("start", start, known)
        last = known.end if end is None else _parse_day("end", end, known)
        if start is not None and end is not None and first > last:
            raise CallerError(f"start {first} is after end {last}; {_range(known)}")
        if first > known.end or last < known.start:
            raise CallerError(f"there are no prices in the requested period; {_range(known)}")
        return Period(max(first, known.start), min(last, known.end))


def _parse_day(name: str, text: str, known: Period) -> str:
    day = text.strip()
    try:
        if not _DAY.fullmatch(day):
            raise ValueError
        date.fromisoformat(day)
    except ValueError:
        message = f"{name} {quoted(text)} is not a date; write it as YYYY-MM-DD; {_range(known)}"
        raise CallerError(message) from None
    return day


def _range(known: Period) -> str:
    return f"the data covers {known.start} to {known.end}"
