"""An upstream with sessions: `Mcp-Session-Id`, the listening stream (GET), and DELETE."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import requests

from tests.end_to_end.conftest import UNCLAIMED_SECONDS
from tests.support import scenario, sdk1_client, sdk2_client
from tests.support.admin_client import AdminClient
from tests.support.mcp_servers import DEMO_WITH_SESSIONS, McpServer, running_mcp_server
from tests.support.metrics import scraped
from tests.support.running_up import Running
from tests.support.scenario import ScenarioReport
from tests.support.sdk2_client import Exchange
from tests.support.waiting import wait_until

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": scenario.CLIENT_NAME, "version": scenario.CLIENT_VERSION},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
CALL = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "get_latest_price", "arguments": {"symbol": "IBM"}},
}
ACCEPT = "application/json, text/event-stream"


@pytest.fixture(scope="module")
def upstream() -> Iterator[McpServer]:
    """The demo server, with sessions."""
    with running_mcp_server(*DEMO_WITH_SESSIONS) as server:
        yield server


@pytest.fixture(scope="module")
def other(admin: AdminClient) -> AdminClient:
    """Another user, who is another owner."""
    return admin.new_user("mallory@example.com")


def session_of(gateway: Running, key: str | None) -> str:
    """Open a session, with or without a key, and return its id."""
    answer = gateway.rpc(INITIALIZE, key, Accept=ACCEPT)
    assert answer.status_code == 200, answer.text
    session_id = answer.headers["Mcp-Session-Id"]
    # `notifications/initialized` needs no key either.
    assert gateway.rpc(INITIALIZED, key, **session_headers(session_id)).status_code == 202
    return session_id


def session_headers(session_id: str) -> dict[str, str]:
    return {"Accept": ACCEPT, "Mcp-Session-Id": session_id, "MCP-Protocol-Version": "2025-11-25"}


def upstream_status(upstream: McpServer, session_id: str) -> int:
    """The status of a request directly to the upstream: 404 if it has no such session."""
    answer = requests.post(upstream.url, json=LIST, headers=session_headers(session_id), timeout=30)
    return answer.status_code


def assert_metered(admin: AdminClient, key_id: str, session_id: str) -> None:
    """Assert that the three calls of the scenario are metered, with the client that opened their session."""
    calls = admin.calls(key_id, expected=3)
    assert [(call["tool_name"], call["table_names"], call["record_count"]) for call in calls] == [
        ("query_stock_daily", ["stock_daily"], 7),
        ("backtest_crossover", ["stock_daily"], 144),
        ("query_stock_daily", [], 0),
    ]
    for call in calls:
        assert (call["client_name"], call["client_version"]) == (scenario.CLIENT_NAME, scenario.CLIENT_VERSION)
        assert (call["session_id"], call["protocol_version"]) == (session_id, "2025-11-25")


def test_sdk_2_works_in_a_session_and_ends_it(gateway: Running, upstream: McpServer, admin: AdminClient) -> None:
    key = admin.new_key("sdk 2")
    exchanges: list[Exchange] = []

    async def run() -> ScenarioReport:
        url = f"{gateway.url}/mcp"
        async with sdk2_client.connected(url, key.text, sdk2_client.HANDSHAKE, exchanges=exchanges) as client:
            seen = await sdk2_client.run_scenario_on(client)
            await asyncio.to_thread(wait_until, lambda: scraped(gateway).value("mcp_gateway_open_streams") == 1)
            return seen

    seen = asyncio.run(asyncio.wait_for(run(), 30))
    assert seen.query["record_count"] == 7
    assert seen.progress[0].at < seen.long_seconds / 3
    (session_id,) = {exchange.session_id for exchange in exchanges}
    assert session_id is not None
    assert ("GET", 200, session_id) in exchanges
    assert exchanges[-1] == ("DELETE", 200, session_id)
    assert {exchange.status for exchange in exchanges} == {200, 202}
    assert upstream_status(upstream, session_id) == 404, "the client ended the session"
    wait_until(lambda: scraped(gateway).value("mcp_gateway_open_streams") == 0)
    assert_metered(admin, key.key_id, session_id)


def test_sdk_1_works_in_a_session_and_ends_it(gateway: Running, upstream: McpServer, admin: AdminClient) -> None:
    key = admin.new_key("sdk 1")
    process = sdk1_client.Sdk1Process(f"{gateway.url}/mcp", key.text, hold=True)
    try:
        report = process.read_report()
        session_id = report["session_id"]
        assert upstream_status(upstream, session_id) == 200
        wait_until(lambda: scraped(gateway).value("mcp_gateway_open_streams") == 1)
        process.finish_without_errors()
    finally:
        process.kill()
    assert msgspec.convert(report["scenario"], ScenarioReport).tools == scenario.TOOLS
    assert upstream_status(upstream, session_id) == 404, "the client ended the session"
    wait_until(lambda: scraped(gateway).value("mcp_gateway_open_streams") == 0)
    assert_metered(admin, key.key_id, session_id)


def test_the_modern_client_needs_no_session(gateway: Running, admin: AdminClient) -> None:
    key = admin.new_key("modern")
    exchanges: list[Exchange] = []

    async def run() -> ScenarioReport:
        url = f"{gateway.url}/mcp"
        async with sdk2_client.connected(url, key.text, sdk2_client.MODERN, exchanges=exchanges) as client:
            return await sdk2_client.run_scenario_on(client)

    assert asyncio.run(run()).protocol_version == "2026-07-28"
    assert {exchange.session_id for exchange in exchanges} == {None}
    assert {exchange.method for exchange in exchanges} == {"POST"}


def test_another_owners_key_cannot_use_a_session(
    gateway: Running, upstream: McpServer, admin: AdminClient, other: AdminClient
) -> None:
    mine, theirs = admin.new_key("mine").text, other.new_key("theirs").text
    session_id = session_of(gateway, mine)
    unknown = gateway.rpc(CALL, theirs, **session_headers("0" * 32))
    for message in (LIST, CALL, INITIALIZED):
        # A public request with a key acts for the owner of that key.
        refused = gateway.rpc(message, theirs, **session_headers(session_id))
        assert refused.status_code == 404, message
    headers = {"Authorization": f"Bearer {theirs}", **session_headers(session_id)}
    for method in ("GET", "DELETE"):
        assert requests.request(method, f"{gateway.url}/mcp", headers=headers, timeout=30).status_code == 404
    assert unknown.status_code == 404, "the same response as for an unknown session"

    assert gateway.rpc(CALL, mine, **session_headers(session_id)).status_code == 200, "the session still works"
    assert upstream_status(upstream, session_id) == 200


def test_a_session_belongs_to_its_owner_not_to_a_key(gateway: Running, admin: AdminClient) -> None:
    first, second = admin.new_key("first"), admin.new_key("second")
    session_id = session_of(gateway, first.text)
    assert gateway.rpc(CALL, second.text, **session_headers(session_id)).status_code == 200
    (call,) = admin.calls(second.key_id, expected=1)
    assert (call["session_id"], call["client_name"]) == (session_id, scenario.CLIENT_NAME)


def test_a_session_opened_without_a_key_belongs_to_the_first_owner_that_uses_it(
    gateway: Running, admin: AdminClient, other: AdminClient
) -> None:
    session_id = session_of(gateway, None)
    assert gateway.rpc(LIST, None, **session_headers(session_id)).status_code == 401
    assert gateway.rpc(CALL, other.new_key("quick").text, **session_headers(session_id)).status_code == 200
    assert gateway.rpc(CALL, admin.new_key("late").text, **session_headers(session_id)).status_code == 404


def test_a_session_that_no_key_claims_is_deleted_upstream(
    gateway: Running, upstream: McpServer, admin: AdminClient
) -> None:
    claimed, unclaimed = session_of(gateway, admin.new_key("claims").text), session_of(gateway, None)
    assert upstream_status(upstream, unclaimed) == 200
    wait_until(lambda: upstream_status(upstream, unclaimed) == 404, UNCLAIMED_SECONDS + 10)
    assert upstream_status(upstream, claimed) == 200


def test_a_listening_stream_ends_within_a_second_of_its_keys_revocation(gateway: Running, admin: AdminClient) -> None:
    key = admin.new_key("listener")
    session_id = session_of(gateway, key.text)
    headers = {"Authorization": f"Bearer {key.text}", **session_headers(session_id)}
    with requests.get(f"{gateway.url}/mcp", headers=headers, stream=True, timeout=30) as stream:
        assert stream.status_code == 200
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        admin.revoke(key.key_id)
        revoked = time.monotonic()
        with pytest.raises(requests.RequestException):
            _read_to_the_end(stream)
        assert time.monotonic() - revoked < 1.2
    assert requests.delete(f"{gateway.url}/mcp", headers=headers, timeout=30).status_code == 401


def _read_to_the_end(stream: requests.Response) -> list[Any]:
    return list(stream.iter_content(None))
