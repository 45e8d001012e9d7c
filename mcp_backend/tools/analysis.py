"""Tools that compute from the prices.

The long ones run each step in a worker thread and report it as progress. A cancelled call ends at its next step.
"""

from __future__ import annotations

from datetime import date
from itertools import combinations, product
from typing import Any, Final

from anyio.to_thread import run_sync
from mcp.server.mcpserver import Context

from mcp_backend import queries
from mcp_backend.coverage import Coverage, Period
from mcp_backend.database import Database
from mcp_backend.errors import CallerError
from mcp_backend.queries import Point
from mcp_backend.tools import indicators
from mcp_backend.tools.parameters import End, FastWindows, Limit, SlowWindows, Start, Symbol, Symbols, Window
from mcp_backend.tools.results import (
    AveragedDay,
    Correlations,
    CrossoverResult,
    CrossoverResults,
    MovingAverage,
    PairCorrelation,
    StockComparison,
    StockComparisons,
)
from mcp_backend.tools.tables import split_page

DEFAULT_FAST: Final = [10, 20, 50]
DEFAULT_SLOW: Final = [100, 200]

AnyContext = Context[Any, Any]


class AnalysisTools:
    """Each public method is a tool; its docstring is the description that clients see."""

    def __init__(self, database: Database, coverage: Coverage) -> None:
        self._database = database
        self._coverage = coverage

    def moving_average(
        self,
        symbol: Symbol,
        window: Window = 20,
        start: Start = None,
        end: End = None,
        limit: Limit = 100,
    ) -> MovingAverage:
        """Simple moving average of a stock's adjusted close (USD) over the last `window` trading days.

        One row per day. Days before `start` count into the average if there is data.
        """
        symbol = self._coverage.symbol(symbol)
        period = self._coverage.period(start, end, [symbol])
        with self._database.reader() as reader:
            result = queries.moving_average(reader, symbol, window, period, limit + 1)
        records, next_start = split_page(result, limit)
        rows = [AveragedDay(**record) for record in records]
        return MovingAverage(
            symbol=symbol,
            window=window,
            record_count=len(rows),
            truncated=next_start is not None,
            next_start=next_start,
            rows=rows,
        )

    async def compare_stocks(
        self, symbols: Symbols, ctx: AnyContext, start: Start = None, end: End = None
    ) -> StockComparisons:
        """Compare stocks over the same days: total and yearly return, volatility, maximum drawdown, in percent.

        Computed from adj_close, so dividends count. The period is limited to the days for which all stocks
        have prices. Reports progress, one step per stock.
        """
        selected = self._coverage.distinct_symbols(symbols, at_least=1)
        period = self._coverage.period(start, end, selected)
        rows: list[StockComparison] = []
        for done, symbol in enumerate(selected, start=1):
            rows.append(await run_sync(self._compare, symbol, period))
            await ctx.report_progress(done, len(selected), f"compared {symbol}")
        rows.sort(key=lambda row: row.total_return_pct, reverse=True)
        return StockComparisons(start=period.start, end=period.end, record_count=len(rows), rows=rows)

    async def correlation_matrix(
        self, symbols: Symbols, ctx: AnyContext, start: Start = None, end: End = None
    ) -> Correlations:
        """Correlation of the daily returns (adj_close) of each pair of stocks.

        The period is limited to the days for which all stocks have prices. Reports progress, one step per pair.
        """
        selected = self._coverage.distinct_symbols(symbols, at_least=2)
        period = self._coverage.period(start, end, selected)
        pairs = list(combinations(selected, 2))
        rows: list[PairCorrelation] = []
        for done, (first, second) in enumerate(pairs, start=1):
            rows.append(await run_sync(self._correlate, first, second, period))
            await ctx.report_progress(done, len(pairs), f"correlated {first} and {second}")
        return Correlations(start=period.start, end=period.end, record_count=len(rows), rows=rows)

    async def backtest_crossover(
        self,
        symbol: Symbol,
        ctx: AnyContext,
        fast: FastWindows = DEFAULT_FAST,
        slow: SlowWindows = DEFAULT_SLOW,
        start: Start = None,
        end: End = None,
    ) -> CrossoverResults:
        """Back-test a moving-average crossover on a stock for each pair of a fast and a slow window.

        The strategy holds the stock on each day after a close with the fast average above the slow one, and
        cash otherwise. Costs and interest are ignored; prices are adj_close. Reports progress, one step per
        pair.
        """
        symbol = self._coverage.symbol(symbol)
        period = self._coverage.period(start, end, [symbol])
        points = await run_sync(self._adjusted_closes, symbol, period)
        closes = [close for _, close in points]
        pairs = _window_pairs(fast, slow, len(closes))
        rows: list[CrossoverResult] = []
        for done, (fast_window, slow_window) in enumerate(pairs, start=1):
            result = await run_sync(indicators.backtest_crossover, closes, fast_window, slow_window)
            rows.append(CrossoverResult(fast=fast_window, slow=slow_window, **vars(result)))
            await ctx.report_progress(done, len(pairs), f"tested {fast_window} over {slow_window} days")
        rows.sort(key=lambda row: row.total_return_pct, reverse=True)
        return CrossoverResults(
            symbol=symbol,
            start=points[0][0],
            end=points[-1][0],
            trading_days=len(points),
            buy_and_hold_return_pct=indicators.total_return_pct(closes),
            record_count=len(rows),
            rows=rows,
        )

    def _adjusted_closes(self, symbol: str, period: Period) -> list[Point]:
        """Return the closes of a stock in a period. Raises CallerError if there are fewer than two."""
        with self._database.reader() as reader:
            points = queries.adjusted_closes(reader, symbol, period)
        if len(points) < 2:
            raise CallerError(f"{period.start} to {period.end} has fewer than two trading days; give a longer period")
        return points

    def _compare(self, symbol: str, period: Period) -> StockComparison:
        points = self._adjusted_closes(symbol, period)
        closes = [close for _, close in points]
        with self._database.reader() as reader:
            name = str(queries.profile(reader, symbol)["name"])
        days = (date.fromisoformat(points[-1][0]) - date.fromisoformat(points[0][0])).days
        return StockComparison(
            symbol=symbol,
            name=name,
            first_adj_close=closes[0],
            last_adj_close=closes[-1],
            trading_days=len(closes),
            total_return_pct=indicators.total_return_pct(closes),
            annual_return_pct=indicators.annual_return_pct(closes, days),
            annual_volatility_pct=indicators.annual_volatility_pct(closes),
            max_drawdown_pct=indicators.max_drawdown_pct(closes),
        )

    def _correlate(self, first: str, second: str, period: Period) -> PairCorrelation:
        closes, others = dict(self._adjusted_closes(first, period)), dict(self._adjusted_closes(second, period))
        common = [day for day in closes if day in others]
        returns = indicators.daily_returns([closes[day] for day in common])
        other_returns = indicators.daily_returns([others[day] for day in common])
        coefficient = indicators.correlation(returns, other_returns)
        return PairCorrelation(first=first, second=second, correlation=coefficient, days=len(returns))


def _window_pairs(fast: list[int], slow: list[int], days: int) -> list[tuple[int, int]]:
    windows = product(sorted(set(fast)), sorted(set(slow)))
    pairs = [(fast_window, slow_window) for fast_window, slow_window in windows if fast_window < slow_window < days]
    if not pairs:
        raise CallerError(
            f"no fast window is smaller than a slow one that fits into the {days} trading days of the period"
        )
    return pairs
