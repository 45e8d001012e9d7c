"""The computing tools, through the official client, compared with Python's statistics module."""

from __future__ import annotations

import statistics
from itertools import pairwise

import pytest
from mcp.client import Client

from tests.mcp_backend.calls import call_tool, tool_error
from tests.mcp_backend.conftest import SOURCE


async def test_a_moving_average_counts_days_before_its_period(connect: Client) -> None:
    closes = SOURCE["GOOG"]["adj_close"]
    last = len(closes) - 1

    async with connect as client:
        recent = await call_tool(client, "moving_average", symbol="GOOG", window=50, start="2013-03-01")
        oldest = await call_tool(client, "moving_average", symbol="GOOG", window=3, limit=4)

    assert recent["rows"] == [
        {
            "date": "2013-03-01",
            "adj_close": closes[last],
            "moving_average": pytest.approx(statistics.fmean(closes[-50:])),
        }
    ]
    averages = [row["moving_average"] for row in oldest["rows"]]
    assert averages[:2] == [None, None]
    assert averages[2:] == pytest.approx([statistics.fmean(closes[0:3]), statistics.fmean(closes[1:4])])


async def test_stocks_are_compared_over_their_common_days_with_progress(connect: Client) -> None:
    seen: list[tuple[float, float | None]] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        seen.append((progress, total))

    async with connect as client:
        result = await client.call_tool(
            "compare_stocks", {"symbols": ["AAPL", "fb", "IBM"]}, progress_callback=progress
        )

    comparison = result.structured_content
    assert isinstance(comparison, dict)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert comparison["tables"] == ["stock_basic", "stock_daily"]
    assert comparison["record_count"] == 3
    assert (comparison["start"], comparison["end"]) == ("2012-05-18", "2013-03-01")
    for row in comparison["rows"]:
        closes = [
            close
            for day, close in zip(*(SOURCE[row["symbol"]][name] for name in ("date", "adj_close")), strict=True)
            if day >= "2012-05-18"
        ]
        assert row["trading_days"] == 196
        assert row["total_return_pct"] == pytest.approx((closes[-1] / closes[0] - 1) * 100)
        assert row["annual_return_pct"] is None
    returns = [row["total_return_pct"] for row in comparison["rows"]]
    assert returns == sorted(returns, reverse=True)


async def test_correlations_agree_with_the_standard_library(connect: Client) -> None:
    async with connect as client:
        matrix = await call_tool(client, "correlation_matrix", symbols=["AAPL", "IBM", "MSFT"])

    returns = {
        symbol: [later / earlier for earlier, later in pairwise(SOURCE[symbol]["adj_close"])]
        for symbol in ("AAPL", "IBM", "MSFT")
    }
    assert matrix["record_count"] == 3
    for row in matrix["rows"]:
        expected = statistics.correlation(returns[row["first"]], returns[row["second"]])
        assert row["correlation"] == pytest.approx(expected)
        assert row["days"] == 3269


async def test_a_back_test_reports_each_pair_of_windows(connect: Client) -> None:
    messages: list[str | None] = []

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        messages.append(message)

    arguments = {"symbol": "IBM", "fast": [5, 20, 300], "slow": [50, 200]}
    async with connect as client:
        result = await client.call_tool("backtest_crossover", arguments, progress_callback=progress)
        none = await tool_error(client, "backtest_crossover", symbol="FB", fast=[10], slow=[200])

    report = result.structured_content
    assert isinstance(report, dict)
    assert messages == [f"tested {fast} over {slow} days" for fast in (5, 20) for slow in (50, 200)]
    assert report["record_count"] == len(report["rows"]) == 4
    closes = SOURCE["IBM"]["adj_close"]
    assert report["buy_and_hold_return_pct"] == pytest.approx((closes[-1] / closes[0] - 1) * 100)
    assert "the 196 trading days of the period" in none
