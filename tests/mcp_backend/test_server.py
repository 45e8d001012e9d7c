"""Tools, resources, prompt and completions, as the official client sees them in both of its modes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from mcp import MCPError
from mcp.client import Client
from mcp_types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents

from tests.mcp_backend.calls import ENDLESS, call_tool, tool_error
from tests.mcp_backend.conftest import SYMBOLS
from tests.support import scenario

TOOLS = set(scenario.TOOLS)


async def test_every_tool_has_a_description_a_read_only_hint_and_an_output_schema(connect: Client) -> None:
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
        assert all("description" in schema or "title" in schema for schema in tool.input_schema["properties"].values())
    for name in TOOLS - {"export_csv"}:
        schema = tools[name].output_schema
        assert schema is not None
        assert {"table", "tables"} & set(schema["properties"]), name
        assert "record_count" in schema["properties"], name


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
async def test_an_error_of_the_arguments_names_the_valid_values(
    tool: str, arguments: dict[str, Any], reason: str, server_url: str
) -> None:
    async with Client(server_url) as client:
        assert reason in await tool_error(client, tool, **arguments)


async def test_a_slow_query_does_not_delay_others(server_url: str) -> None:
    async with Client(server_url) as slow, Client(server_url) as quick:
        slow_calls = [asyncio.create_task(tool_error(slow, "run_sql", sql=ENDLESS)) for _ in range(3)]
        # All have started once another call of the same client has its result.
        await call_tool(slow, "list_tables")

        await call_tool(quick, "get_latest_price", symbol="IBM")

        assert not any(slow_call.done() for slow_call in slow_calls)
        assert all("stopped after 2 seconds" in message for message in await asyncio.gather(*slow_calls))


async def test_resources_list_the_stocks_and_describe_each(connect: Client) -> None:
    async with connect as client:
        [resource] = (await client.list_resources()).resources
        [template] = (await client.list_resource_templates()).resource_templates
        [symbols] = (await client.read_resource("stocks://symbols")).contents
        [profile] = (await client.read_resource("stocks://goog/profile")).contents
        with pytest.raises(MCPError, match="the symbols are AAPL, FB, GOOG, IBM, MSFT"):
            await client.read_resource("stocks://tsla/profile")

    assert isinstance(symbols, TextResourceContents)
    assert isinstance(profile, TextResourceContents)
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


async def test_the_prompt_names_the_stock_and_only_existing_tools(connect: Client) -> None:
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
