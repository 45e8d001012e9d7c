"""The tools that compute.

The long ones work step by step, each step in a worker thread, and report each step as progress. A call that
is cancelled ends at its next step.
"""

from __future__ import annotations

from datetime import date
from itertools import combinations, product
from typing import Any, Final

from anyio.to_thread import run_sync
from mcp.server.mcpserver import Context

from mcp_backend import analysis, queries
from mcp_backend.arguments import Coverage, Period
from mcp_backend.database import Database
from mcp_backend.errors import CallerError
from mcp_backend.parameters import End, FastWindows, Limit, SlowWindows, Start, Symbol, Symbols, Window
from mcp_backend.queries import Point
from mcp_backend.results import (
    AveragedDay,
    Correlations,
    CrossoverResult,
    CrossoverResults,
    MovingAverage,
    PairCorrelation,
    StockComparison,
    StockComparisons,
)
from mcp_backend.table_tools import cut

DEFAULT_FAST: Final = [10, 20, 50]
DEFAULT_SLOW: Final = [100, 200]

AnyContext = Context[Any, Any]


class AnalysisTools:
    """Each public method is a tool; its docstring is what a client reads."""

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

        One row a day. Days before `start` count into the average where there is data.
        """
        symbol = self._coverage.symbol(symbol)
        period = self._coverage.period(start, end, [symbol])
        with self._database.reader() as reader:
            answer = queries.moving_average(reader, symbol, window, period, limit + 1)
        records, next_start = cut(answer, limit)
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
        """Compare stocks over the same days: total and yearly return, volatility, deepest fall, in percent.

        Computed from adj_close, so dividends count. The period is cut to the days for which all the stocks
        have prices. Reports progress, one step a stock.
        """
        chosen = self._coverage.distinct_symbols(symbols, at_least=1)
        period = self._coverage.period(start, end, chosen)
        rows: list[StockComparison] = []
        for done, symbol in enumerate(chosen, start=1):
            rows.append(await run_sync(self._comparison, symbol, period))
            await ctx.report_progress(done, len(chosen), f"compared {symbol}")
        rows.sort(key=lambda row: row.total_return_pct, reverse=True)
        return StockComparisons(start=period.start, end=period.end, record_count=len(rows), rows=rows)

    async def correlation_matrix(
        self, symbols: Symbols, ctx: AnyContext, start: Start = None, end: End = None
    ) -> Correlations:
        """Correlation of the daily returns (adj_close) of each pair of the stocks.

        The period is cut to the days for which all the stocks have prices. Reports progress, one step a pair.
        """
        chosen = self._coverage.distinct_symbols(symbols, at_least=2)
        period = self._coverage.period(start, end, chosen)
        pairs = list(combinations(chosen, 2))
        rows: list[PairCorrelation] = []
        for done, (first, second) in enumerate(pairs, start=1):
            rows.append(await run_sync(self._correlation, first, second, period))
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
        """Back-test the moving-average crossover on a stock for each pair of a fast and a slower window.

        The strategy holds the stock on each day that follows a close with the fast average above the slow
        one, and cash else; costs and interest are left out; prices are adj_close. Reports progress, one
        step a pair.
        """
        symbol = self._coverage.symbol(symbol)
        period = self._coverage.period(start, end, [symbol])
        points = await run_sync(self._points, symbol, period)
        closes = [close for _, close in points]
        pairs = _window_pairs(fast, slow, len(closes))
        rows: list[CrossoverResult] = []
        for done, (quick, steady) in enumerate(pairs, start=1):
            result = await run_sync(analysis.backtest_crossover, closes, quick, steady)
            rows.append(CrossoverResult(fast=quick, slow=steady, **vars(result)))
            await ctx.report_progress(done, len(pairs), f"tested {quick} over {steady} days")
        rows.sort(key=lambda row: row.total_return_pct, reverse=True)
        return CrossoverResults(
            symbol=symbol,
            start=points[0][0],
            end=points[-1][0],
            trading_days=len(points),
            buy_and_hold_return_pct=analysis.total_return_pct(closes),
            record_count=len(rows),
            rows=rows,
        )

    def _points(self, symbol: str, period: Period) -> list[Point]:
        """The closes of a stock in a period. Raises CallerError where there are fewer than two."""
        with self._database.reader() as reader:
            points = queries.adjusted_closes(reader, symbol, period)
        if len(points) < 2:
            raise CallerError(f"{period.start} to {period.end} has fewer than two trading days; give a longer period")
        return points

    def _comparison(self, symbol: str, period: Period) -> StockComparison:
        points = self._points(symbol, period)
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
            total_return_pct=analysis.total_return_pct(closes),
            annual_return_pct=analysis.annual_return_pct(closes, days),
            annual_volatility_pct=analysis.annual_volatility_pct(closes),
            max_drawdown_pct=analysis.max_drawdown_pct(closes),
        )

    def _correlation(self, first: str, second: str, period: Period) -> PairCorrelation:
        closes, others = dict(self._points(first, period)), dict(self._points(second, period))
        common = [day for day in closes if day in others]
        returns = analysis.daily_returns([closes[day] for day in common])
        other_returns = analysis.daily_returns([others[day] for day in common])
        coefficient = analysis.correlation(returns, other_returns)
        return PairCorrelation(first=first, second=second, correlation=coefficient, days=len(returns))


def _window_pairs(fast: list[int], slow: list[int], days: int) -> list[tuple[int, int]]:
    windows = product(sorted(set(fast)), sorted(set(slow)))
    pairs = [(quick, steady) for quick, steady in windows if quick < steady < days]
    if not pairs:
        raise CallerError(
            f"no fast window is smaller than a slow one that fits into the {days} trading days of the period"
        )
    return pairs
