"""Indicators, compared with values computed by hand and with Python's statistics module."""

from __future__ import annotations

import math
import statistics

import pytest

from mcp_backend.tools import indicators

WAVE = [100.0, 110.0, 99.0, 121.0, 60.5, 90.0]


def test_returns_by_hand() -> None:
    assert indicators.daily_returns([100, 110, 99]) == pytest.approx([0.1, -0.1])
    assert indicators.total_return_pct([100, 50, 150]) == pytest.approx(50)


def test_the_annual_return_compounds_to_the_total_and_is_none_for_less_than_a_year() -> None:
    assert indicators.annual_return_pct([100, 121], calendar_days=2 * 365 + 1) == pytest.approx(10, abs=0.01)
    assert indicators.annual_return_pct([100, 121], calendar_days=364) is None


def test_volatility_is_the_sample_deviation_of_log_returns_over_252_days() -> None:
    logs = [math.log(later / earlier) for earlier, later in zip(WAVE, WAVE[1:], strict=False)]  # noqa: RUF007

    assert indicators.annual_volatility_pct(WAVE) == pytest.approx(statistics.stdev(logs) * math.sqrt(252) * 100)
    assert indicators.annual_volatility_pct([100, 110]) is None


def test_the_maximum_drawdown_is_measured_from_the_highest_close_so_far() -> None:
    assert indicators.max_drawdown_pct(WAVE) == pytest.approx(-50)
    assert indicators.max_drawdown_pct([1, 2, 3]) == 0


def test_correlation_agrees_with_the_standard_library() -> None:
    first, second = [0.1, -0.2, 0.3, 0.05], [0.2, -0.1, 0.1, -0.3]

    assert indicators.correlation(first, second) == pytest.approx(statistics.correlation(first, second))
    assert indicators.correlation(first, [2 * value for value in first]) == pytest.approx(1)
    assert indicators.correlation(first, [1.0] * 4) is None
    assert indicators.correlation([0.1], [0.1]) is None


def test_moving_averages_start_where_the_window_is_full() -> None:
    assert indicators.moving_averages([1, 2, 3, 4], 2) == pytest.approx([1.5, 2.5, 3.5])
    assert indicators.moving_averages([1, 2, 3, 4], 4) == pytest.approx([2.5])
    assert indicators.moving_averages([1, 2], 3) == []


def test_a_crossover_by_hand() -> None:
    # Averages of 2 and 3 days at the close of each day from the third on:
    #   closes     10  12  14    16    8     8     12    12
    #   fast               13    15    12    8     10    12
    #   slow               12    14    12.67 10.67 9.33  10.67
    #   above              yes   yes   no    no    yes   yes
    # Held on the days after "yes": 14->16, 16->8, and 12->12; bought twice.
    result = indicators.backtest_crossover([10, 12, 14, 16, 8, 8, 12, 12], fast=2, slow=3)

    assert result.total_return_pct == pytest.approx((16 / 14 * 8 / 16 * 12 / 12 - 1) * 100)
    assert result.max_drawdown_pct == pytest.approx(-50)
    assert result.trades == 2
    assert result.days_in_market == 3


def test_a_crossover_that_never_buys_keeps_its_cash() -> None:
    result = indicators.backtest_crossover([9, 8, 7, 6, 5], fast=2, slow=3)

    assert result == indicators.Crossover(0.0, 0.0, 0, 0)
