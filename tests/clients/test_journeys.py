"""Every client at every server that it can speak to: it sees what the server says, and each call is counted once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.clients.kinds import CLIENTS, ClientKind, Trip
from tests.clients.upstreams import EVERYTHING, EVERYTHING_OLD, JSON, OLD, SESSIONS, UPSTREAMS, Leg
from tests.support.admin_client import AdminClient
from tests.support.node import NodePackages
from tests.support.running_up import Running

_ONE_OF_EACH = [
    *("typescript sdk 1", "typescript sdk 2, modern", "python sdk 1", "python sdk 2, modern"),
    *("fastmcp, handshake", "mcp-remote, modern", "inspector, handshake"),
]

JOURNEYS = [
    *[(client, SESSIONS) for client in CLIENTS],
    *[(client, upstream) for upstream in (JSON, EVERYTHING) for client in _ONE_OF_EACH],
    *[(client, upstream) for upstream in (OLD, EVERYTHING_OLD) for client in CLIENTS if "modern" not in client],
]


@pytest.fixture(scope="module")
def ledger() -> dict[str, int]:
    """How many calls each key has made."""
    return {}


@pytest.mark.parametrize(("client", "upstream"), JOURNEYS)
def test_a_client_sees_what_the_server_says_and_each_call_is_counted(
    client: str,
    upstream: str,
    url_of: Callable[[str], str],
    gateway_of: Callable[[str], Running],
    packages: NodePackages,
    admin: AdminClient,
    ledger: dict[str, int],
    tmp_path: Path,
) -> None:
    kind = CLIENTS[client]
    legs = legs_of(kind, upstream)
    key = admin.new_key(f"{client}, {upstream}")
    orders = [leg.order(run=key.key_id) for leg in legs]
    is_old = UPSTREAMS[upstream].is_old
    trip = Trip(f"{gateway_of(upstream).url}/mcp", key.text, "a client", orders, is_old, home=tmp_path)
    sessions = partial(open_sessions, url_of(SESSIONS)) if upstream == SESSIONS else None
    before = sessions() if sessions else 0
    seen = kind.travel(packages, trip)
    # Listed for clients that offer roots.
    seen[0] = [tool for tool in seen[0] if tool != "get-roots-list"]
    assert seen == [leg.sees for leg in legs]
    if sessions and kind.ends_session:
        assert sessions() == before

    counted = sorted(str(call) for leg in legs for call in leg.counted)
    calls = admin.calls(key.key_id, expected=len(counted))
    assert sorted(str((call["tool_name"], call["table_names"], call["record_count"])) for call in calls) == counted
    assert {(call["key_name"], call["status"]) for call in calls} == {(f"{client}, {upstream}", "ok")}
    assert_named(calls, kind, upstream)
    ledger[key.key_id] = len(counted)


def test_nothing_was_counted_later(admin: AdminClient, ledger: dict[str, int]) -> None:
    assert {key_id: len(admin.calls(key_id, expected=0)) for key_id in ledger} == ledger


def open_sessions(server_url: str) -> int:
    """How many sessions our own server has."""
    return int(requests.get(server_url.replace("/mcp", "/state"), timeout=10).json()["sessions"])


def legs_of(kind: ClientKind, upstream: str) -> Sequence[Leg]:
    """What the client can do there."""
    able = {"tools", "call"}
    able |= {"walk"} if kind.walks else set()
    able |= {"resume", "rejoin"} if kind.resumes else set()
    able |= {"task"} if kind.has_tasks else set()
    return [leg for leg in UPSTREAMS[upstream].legs if leg.leg in able]


def assert_named(calls: Sequence[dict[str, Any]], kind: ClientKind, upstream: str) -> None:
    """A session, or a call of 2026-07-28, tells the client's own name; else it is the name of its HTTP client."""
    wanted = kind.name if UPSTREAMS[upstream].has_sessions else kind.agent
    names = {call["client_name"] for call in calls}
    assert all(name.startswith(wanted.format(client="a client")) for name in names), names
