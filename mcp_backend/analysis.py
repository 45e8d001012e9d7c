"""What can be computed from adjusted closes: returns, risk, correlation, a crossover strategy. Pure.

Closes are in USD and adjusted for splits and dividends, oldest first. What ends in `_pct` is in percent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Final

TRADING_DAYS_A_YEAR: Final = 252
DAYS_A_YEAR: Final = 365.25


@dataclass(frozen=True)
class Crossover:
    """What a crossover strategy made of one series; see `backtest_crossover`."""

    total_return_pct: float
    max_drawdown_pct: float
    trades: int
    days_in_market: int


def daily_returns(closes: Sequence[float]) -> list[float]:
    """The simple return of each day but the first, as a fraction."""
    return [later / earlier - 1 for earlier, later in pairwise(closes)]


def total_return_pct(closes: Sequence[float]) -> float:
    """From the first close to the last."""
    return (closes[-1] / closes[0] - 1) * 100


def annual_return_pct(closes: Sequence[float], calendar_days: int) -> float | None:
    """The yearly rate that compounds to the total return; None under a year, where it would mislead."""
    if calendar_days < DAYS_A_YEAR:
        return None
    return float((closes[-1] / closes[0]) ** (DAYS_A_YEAR / calendar_days) - 1) * 100


def annual_volatility_pct(closes: Sequence[float]) -> float | None:
    """The sample deviation of the daily log returns, times the root of 252; None under three closes."""
    returns = [math.log(later / earlier) for earlier, later in pairwise(closes)]
    if len(returns) < 2:
        return None
    mean = math.fsum(returns) / len(returns)
    variance = math.fsum((value - mean) ** 2 for value in returns) / (len(returns) - 1)
    return math.sqrt(variance * TRADING_DAYS_A_YEAR) * 100


def max_drawdown_pct(values: Sequence[float]) -> float:
    """The deepest fall from an earlier peak: 0, or negative."""
    return min(value / peak - 1 for value, peak in zip(values, accumulate(values, max), strict=True)) * 100


def correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Pearson's coefficient of two equally long series; None where one of them does not vary."""
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
    """The mean of the last `window` closes, from the first day that has so many."""
    sums = [0.0, *accumulate(closes)]
    return [(later - earlier) / window for earlier, later in zip(sums, sums[window:], strict=False)]


def backtest_crossover(closes: Sequence[float], fast: int, slow: int) -> Crossover:
    """Hold the stock on each day that follows a close with the fast average above the slow one, else cash.

    The first signal comes at the close of day `slow`. Costs and interest are left out; a trade is a purchase.
    Needs `fast < slow < len(closes)`.
    """
    quick, steady = moving_averages(closes, fast)[slow - fast :], moving_averages(closes, slow)
    signals = [above > below for above, below in zip(quick, steady, strict=True)]
    wealth, trades, holding = [1.0], 0, False
    for signal, change in zip(signals, daily_returns(closes[slow - 1 :]), strict=False):
        trades += signal and not holding
        holding = signal
        wealth.append(wealth[-1] * (1 + change) if holding else wealth[-1])
    # The last close's signal is for a day that is not in the data.
    return Crossover(total_return_pct(wealth), max_drawdown_pct(wealth), trades, sum(signals[:-1]))
