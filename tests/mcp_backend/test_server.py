"""Tools, resources, prompt and completions as the official client sees them, over HTTP, in both its modes."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import statistics
from itertools import pairwise
from typing import Any

import pytest
from mcp import MCPError
from mcp.client import Client
from mcp_types import PromptReference, ResourceTemplateReference, TextContent

from tests.mcp_backend.conftest import SOURCE, SYMBOLS

TOOLS = {
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
}
ENDLESS = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture(params=["auto", "legacy"])
def connect(request: pytest.FixtureRequest, server_url: str) -> Client:
    """A client that is not yet connected: it must be entered and left in one task, the test's own."""
    return Client(server_url, mode=request.param)


def text_of(result: Any) -> str:
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


async def answer(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, text_of(result)
    assert json.loads(text_of(result)) == result.structured_content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert result.structured_content is None
    return text_of(result)


async def test_every_tool_says_what_it_is_reads_only_and_has_an_output_schema(connect: Client) -> None:
    async with connect as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}

    assert set(tools) == TOOLS
    for tool in tools.values():
        assert tool.title
        assert tool.description
        assert "\n    " not in tool.description
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.open_world_hint is False
        assert all(
            "description" in schema or "title" in schema
            for schema in tool.input_schema["properties"].values()
        )
    for name in TOOLS - {"export_csv"}:
        schema = tools[name].output_schema
        assert schema is not None
        assert {"table", "tables"} & set(schema["properties"]), name
        assert "record_count" in schema["properties"], name


async def test_list_tables_and_describe_table_tell_what_there_is(connect: Client) -> None:
    async with connect as client:
        tables = await answer(client, "list_tables")
        described = await answer(client, "describe_table", table="STOCK_DAILY")
        unknown = await refusal(client, "describe_table", table="prices")

    assert tables["tables"] == ["stock_basic", "stock_daily", "index_daily"]
    assert tables["record_count"] == 3
    assert [row["total_rows"] for row in tables["rows"]] == [5, 12_154, 3270]
    assert described["table"] == "stock_daily"
    assert described["record_count"] == len(described["rows"]) == 8
    assert described["rows"][2] == {
        "column": "open",
        "type": "REAL",
        "unit": "USD",
        "description": "First price of the day, unadjusted",
    }
    assert "'prices'; the tables are stock_basic, stock_daily, index_daily" in unknown


async def test_daily_prices_are_the_sources_own(connect: Client) -> None:
    series = SOURCE["MSFT"]
    wanted = [n for n, day in enumerate(series["date"]) if "2008-09-01" <= day <= "2008-10-31"]

    async with connect as client:
        prices = await answer(
            client, "query_stock_daily", symbol="msft", start="2008-09-01", end="2008-10-31"
        )

    assert prices["table"] == "stock_daily"
    assert prices["symbol"] == "MSFT"
    assert prices["record_count"] == len(wanted) == 44
    assert prices["truncated"] is False
    assert prices["next_start"] is None
    assert prices["rows"] == [{name: series[name][n] for name in series} for n in wanted]


async def test_a_limit_is_told_and_the_next_page_starts_where_it_says(connect: Client) -> None:
    async with connect as client:
        first = await answer(client, "query_stock_daily", symbol="FB", limit=100)
        second = await answer(client, "query_stock_daily", symbol="FB", start=first["next_start"], limit=100)

    assert first["truncated"] is True
    assert second["truncated"] is False
    assert [row["date"] for row in first["rows"] + second["rows"]] == SOURCE["FB"]["date"]


async def test_a_weekend_has_no_records(connect: Client) -> None:
    async with connect as client:
        prices = await answer(client, "query_stock_daily", symbol="IBM", start="2012-06-02", end="2012-06-03")

    assert (prices["record_count"], prices["rows"]) == (0, [])


async def test_the_index_starts_at_100(connect: Client) -> None:
    async with connect as client:
        index = await answer(client, "query_index_daily", limit=2)

    average = statistics.mean(
        SOURCE[symbol]["adj_close"][1] / SOURCE[symbol]["adj_close"][0] - 1
        for symbol in ("AAPL", "IBM", "MSFT")
    )
    assert index["table"] == "index_daily"
    assert index["record_count"] == 2
    assert index["rows"][0] == {"date": "2000-03-01", "level": 100, "daily_return_pct": 0, "constituents": 3}
    assert index["rows"][1]["level"] == pytest.approx(100 * (1 + average))
    assert index["next_start"] == "2000-03-03"


async def test_the_latest_price_is_the_last_days(connect: Client) -> None:
    async with connect as client:
        price = await answer(client, "get_latest_price", symbol="AAPL")

    *_, previous, last = SOURCE["AAPL"]["close"]
    assert price == {
        "table": "stock_daily",
        "symbol": "AAPL",
        "date": "2013-03-01",
        "close": last,
        "previous_close": previous,
        "change": pytest.approx(last - previous),
        "change_pct": pytest.approx((last / previous - 1) * 100),
        "volume": SOURCE["AAPL"]["volume"][-1],
        "record_count": 1,
    }


async def test_a_moving_average_counts_days_before_its_period(connect: Client) -> None:
    closes = SOURCE["GOOG"]["adj_close"]
    last = len(closes) - 1

    async with connect as client:
        recent = await answer(client, "moving_average", symbol="GOOG", window=50, start="2013-03-01")
        oldest = await answer(client, "moving_average", symbol="GOOG", window=3, limit=4)

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

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append((done, total))

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
            for day, close in zip(
                *(SOURCE[row["symbol"]][name] for name in ("date", "adj_close")), strict=True
            )
            if day >= "2012-05-18"
        ]
        assert row["trading_days"] == 196
        assert row["total_return_pct"] == pytest.approx((closes[-1] / closes[0] - 1) * 100)
        assert row["annual_return_pct"] is None
    returns = [row["total_return_pct"] for row in comparison["rows"]]
    assert returns == sorted(returns, reverse=True)


async def test_correlations_agree_with_the_standard_library(connect: Client) -> None:
    async with connect as client:
        matrix = await answer(client, "correlation_matrix", symbols=["AAPL", "IBM", "MSFT"])

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

    async def progress(done: float, total: float | None, message: str | None) -> None:
        messages.append(message)

    arguments = {"symbol": "IBM", "fast": [5, 20, 300], "slow": [50, 200]}
    async with connect as client:
        result = await client.call_tool("backtest_crossover", arguments, progress_callback=progress)
        none = await refusal(client, "backtest_crossover", symbol="FB", fast=[10], slow=[200])

    report = result.structured_content
    assert isinstance(report, dict)
    assert messages == [f"tested {fast} over {slow} days" for fast in (5, 20) for slow in (50, 200)]
    assert report["record_count"] == len(report["rows"]) == 4
    closes = SOURCE["IBM"]["adj_close"]
    assert report["buy_and_hold_return_pct"] == pytest.approx((closes[-1] / closes[0] - 1) * 100)
    assert "the 196 trading days of the period" in none


async def test_sql_names_the_tables_that_it_read(connect: Client) -> None:
    sql = (
        "SELECT b.name, count(*) AS days FROM stock_daily JOIN stock_basic b USING (symbol)"
        " GROUP BY 1 ORDER BY 1"
    )

    async with connect as client:
        result = await answer(client, "run_sql", sql=sql, limit=2)

    assert result == {
        "tables": ["stock_basic", "stock_daily"],
        "columns": ["name", "days"],
        "record_count": 2,
        "truncated": True,
        "rows": [["Apple Inc.", 3270], ["Facebook, Inc.", 196]],
    }


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("DROP TABLE stock_daily", "not authorized"),
        ("ATTACH '/tmp/x.db' AS x", "not authorized"),
        ("SELECT 1; SELECT 2", "one statement at a time"),
        ("SELECT price FROM stock_daily", "no such column: price"),
        ("SELECT * FROM prices", "no such table: prices"),
        (ENDLESS, "stopped after 2 seconds"),
    ],
)
async def test_sql_that_fails_says_why(sql: str, reason: str, server_url: str) -> None:
    async with Client(server_url) as client:
        assert reason in await refusal(client, "run_sql", sql=sql)


async def test_a_csv_export_is_text_with_a_header_and_all_rows(connect: Client) -> None:
    async with connect as client:
        whole = await client.call_tool("export_csv", {"table": "stock_daily"})
        part = await client.call_tool(
            "export_csv", {"table": "stock_daily", "symbol": "FB", "start": "2013-02-28"}
        )

    assert whole.structured_content is None
    rows = list(csv.DictReader(io.StringIO(text_of(whole))))
    assert len(rows) == 12_154
    assert [float(row["close"]) for row in rows if row["symbol"] == "GOOG"] == SOURCE["GOOG"]["close"]
    assert text_of(part).splitlines() == [
        "symbol,date,open,high,low,close,volume,adj_close",
        *(",".join(["FB", *(str(SOURCE["FB"][name][n]) for name in SOURCE["FB"])]) for n in (-2, -1)),
    ]


@pytest.mark.parametrize(
    ("tool", "arguments", "reason"),
    [
        ("query_stock_daily", {"symbol": "TSLA"}, "'TSLA'; the symbols are AAPL, FB, GOOG, IBM, MSFT"),
        (
            "query_stock_daily",
            {"symbol": "FB", "start": "2001-01-01", "end": "2001-02-01"},
            "2012-05-18 to 2013",
        ),
        ("query_stock_daily", {"symbol": "FB", "start": "1 May"}, "the data covers 2012-05-18 to 2013-03-01"),
        ("query_stock_daily", {"symbol": "FB", "limit": 0}, "greater than or equal to 1"),
        ("query_stock_daily", {"symbol": "FB", "limit": 1001}, "less than or equal to 1000"),
        ("query_stock_daily", {}, "symbol"),
        ("query_index_daily", {"start": "2013-03-02"}, "the data covers 2000-03-01 to 2013-03-01"),
        ("get_latest_price", {"symbol": ""}, "the symbols are AAPL"),
        ("moving_average", {"symbol": "FB", "window": 1}, "greater than or equal to 2"),
        ("compare_stocks", {"symbols": []}, "at least 1 item"),
        ("compare_stocks", {"symbols": ["IBM", "ORCL"]}, "'ORCL'; the symbols are AAPL"),
        ("compare_stocks", {"symbols": ["IBM"], "start": "2013-03-01"}, "fewer than two trading days"),
        ("correlation_matrix", {"symbols": ["IBM", "ibm"]}, "at least 2 different symbols"),
        ("export_csv", {"table": "prices"}, "the tables are stock_basic, stock_daily, index_daily"),
        ("export_csv", {"table": "index_daily", "symbol": "FB"}, "index_daily has no symbol"),
        ("export_csv", {"table": "stock_basic", "start": "2012-01-01"}, "stock_basic has no date"),
        ("run_sql", {"sql": ""}, "at least 1 character"),
        ("run_sql", {"sql": "x" * 10_001}, "at most 10000 characters"),
    ],
)
async def test_bad_arguments_are_refused_with_the_valid_ones(
    tool: str, arguments: dict[str, Any], reason: str, server_url: str
) -> None:
    async with Client(server_url) as client:
        assert reason in await refusal(client, tool, **arguments)


async def test_a_slow_query_does_not_hold_up_others(server_url: str) -> None:
    async with Client(server_url) as slow, Client(server_url) as quick:
        bombs = [asyncio.create_task(refusal(slow, "run_sql", sql=ENDLESS)) for _ in range(3)]
        # All are under way once one more call of the same client has been answered.
        await answer(slow, "list_tables")

        await answer(quick, "get_latest_price", symbol="IBM")

        assert not any(bomb.done() for bomb in bombs)
        assert all("stopped after 2 seconds" in message for message in await asyncio.gather(*bombs))


async def test_resources_list_the_stocks_and_describe_each(connect: Client) -> None:
    async with connect as client:
        [resource] = (await client.list_resources()).resources
        [template] = (await client.list_resource_templates()).resource_templates
        [symbols] = (await client.read_resource("stocks://symbols")).contents
        [profile] = (await client.read_resource("stocks://goog/profile")).contents
        with pytest.raises(MCPError, match="the symbols are AAPL, FB, GOOG, IBM, MSFT"):
            await client.read_resource("stocks://tsla/profile")

    assert (str(resource.uri), template.uri_template) == ("stocks://symbols", "stocks://{symbol}/profile")
    assert symbols.mime_type == profile.mime_type == "application/json"
    assert [row["symbol"] for row in json.loads(symbols.text)] == list(SYMBOLS)
    assert json.loads(profile.text) == {
        "symbol": "GOOG",
        "name": "Google Inc.",
        "exchange": "NASDAQ",
        "currency": "USD",
        "first_date": "2004-08-19",
        "last_date": "2013-03-01",
        "trading_days": 2148,
    }


async def test_the_prompt_names_the_stock_and_only_tools_that_there_are(connect: Client) -> None:
    async with connect as client:
        [prompt] = (await client.list_prompts()).prompts
        [message] = (await client.get_prompt("analyse_stock", {"symbol": "fb"})).messages
        with pytest.raises(MCPError, match="the symbols are AAPL"):
            await client.get_prompt("analyse_stock", {"symbol": "TSLA"})

    assert prompt.name == "analyse_stock"
    assert prompt.arguments is not None
    assert [argument.name for argument in prompt.arguments] == ["symbol"]
    assert isinstance(message.content, TextContent)
    assert "FB from 2012-05-18 to 2013-03-01" in message.content.text
    named = {word.strip(",.;") for word in message.content.text.split() if "_" in word}
    assert named
    assert named <= TOOLS


async def test_symbols_are_completed(connect: Client) -> None:
    prompt = PromptReference(type="ref/prompt", name="analyse_stock")
    template = ResourceTemplateReference(type="ref/resource", uri="stocks://{symbol}/profile")

    async with connect as client:
        one = await client.complete(prompt, {"name": "symbol", "value": "a"})
        every = await client.complete(template, {"name": "symbol", "value": ""})

    assert one.completion.values == ["AAPL"]
    assert every.completion.values == list(SYMBOLS)
