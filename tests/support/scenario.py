"""The scenario that every SDK client runs through the gateway against the demo upstream.

Each client reports its results as a `ScenarioReport`, so that the same assertions apply to all of them.
"""

from __future__ import annotations

from typing import Any

import msgspec

CLIENT_NAME = "journey-client"
CLIENT_VERSION = "7.1"

QUERY = ("query_stock_daily", {"symbol": "IBM", "start": "2010-01-04", "limit": 7})
LONG = ("backtest_crossover", {"symbol": "AAPL", "fast": list(range(2, 14)), "slow": list(range(100, 112))})
"""144 steps, each of which is reported as progress; takes some tenths of a second."""
BAD = ("query_stock_daily", {"symbol": "NOPE"})
PROFILE = "stocks://IBM/profile"
SYMBOLS = "stocks://symbols"
PROMPT = ("analyse_stock", {"symbol": "MSFT"})

PLAN = {
    "client": [CLIENT_NAME, CLIENT_VERSION],
    "query": QUERY,
    "long": LONG,
    "bad": BAD,
    "resources": [SYMBOLS, PROFILE],
    "prompt": PROMPT,
}
"""The scenario as JSON, for a client in another process."""

SYMBOL_NAMES = ["AAPL", "FB", "GOOG", "IBM", "MSFT"]

TOOLS = [
    "list_tables",
    "describe_table",
    "query_stock_daily",
    "query_index_daily",
    "get_latest_price",
    "compare_stocks",
    "moving_average",
    "correlation_matrix",
    "backtest_crossover",
    "run_sql",
    "export_csv",
]


class Progress(msgspec.Struct):
    """A progress notification, `at` seconds after the start of the call."""

    at: float
    done: float
    total: float | None


class ScenarioReport(msgspec.Struct, kw_only=True):
    """The results that a client received."""

    protocol_version: str
    server_name: str
    tools: list[str]
    query: dict[str, Any]
    """The structured result of `QUERY`."""
    long: dict[str, Any]
    long_seconds: float
    progress: list[Progress]
    error: str
    """The text of the tool error of `BAD`."""
    resources: list[str]
    templates: list[str]
    symbols: str
    profile: str
    prompts: list[str]
    prompt: str
