"""Official clients through a running gateway, configured with a URL and an `Authorization` header."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from mcp.client.subscriptions import SubscriptionLost
from mcp.shared.exceptions import MCPError

from tests.support import fastmcp_client, scenario, sdk1_client, sdk2_client
from tests.support.admin_client import AdminClient, Key
from tests.support.metrics import Scrape, scraped
from tests.support.running_up import Running
from tests.support.scenario import ScenarioReport


class ClientKind(NamedTuple):
    """An official client in one of its modes."""

    run_scenario: Callable[[str, str], ScenarioReport]
    protocol_version: str
    is_named: bool
    """True if each call carries the name of the client. A handshake carries it once, but the demo upstream opens no
    session that links a call to its handshake, so the usage event has the `User-Agent` instead."""


def _sdk2(mode: str) -> Callable[[str, str], ScenarioReport]:
    return lambda url, key: asyncio.run(sdk2_client.run_scenario(url, key, mode))


def _fastmcp(mode: str) -> Callable[[str, str], ScenarioReport]:
    return lambda url, key: asyncio.run(fastmcp_client.run_scenario(url, key, mode))


CLIENTS = {
    "sdk 2.3, modern": ClientKind(_sdk2(sdk2_client.MODERN), "2026-07-28", True),
    "sdk 2.3, modern without discovery": ClientKind(_sdk2(sdk2_client.PINNED), "2026-07-28", True),
    "sdk 2.3, handshake": ClientKind(_sdk2(sdk2_client.HANDSHAKE), "2025-11-25", False),
    "sdk 1.30": ClientKind(sdk1_client.run_scenario, "2025-11-25", False),
    "fastmcp 4, modern": ClientKind(_fastmcp("auto"), "2026-07-28", True),
    "fastmcp 4, handshake": ClientKind(_fastmcp("legacy"), "2025-11-25", False),
}


class FinishedRun(NamedTuple):
    """A client that has run the scenario."""

    kind: ClientKind
    admin: AdminClient
    key: Key
    report: ScenarioReport


RUNS = [
    *[("demo", client) for client in CLIENTS],
    *[("demo_without_fast_path", client) for client in ("sdk 2.3, modern", "sdk 2.3, handshake")],
]


@pytest.fixture(scope="module", params=RUNS, ids=" ".join)
def finished(request: pytest.FixtureRequest) -> FinishedRun:
    """Each client, after the scenario with a separate key."""
    gateway, client = request.param
    running, kind = request.getfixturevalue(gateway), CLIENTS[client]
    admin = AdminClient(running)
    key = admin.new_key(client)
    return FinishedRun(kind, admin, key, kind.run_scenario(f"{running.url}/mcp", key.text))


def test_the_client_connects_in_its_own_revision(finished: FinishedRun) -> None:
    assert finished.report.protocol_version == finished.kind.protocol_version
    # A client without discovery does not receive the name of the server.
    assert finished.report.server_name in ("stock-data", "")


def test_the_client_lists_every_tool(finished: FinishedRun) -> None:
    assert finished.report.tools == scenario.TOOLS


def test_the_client_gets_structured_results(finished: FinishedRun) -> None:
    result = finished.report.query
    assert (result["table"], result["record_count"], len(result["rows"])) == ("stock_daily", 7, 7)
    assert result["rows"][0] == {
        "date": "2010-01-04",
        "open": 131.18,
        "high": 132.97,
        "low": 130.85,
        "close": 132.45,
        "volume": 6155300,
        "adj_close": result["rows"][0]["adj_close"],
    }


def test_progress_arrives_while_the_call_runs(finished: FinishedRun) -> None:
    reports, seconds = finished.report.progress, finished.report.long_seconds
    assert [report.done for report in reports] == list(range(1, 145))
    assert {report.total for report in reports} == {144}
    # The call has 144 steps of about equal length: buffered anywhere, the reports would arrive together at its end.
    assert reports[0].at < seconds * 3 / 4
    assert reports[72].at < seconds * 19 / 20
    assert finished.report.long["record_count"] == 144


def test_the_client_lists_and_reads_resources(finished: FinishedRun) -> None:
    report = finished.report
    assert report.resources == [scenario.SYMBOLS]
    assert report.templates == ["stocks://{symbol}/profile"]
    assert [row["symbol"] for row in json.loads(report.symbols)] == scenario.SYMBOL_NAMES
    assert json.loads(report.profile)["name"] == "International Business Machines Corporation"


def test_the_client_lists_and_gets_prompts(finished: FinishedRun) -> None:
    assert finished.report.prompts == ["analyse_stock"]
    assert finished.report.prompt.startswith("Analyse the stock MSFT from 2000-03-01")


def test_a_tool_error_arrives_as_a_tool_error(finished: FinishedRun) -> None:
    assert "unknown symbol 'NOPE'" in finished.report.error
    assert "AAPL" in finished.report.error


def test_each_call_is_metered_once_with_its_tables_and_records(finished: FinishedRun) -> None:
    calls = finished.admin.calls(finished.key.key_id, expected=3)
    assert [
        (call["tool_name"], call["table_names"], call["record_count"], call["count_method"], call["status"])
        for call in calls
    ] == [
        ("query_stock_daily", ["stock_daily"], 7, "declared", "ok"),
        ("backtest_crossover", ["stock_daily"], 144, "declared", "ok"),
        ("query_stock_daily", [], 0, "error", "tool_error"),
    ]
    assert len({call["event_id"] for call in calls}) == 3
    assert {call["protocol_version"] for call in calls} == {finished.kind.protocol_version}
    names = {(call["client_name"], call["client_version"]) for call in calls}
    if finished.kind.is_named:
        assert names == {(scenario.CLIENT_NAME, scenario.CLIENT_VERSION)}
    else:
        ((name, version),) = names
        assert name.startswith("python-httpx")
        assert version[:1].isdigit()


CALLS: list[tuple[str, dict[str, Any], list[str], int]] = [
    ("list_tables", {}, ["stock_basic", "stock_daily", "index_daily"], 3),
    ("describe_table", {"table": "stock_daily"}, ["stock_daily"], 8),
    ("query_stock_daily", {"symbol": "AAPL", "limit": 250}, ["stock_daily"], 250),
    ("query_index_daily", {"start": "2012-01-03", "limit": 5}, ["index_daily"], 5),
    ("get_latest_price", {"symbol": "GOOG"}, ["stock_daily"], 1),
    ("compare_stocks", {"symbols": ["AAPL", "IBM", "MSFT"]}, ["stock_basic", "stock_daily"], 3),
    ("moving_average", {"symbol": "IBM", "limit": 10}, ["stock_daily"], 10),
    ("correlation_matrix", {"symbols": ["AAPL", "IBM", "MSFT"]}, ["stock_daily"], 3),
    ("backtest_crossover", {"symbol": "FB", "fast": [5], "slow": [20, 50]}, ["stock_daily"], 2),
    (
        "run_sql",
        {"sql": "WITH d AS (SELECT * FROM stock_daily) SELECT b.name FROM d JOIN stock_basic b USING (symbol) LIMIT 4"},
        ["stock_basic", "stock_daily"],
        4,
    ),
    ("export_csv", {"table": "stock_daily", "symbol": "IBM", "start": "2012-12-24"}, ["stock_daily"], 46),
]


def test_every_demo_tool_is_metered_with_its_tables_and_records(demo: Running, demo_admin: AdminClient) -> None:
    assert [call[0] for call in CALLS] == scenario.TOOLS
    key = demo_admin.new_key("every tool")

    async def call_all() -> None:
        async with sdk2_client.connected(f"{demo.url}/mcp", key.text, sdk2_client.MODERN) as client:
            for tool, arguments, _, _ in CALLS:
                assert not (await client.call_tool(tool, arguments)).is_error

    asyncio.run(call_all())
    calls = demo_admin.calls(key.key_id, expected=len(CALLS))
    assert [(call["tool_name"], sorted(call["table_names"]), call["record_count"]) for call in calls] == [
        (tool, sorted(tables), records) for tool, _, tables, records in CALLS
    ]
    assert "unknown" not in {call["count_method"] for call in calls}


@pytest.mark.parametrize("mode", [sdk2_client.MODERN, sdk2_client.HANDSHAKE])
def test_concurrent_calls_get_their_own_results_and_are_metered_once_each(
    demo: Running, demo_admin: AdminClient, mode: str
) -> None:
    key = demo_admin.new_key("concurrent")

    async def call_all() -> None:
        async with sdk2_client.connected(f"{demo.url}/mcp", key.text, mode) as client:
            results = await asyncio.gather(
                *(client.call_tool("query_stock_daily", {"symbol": "IBM", "limit": n}) for n in range(1, 31))
            )
        for n, result in enumerate(results, start=1):
            assert result.structured_content is not None
            assert result.structured_content["record_count"] == n

    asyncio.run(call_all())
    calls = demo_admin.calls(key.key_id, expected=30)
    assert sorted(call["record_count"] for call in calls) == list(range(1, 31))


def test_a_stream_that_the_client_closes_after_its_result_counts_as_forwarded(
    demo: Running, demo_admin: AdminClient
) -> None:
    key = demo_admin.new_key("counted")
    exchanges: list[sdk2_client.Exchange] = []

    async def call_some() -> None:
        url = f"{demo.url}/mcp"
        async with sdk2_client.connected(url, key.text, sdk2_client.MODERN, exchanges=exchanges) as client:
            for _ in range(20):
                await client.call_tool(*scenario.QUERY)

    before = scraped(demo)
    asyncio.run(call_some())
    # Discovery, twenty calls, and the list of tools that the client validates the results with.
    assert len(exchanges) == 22
    deadline = time.monotonic() + 5
    while (grown := _requests(scraped(demo)) - _requests(before)) < len(exchanges) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert grown == len(exchanges)
    assert _requests(scraped(demo), status="200", reason="forwarded") - _requests(
        before, status="200", reason="forwarded"
    ) == len(exchanges)


@pytest.mark.parametrize("mode", [sdk2_client.MODERN, sdk2_client.PINNED, sdk2_client.HANDSHAKE])
@pytest.mark.parametrize("kind", ["malformed", "revoked"])
def test_sdk_2_reports_a_bad_key(demo: Running, demo_admin: AdminClient, mode: str, kind: str) -> None:
    bad = _bad_key(demo_admin, kind)

    async def try_it() -> None:
        async with sdk2_client.connected(f"{demo.url}/mcp", bad, mode) as client:
            # A pinned client connects without a request.
            assert mode == sdk2_client.PINNED
            await client.list_tools()

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(asyncio.wait_for(try_it(), 30))
    assert raised.value.split(_is_bad_key)[1] is None


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_fastmcp_reports_a_bad_key(demo: Running, demo_admin: AdminClient, mode: str) -> None:
    bad = _bad_key(demo_admin, "revoked")

    async def try_it() -> None:
        with pytest.raises(MCPError, match="Invalid or expired API key"):
            async with fastmcp_client.connected(f"{demo.url}/mcp", bad, mode):
                pytest.fail("the client has connected")

    asyncio.run(asyncio.wait_for(try_it(), 30))


def test_sdk_1_reports_a_bad_key(demo: Running, demo_admin: AdminClient) -> None:
    process = sdk1_client.Sdk1Process(f"{demo.url}/mcp", _bad_key(demo_admin, "revoked"))
    try:
        # This SDK closes its connection on a 401, with the HTTP error as the cause.
        assert process.read_report() == {"statuses": [401]}
        assert process.finish()[0] == 3
    finally:
        process.kill()


def test_a_subscription_ends_within_a_second_of_its_keys_revocation(demo: Running, demo_admin: AdminClient) -> None:
    key = demo_admin.new_key("subscriber")

    async def subscribe() -> float:
        async with (
            sdk2_client.connected(f"{demo.url}/mcp", key.text, sdk2_client.MODERN) as client,
            client.listen(tools_list_changed=True) as subscription,
        ):
            await asyncio.to_thread(demo_admin.revoke, key.key_id)
            revoked = time.monotonic()
            with pytest.raises(SubscriptionLost):
                async for _ in subscription:
                    pass
            return time.monotonic() - revoked

    assert asyncio.run(asyncio.wait_for(subscribe(), 30)) < 1.2


def test_rejected_calls_are_not_metered(demo: Running, demo_admin: AdminClient) -> None:
    key = demo_admin.new_key("rejected")
    demo_admin.revoke(key.key_id)
    assert demo.rpc({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, key.text).status_code == 401
    assert demo_admin.calls(key.key_id, expected=0) == []


def _requests(scrape: Scrape, **labels: str) -> float:
    return scrape.value("mcp_gateway_requests_total", method="POST", **labels)


def _is_bad_key(error: BaseException) -> bool:
    return isinstance(error, MCPError) and error.code == -32001 and error.message == "Invalid or expired API key"


def _bad_key(admin: AdminClient, kind: str) -> str:
    if kind == "malformed":
        return "sk-this-is-no-key"
    key = admin.new_key("to be revoked")
    admin.revoke(key.key_id)
    return key.text
