"""Every client with every server that it supports: it gets the expected results, and each call is metered once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.clients.conftest import GatewayOf
from tests.clients.programs import CLIENTS, ClientProgram, ClientRun
from tests.clients.upstreams import EVERYTHING, EVERYTHING_SSE, JSON, SESSIONS, SSE, UPSTREAMS, Action
from tests.support.admin_client import AdminClient
from tests.support.node import NodePackages

_ONE_OF_EACH = [
    *("typescript sdk 1", "typescript sdk 2, modern", "python sdk 1", "python sdk 2, modern"),
    *("fastmcp, handshake", "mcp-remote, modern", "inspector, handshake"),
]

JOURNEYS = [
    *[(client, SESSIONS, True) for client in CLIENTS],
    *[(client, SESSIONS, False) for client in _ONE_OF_EACH],
    *[(client, upstream, True) for upstream in (JSON, EVERYTHING) for client in _ONE_OF_EACH],
    *[(client, upstream, True) for upstream in (SSE, EVERYTHING_SSE) for client in CLIENTS if "modern" not in client],
]


@pytest.fixture(scope="module")
def calls_by_key() -> dict[str, int]:
    """The number of calls that each key has made."""
    return {}


def _name(value: str | bool) -> str:
    return value if isinstance(value, str) else f"fast path {'on' if value else 'off'}"


@pytest.mark.parametrize(("client", "upstream", "has_fast_path"), JOURNEYS, ids=_name)
def test_a_client_gets_the_expected_results_and_each_call_is_metered(
    client: str,
    upstream: str,
    has_fast_path: bool,
    url_of: Callable[[str], str],
    gateway_of: GatewayOf,
    packages: NodePackages,
    admin: AdminClient,
    calls_by_key: dict[str, int],
    tmp_path: Path,
) -> None:
    program = CLIENTS[client]
    actions = actions_of(program, upstream)
    key = admin.new_key(f"{client}, {upstream}")
    plan = [action.to_json(run=key.key_id) for action in actions]
    uses_sse = UPSTREAMS[upstream].uses_sse
    url = f"{gateway_of(upstream, has_fast_path=has_fast_path).url}/mcp"
    client_run = ClientRun(url, key.text, "a client", plan, uses_sse, home=tmp_path)
    sessions = partial(open_sessions, url_of(SESSIONS)) if upstream == SESSIONS else None
    before = sessions() if sessions else 0
    results = program.run_actions(packages, client_run)
    # The server lists this tool only for clients with roots.
    results[0] = [tool for tool in results[0] if tool != "get-roots-list"]
    assert results == [action.expected for action in actions]
    if sessions and program.ends_session:
        assert sessions() == before

    metered = sorted(str(call) for action in actions for call in action.metered)
    calls = admin.calls(key.key_id, expected=len(metered))
    assert sorted(str((call["tool_name"], call["table_names"], call["record_count"])) for call in calls) == metered
    assert {(call["key_name"], call["status"]) for call in calls} == {(f"{client}, {upstream}", "ok")}
    assert_named(calls, program, upstream)
    calls_by_key[key.key_id] = len(metered)


def test_no_call_is_metered_later(admin: AdminClient, calls_by_key: dict[str, int]) -> None:
    assert {key_id: len(admin.calls(key_id, expected=0)) for key_id in calls_by_key} == calls_by_key


def open_sessions(server_url: str) -> int:
    """The number of sessions that the server has."""
    return int(requests.get(server_url.replace("/mcp", "/state"), timeout=30).json()["sessions"])


def actions_of(program: ClientProgram, upstream: str) -> Sequence[Action]:
    """The actions that the client supports with this upstream."""
    supported = {"tools", "call"}
    supported |= {"walk"} if program.reports_progress else set()
    supported |= {"resume", "rejoin"} if program.can_resume else set()
    supported |= {"task"} if program.has_tasks else set()
    return [action for action in UPSTREAMS[upstream].actions if action.action in supported]


def assert_named(calls: Sequence[dict[str, Any]], program: ClientProgram, upstream: str) -> None:
    """Assert the client name of the calls: its own with a session or in 2026-07-28, else that of its HTTP library."""
    expected = program.name if UPSTREAMS[upstream].has_sessions else program.agent
    names = {call["client_name"] for call in calls}
    assert all(name.startswith(expected.format(client="a client")) for name in names), names
