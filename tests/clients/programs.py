"""Third-party MCP clients, each in a process that is configured with a URL and an `Authorization` header."""

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
"""Protocol negotiation: revision 2026-07-28 if the server supports it, or always the older handshake."""


class ClientRun(NamedTuple):
    """The server, the key and the actions of one run of a client."""

    url: str
    key: str
    client: str
    """The client name that it sends."""
    actions: Sequence[dict[str, Any]]
    uses_sse: bool
    """True for the deprecated HTTP+SSE transport."""
    home: Path
    """A folder that the client can write to."""


class ClientProgram(NamedTuple):
    """A client and its capabilities."""

    run_actions: Callable[[NodePackages, ClientRun], list[Any]]
    """Run the client; return the result of each action."""
    reports_progress: bool = True
    """True if it shows progress notifications."""
    can_resume: bool = False
    """True if it can resume a stream."""
    ends_session: bool = True
    """True if it deletes its session at the end."""
    has_tasks: bool = False
    """True if it supports the tasks of 2025-11-25."""
    name: str = "{client}"
    """Its name in the usage history."""
    agent: str = "{client}"
    """The prefix of its name there if the server has no sessions, so that only `User-Agent` is known."""


def run_process(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    """Run a process that must exit with 0; return its output."""
    words = [str(word) for word in command]
    completed = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
    assert completed.returncode == 0, (
        f"{words[:3]}: exit code {completed.returncode}\n{completed.stdout}\n{completed.stderr}"
    )
    return completed.stdout


def _plan(run: ClientRun, era: str, **more: Any) -> str:
    transport = "sse" if run.uses_sse else "http"
    plan = {"url": run.url, "key": run.key, "client": run.client, "actions": run.actions, "era": era}
    return json.dumps({**plan, "transport": transport, **more})


def _node(script: str, era: str) -> Callable[[NodePackages, ClientRun], list[Any]]:
    def run_actions(packages: NodePackages, run: ClientRun) -> list[Any]:
        return list(json.loads(run_process(packages.node, NODE_FOLDER / script, _plan(run, era))))

    return run_actions


def _python(module: str, era: str) -> Callable[[NodePackages, ClientRun], list[Any]]:
    def run_actions(packages: NodePackages, run: ClientRun) -> list[Any]:
        python = sdk1_client.python() if module == "sdk1_client" else sys.executable
        return list(json.loads(run_process(python, "-m", f"tests.clients.{module}", _plan(run, era))))

    return run_actions


def _mcp_remote(era: str) -> Callable[[NodePackages, ClientRun], list[Any]]:
    def run_actions(packages: NodePackages, run: ClientRun) -> list[Any]:
        strategy = "sse-only" if run.uses_sse else "http-only"
        bridge = {
            "command": str(packages.node),
            "args": [
                *(str(packages.package("mcp-remote") / "dist/proxy.js"), run.url, "--transport", strategy),
                *("--header", f"Authorization: Bearer {run.key}"),
            ],
            "env": {"HOME": str(run.home)},
        }
        plan = _plan(run, era, transport="stdio", bridge=bridge)
        return list(json.loads(run_process(packages.node, NODE_FOLDER / "sdk2.mjs", plan)))

    return run_actions


def inspect(packages: NodePackages, home: Path, *arguments: str) -> Any:
    """Call one method with MCP Inspector's command line; return its result."""
    launcher = packages.package("@modelcontextprotocol/inspector") / "clients/launcher/build/index.js"
    output_flags = ("--format", "json", "--quiet")
    # A server that the configuration starts with npx must be found on PATH.
    env = {"HOME": str(home), "PATH": f"{packages.node.parent}:{os.environ['PATH']}"}
    printed = run_process(
        packages.node, launcher, "--cli", *arguments, *output_flags, cwd=packages.modules.parent, env=env
    )
    return json.loads(printed)["result"]


def _inspector(era: str) -> Callable[[NodePackages, ClientRun], list[Any]]:
    def run_actions(packages: NodePackages, run: ClientRun) -> list[Any]:
        server = (run.url, "--transport", "sse" if run.uses_sse else "http", "--protocol-era", era)
        header = ("--header", f"Authorization: Bearer {run.key}")
        call_method = partial(inspect, packages, run.home, *server, *header, "--method")

        def run_action(action: dict[str, Any]) -> Any:
            if action["action"] == "tools":
                return [tool["name"] for tool in call_method("tools/list")["tools"]]
            args = json.dumps(action.get("args", {}))
            result = call_method("tools/call", "--tool-name", action["name"], "--tool-args-json", args)
            return result.get("structuredContent") or "".join(block["text"] for block in result["content"])

        return [run_action(action) for action in run.actions]

    return run_actions


_VIA = "{client} (via mcp-remote 0.15.1)"

CLIENTS = {
    "typescript sdk 1": ClientProgram(_node("sdk1.mjs", HANDSHAKE), can_resume=True, has_tasks=True, agent="node"),
    "typescript sdk 2, handshake": ClientProgram(_node("sdk2.mjs", HANDSHAKE), can_resume=True, agent="node"),
    "typescript sdk 2, modern": ClientProgram(_node("sdk2.mjs", MODERN)),
    "python sdk 1": ClientProgram(_python("sdk1_client", HANDSHAKE), agent="python-httpx"),
    "python sdk 2, handshake": ClientProgram(_python("sdk2_client", HANDSHAKE), agent="python-httpx"),
    "python sdk 2, modern": ClientProgram(_python("sdk2_client", MODERN)),
    "fastmcp, handshake": ClientProgram(_python("fastmcp_client", HANDSHAKE), agent="python-httpx"),
    "fastmcp, modern": ClientProgram(_python("fastmcp_client", MODERN)),
    "mcp-remote, handshake": ClientProgram(_mcp_remote(HANDSHAKE), ends_session=False, name=_VIA, agent="node"),
    "mcp-remote, modern": ClientProgram(_mcp_remote(MODERN), ends_session=False),
    "inspector, handshake": ClientProgram(
        _inspector(HANDSHAKE), reports_progress=False, ends_session=False, name="inspector", agent="node"
    ),
    "inspector, modern": ClientProgram(_inspector(MODERN), reports_progress=False, name="inspector"),
}
