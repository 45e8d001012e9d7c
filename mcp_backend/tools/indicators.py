"""Pure functions on adjusted closes: returns, volatility, drawdown, correlation, and a crossover back-test.

Closes are in USD, adjusted for splits and dividends, oldest first. Names that end in `_pct` are in percent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

_TRADING_DAYS_PER_YEAR: Final = 252
_DAYS_PER_YEAR: Final = 365.25


@dataclass(frozen=True)
class Crossover:
    """The result of `backtest_crossover` for one series."""

    total_return_pct: float
    max_drawdown_pct: float
    trades: int
    days_in_market: int


def daily_returns(closes: Sequence[float]) -> list[float]:
    """Return the simple return of each day except the first, as a fraction."""
    return [later / earlier - 1 for earlier, later in pairwise(closes)]


def total_return_pct(closes: Sequence[float]) -> float:
    """Return the total return from the first close to the last."""
    return (closes[-1] / closes[0] - 1) * 100


def annual_return_pct(closes: Sequence[float], calendar_days: int) -> float | None:
    """Return the annualized return; None for less than a year, for which it would mislead."""
    if calendar_days < _DAYS_PER_YEAR:
        return None
    return float((closes[-1] / closes[0]) ** (_DAYS_PER_YEAR / calendar_days) - 1) * 100


def annual_volatility_pct(closes: Sequence[float]) -> float | None:
    """Return the sample standard deviation of the daily log returns times √252; None for fewer than three closes."""
    returns = [math.log(later / earlier) for earlier, later in pairwise(closes)]
    if len(returns) < 2:
        return None
    mean = math.fsum(returns) / len(returns)
    variance = math.fsum((value - mean) ** 2 for value in returns) / (len(returns) - 1)
    return math.sqrt(variance * _TRADING_DAYS_PER_YEAR) * 100


def max_drawdown_pct(values: Sequence[float]) -> float:
    """Return the maximum drawdown: 0, or negative."""
    return min(value / peak - 1 for value, peak in zip(values, accumulate(values, max), strict=True)) * 100


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Return Pearson's coefficient of two series of equal length; None if one of them is constant."""
    count = len(first)
    if count < 2:
        return None
    mean_first, mean_second = math.fsum(first) / count, math.fsum(second) / count
    covariance = math.fsum((a - mean_first) * (b - mean_second) for a, b in zip(first, second, strict=True))
    spread = math.sqrt(
        math.fsum((a - mean_first) ** 2 for a in first) * math.fsum((b - mean_second) ** 2 for b in second)
    )
    return covariance / spread if spread else None


def moving_averages(closes: Sequence[float], window: int) -> list[float]:
    """Return the mean of the last `window` closes, from the first day for which there are that many."""
    sums = [0.0, *accumulate(closes)]
    return [(later - earlier) / window for earlier, later in zip(sums, sums[window:], strict=False)]


def backtest_crossover(closes: Sequence[float], fast: int, slow: int) -> Crossover:
    """Simulate holding the stock on days after a close with the fast average above the slow one, and cash otherwise.

    The first signal comes at the close of day `slow`. Costs and interest are ignored; a trade is a purchase.
    Requires `fast < slow < len(closes)`.
    """
    fast_averages, slow_averages = moving_averages(closes, fast)[slow - fast :], moving_averages(closes, slow)
    signals = [above > below for above, below in zip(fast_averages, slow_averages, strict=True)]
    wealth, trades, holding = [1.0], 0, False
    for signal, change in zip(signals, daily_returns(closes[slow - 1 :]), strict=False):
        trades += signal and not holding
        holding = signal
        wealth.append(wealth[-1] * (1 + change) if holding else wealth[-1])
    # The signal of the last close is for a day after the data.
    return Crossover(total_return_pct(wealth), max_drawdown_pct(wealth), trades, sum(signals[:-1]))
