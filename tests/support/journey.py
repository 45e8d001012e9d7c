"""What an MCP client does and sees on a journey through the gateway to the demo upstream.

Every client makes the same journey, in its own words, and tells of it as a `Journey`; so what is promised is asked of
each in the same way.
"""

from __future__ import annotations

from typing import Any

import msgspec

CLIENT_NAME = "journey-client"
CLIENT_VERSION = "7.1"

QUERY = ("query_stock_daily", {"symbol": "IBM", "start": "2010-01-04", "limit": 7})
LONG = ("backtest_crossover", {"symbol": "AAPL", "fast": list(range(2, 14)), "slow": list(range(100, 112))})
"""144 steps, each of which is reported; some tenths of a second."""
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
"""For a client that runs elsewhere."""

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
    """One report of progress, `at` so many seconds after the call began."""

    at: float
    done: float
    total: float | None


class Journey(msgspec.Struct, kw_only=True):
    """All that a client saw."""

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
