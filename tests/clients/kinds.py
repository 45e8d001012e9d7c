"""The MCP clients that others have written, each as a process with nothing but a URL and an `Authorization` header."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.support import sdk1_client
from tests.support.node import ROOT, NodePackages

NODE_FOLDER = Path(__file__).with_name("node")
MODERN, HANDSHAKE = "auto", "legacy"
"""Revision 2026-07-28 where the server has it; or always the handshake of those before."""


class Trip(NamedTuple):
    """Where a client goes, and what it does there."""

    url: str
    key: str
    client: str
    """The name that it gives itself."""
    legs: Sequence[dict[str, Any]]
    is_old: bool
    """Whether by the old HTTP+SSE transport."""
    home: Path
    """Where it may write."""


class ClientKind(NamedTuple):
    """A client, and what is known of it."""

    travel: Callable[[NodePackages, Trip], list[Any]]
    """Makes a trip, and gives what was seen on each leg."""
    walks: bool = True
    """Whether it tells of progress."""
    resumes: bool = False
    """Whether it can be told to take up a stream that it left."""
    ends_session: bool = True
    """Whether it ends its session when it goes."""
    has_tasks: bool = False
    """Whether it knows the tasks of 2025-11-25."""
    name: str = "{client}"
    """How it is named in the usage history."""
    agent: str = "{client}"
    """How it is named there where a server without sessions leaves nothing to know but `User-Agent`; a beginning."""


def ran(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """What a process printed, which has ended well."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, f"{words[:3]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def _itinerary(trip: Trip, era: str, **more: Any) -> str:
    transport = "sse" if trip.is_old else "http"
    order = {"url": trip.url, "key": trip.key, "client": trip.client, "legs": trip.legs, "era": era}
    return json.dumps({**order, "transport": transport, **more})


def _node(script: str, era: str) -> Callable[[NodePackages, Trip], list[Any]]:
    def travel(packages: NodePackages, trip: Trip) -> list[Any]:
        return list(json.loads(ran(packages.node, NODE_FOLDER / script, _itinerary(trip, era))))

    return travel


def _python(module: str, era: str) -> Callable[[NodePackages, Trip], list[Any]]:
    def travel(packages: NodePackages, trip: Trip) -> list[Any]:
        python = sdk1_client.python() if module == "sdk1_client" else sys.executable
        return list(json.loads(ran(python, "-m", f"tests.clients.{module}", _itinerary(trip, era))))

    return travel


def _mcp_remote(era: str) -> Callable[[NodePackages, Trip], list[Any]]:
    def travel(packages: NodePackages, trip: Trip) -> list[Any]:
        strategy = "sse-only" if trip.is_old else "http-only"
        bridge = {
            "command": str(packages.node),
            "args": [
                *(str(packages.package("mcp-remote") / "dist/proxy.js"), trip.url, "--transport", strategy),
                *("--header", f"Authorization: Bearer {trip.key}"),
            ],
            "env": {"HOME": str(trip.home)},
        }
        itinerary = _itinerary(trip, era, transport="stdio", bridge=bridge)
        return list(json.loads(ran(packages.node, NODE_FOLDER / "sdk2.mjs", itinerary)))

    return travel


def inspect(packages: NodePackages, home: Path, *arguments: str) -> Any:
    """What MCP Inspector's command line gives for one method."""
    launcher = packages.package("@modelcontextprotocol/inspector") / "clients/launcher/build/index.js"
    quietly = ("--format", "json", "--quiet")
    # What a configuration starts with npx is found where it runs.
    env = {"HOME": str(home), "PATH": f"{packages.node.parent}:{os.environ['PATH']}"}
    printed = ran(packages.node, launcher, "--cli", *arguments, *quietly, cwd=packages.modules.parent, env=env)
    return json.loads(printed)["result"]


def _inspector(era: str) -> Callable[[NodePackages, Trip], list[Any]]:
    def travel(packages: NodePackages, trip: Trip) -> list[Any]:
        server = (trip.url, "--transport", "sse" if trip.is_old else "http", "--protocol-era", era)
        header = ("--header", f"Authorization: Bearer {trip.key}")
        ask = partial(inspect, packages, trip.home, *server, *header, "--method")

        def seen(leg: dict[str, Any]) -> Any:
            if leg["leg"] == "tools":
                return [tool["name"] for tool in ask("tools/list")["tools"]]
            args = json.dumps(leg.get("args", {}))
            result = ask("tools/call", "--tool-name", leg["name"], "--tool-args-json", args)
            return result.get("structuredContent") or "".join(block["text"] for block in result["content"])

        return [seen(leg) for leg in trip.legs]

    return travel


_VIA = "{client} (via mcp-remote 0.15.1)"

CLIENTS = {
    "typescript sdk 1": ClientKind(_node("sdk1.mjs", HANDSHAKE), resumes=True, has_tasks=True, agent="node"),
    "typescript sdk 2, handshake": ClientKind(_node("sdk2.mjs", HANDSHAKE), resumes=True, agent="node"),
    "typescript sdk 2, modern": ClientKind(_node("sdk2.mjs", MODERN)),
    "python sdk 1": ClientKind(_python("sdk1_client", HANDSHAKE), agent="python-httpx"),
    "python sdk 2, handshake": ClientKind(_python("sdk2_client", HANDSHAKE), agent="python-httpx"),
    "python sdk 2, modern": ClientKind(_python("sdk2_client", MODERN)),
    "fastmcp, handshake": ClientKind(_python("fastmcp_client", HANDSHAKE), agent="python-httpx"),
    "fastmcp, modern": ClientKind(_python("fastmcp_client", MODERN)),
    "mcp-remote, handshake": ClientKind(_mcp_remote(HANDSHAKE), ends_session=False, name=_VIA, agent="node"),
    "mcp-remote, modern": ClientKind(_mcp_remote(MODERN), ends_session=False),
    "inspector, handshake": ClientKind(
        _inspector(HANDSHAKE), walks=False, ends_session=False, name="inspector", agent="node"
    ),
    "inspector, modern": ClientKind(_inspector(MODERN), walks=False, name="inspector"),
}
