"""The reading tools, through the official client over HTTP, compared with the source of the prices."""

from __future__ import annotations

import csv
import io
import statistics

import pytest
from mcp.client import Client

from tests.mcp_backend.calls import ENDLESS, call_tool, text_of, tool_error
from tests.mcp_backend.conftest import SOURCE


async def test_list_tables_and_describe_table_return_the_schema(connect: Client) -> None:
    async with connect as client:
        tables = await call_tool(client, "list_tables")
        described = await call_tool(client, "describe_table", table="STOCK_DAILY")
        unknown = await tool_error(client, "describe_table", table="prices")

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


async def test_daily_prices_equal_those_of_the_source(connect: Client) -> None:
    series = SOURCE["MSFT"]
    wanted = [n for n, day in enumerate(series["date"]) if "2008-09-01" <= day <= "2008-10-31"]

    async with connect as client:
        prices = await call_tool(client, "query_stock_daily", symbol="msft", start="2008-09-01", end="2008-10-31")

    assert prices["table"] == "stock_daily"
    assert prices["symbol"] == "MSFT"
    assert prices["record_count"] == len(wanted) == 44
    assert prices["truncated"] is False
    assert prices["next_start"] is None
    assert prices["rows"] == [{name: series[name][n] for name in series} for n in wanted]


async def test_a_truncated_result_names_the_start_of_the_next_page(connect: Client) -> None:
    async with connect as client:
        first = await call_tool(client, "query_stock_daily", symbol="FB", limit=100)
        second = await call_tool(client, "query_stock_daily", symbol="FB", start=first["next_start"], limit=100)

    assert first["truncated"] is True
    assert second["truncated"] is False
    assert [row["date"] for row in first["rows"] + second["rows"]] == SOURCE["FB"]["date"]


async def test_a_weekend_has_no_records(connect: Client) -> None:
    async with connect as client:
        prices = await call_tool(client, "query_stock_daily", symbol="IBM", start="2012-06-02", end="2012-06-03")

    assert (prices["record_count"], prices["rows"]) == (0, [])


async def test_the_index_starts_at_100(connect: Client) -> None:
    async with connect as client:
        index = await call_tool(client, "query_index_daily", limit=2)

    average = statistics.mean(
        SOURCE[symbol]["adj_close"][1] / SOURCE[symbol]["adj_close"][0] - 1 for symbol in ("AAPL", "IBM", "MSFT")
    )
    assert index["table"] == "index_daily"
    assert index["record_count"] == 2
    assert index["rows"][0] == {"date": "2000-03-01", "level": 100, "daily_return_pct": 0, "constituents": 3}
    assert index["rows"][1]["level"] == pytest.approx(100 * (1 + average))
    assert index["next_start"] == "2000-03-03"


async def test_the_latest_price_is_the_last_days(connect: Client) -> None:
    async with connect as client:
        price = await call_tool(client, "get_latest_price", symbol="AAPL")

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


async def test_sql_names_the_tables_that_it_read(connect: Client) -> None:
    sql = "SELECT b.name, count(*) AS days FROM stock_daily JOIN stock_basic b USING (symbol) GROUP BY 1 ORDER BY 1"

    async with connect as client:
        result = await call_tool(client, "run_sql", sql=sql, limit=2)

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
async def test_an_sql_error_names_its_reason(sql: str, reason: str, server_url: str) -> None:
    async with Client(server_url) as client:
        assert reason in await tool_error(client, "run_sql", sql=sql)


async def test_a_csv_export_is_text_with_a_header_and_all_rows(connect: Client) -> None:
    async with connect as client:
        whole = await client.call_tool("export_csv", {"table": "stock_daily"})
        part = await client.call_tool("export_csv", {"table": "stock_daily", "symbol": "FB", "start": "2013-02-28"})

    assert whole.structured_content is None
    rows = list(csv.DictReader(io.StringIO(text_of(whole))))
    assert len(rows) == 12_154
    assert [float(row["close"]) for row in rows if row["symbol"] == "GOOG"] == SOURCE["GOOG"]["close"]
    assert text_of(part).splitlines() == [
        "symbol,date,open,high,low,close,volume,adj_close",
        *(",".join(["FB", *(str(SOURCE["FB"][name][n]) for name in SOURCE["FB"])]) for n in (-2, -1)),
    ]
