"""Third-party MCP servers, each in a process, as upstreams of a gateway."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support import sdk1_client
from tests.support.node import ROOT, NodePackages
from tests.support.ports import free_port

_HERE = Path(__file__).parent


class Action(NamedTuple):
    """An action of a client, its expected result, and the calls that are metered."""

    action: str
    expected: object
    name: str = ""
    args: dict[str, object] | None = None
    go: str | None = None
    metered: tuple[tuple[str, list[str], int | None], ...] = ()
    """Tool, tables and records of each metered call."""

    def to_json(self, run: str) -> dict[str, object]:
        """Return the action for a client's plan; `run` separates its `walk` from those of other clients."""
        run_argument = {"run": run} if self.go else {}
        return {
            key: value
            for key, value in {
                "action": self.action,
                "name": self.name,
                "args": {**(self.args or {}), **run_argument} if self.name else None,
                "go": self.go,
            }.items()
            if value
        }


_READ = Action(
    "call",
    {"table": "trades", "record_count": 4},
    name="read_rows",
    args={"limit": 4},
    metered=(("read_rows", ["trades"], 4),),
)
_WALK = Action(
    "walk",
    {"result": {"table": "steps", "record_count": 3}, "steps": [1, 2, 3]},
    name="walk",
    args={"steps": 3},
    go="go",
    metered=(("walk", ["steps"], 3), *[("go", ["signals"], 1)] * 3),
)
_FETCH = Action(
    "call", {"table": "later", "record_count": 3}, name="answer_later", metered=(("answer_later", ["later"], 3),)
)
_REST = Action(
    "resume",
    {"table": "rests", "record_count": 1},
    name="rest",
    args={"seconds": 0.1},
    metered=(("rest", ["rests"], 1),),
)
_WALK_ON = Action(
    "rejoin",
    {"table": "steps", "record_count": 2},
    name="walk",
    args={"steps": 2},
    go="go",
    metered=(("walk", ["steps"], 2), *[("go", ["signals"], 1)] * 2),
)
_TOOLS = ["read_rows", "walk", "go"]
_MORE_TOOLS = [*_TOOLS, "answer_later", "hang", "rest", "announce"]
_SUM = Action(
    "call",
    "The sum of 2 and 3 is 5.",
    name="get-sum",
    args={"a": 2, "b": 3},
    metered=(("get-sum", [], None),),
)
_WEATHER = Action(
    "call",
    {"temperature": 33, "conditions": "Cloudy", "humidity": 82},
    name="get-structured-content",
    args={"location": "New York"},
    metered=(("get-structured-content", [], None),),
)
_LONG = "Long running operation completed. Duration: 0.2 seconds, Steps: 2."
_OPERATION = Action(
    "walk",
    {"result": "Long running operation completed. Duration: 1 seconds, Steps: 2.", "steps": [1]},
    name="trigger-long-running-operation",
    # Long enough that the first step and the result do not arrive together on a busy machine.
    args={"duration": 1, "steps": 2},
    metered=(("trigger-long-running-operation", [], None),),
)
_RESUMED = Action(
    "resume",
    _LONG,
    name="trigger-long-running-operation",
    args={"duration": 0.2, "steps": 2},
    metered=(("trigger-long-running-operation", [], None),),
)
_TASK = Action(
    "task",
    "# Research Report: tea",
    name="simulate-research-query",
    args={"topic": "tea"},
    metered=(("simulate-research-query", [], None),),
)
_EVERYTHING = [
    *("echo", "get-annotated-message", "get-env", "get-resource-links", "get-resource-reference"),
    *("get-structured-content", "get-sum", "get-tiny-image", "gzip-file-as-resource", "toggle-simulated-logging"),
    *("toggle-subscriber-updates", "trigger-long-running-operation", "simulate-research-query"),
]


class Upstream(NamedTuple):
    """A server, and the actions of its clients."""

    actions: tuple[Action, ...]
    has_sessions: bool = True
    uses_sse: bool = False
    """True for the deprecated HTTP+SSE transport."""


SESSIONS = "python sdk 2.3 with sessions"
JSON = "python sdk 2.3, stateless json"
SSE = "python sdk 1.30, http+sse"
EVERYTHING = "npm's everything"
EVERYTHING_SSE = "npm's everything, http+sse"

UPSTREAMS = {
    SESSIONS: Upstream((Action("tools", _MORE_TOOLS), _READ, _WALK, _FETCH, _WALK_ON, _REST)),
    JSON: Upstream((Action("tools", _MORE_TOOLS), _READ), has_sessions=False),
    SSE: Upstream((Action("tools", _TOOLS), _READ, _WALK), uses_sse=True),
    EVERYTHING: Upstream((Action("tools", _EVERYTHING), _SUM, _WEATHER, _OPERATION, _TASK, _RESUMED)),
    EVERYTHING_SSE: Upstream((Action("tools", _EVERYTHING), _SUM, _WEATHER, _OPERATION), uses_sse=True),
}


@contextlib.contextmanager
def started(name: str, packages: NodePackages) -> Iterator[str]:
    """Run a server and provide its URL."""
    everything = str(packages.package("@modelcontextprotocol/server-everything") / "dist/index.js")
    match name:
        case "python sdk 2.3 with sessions":
            with _printing_its_url([sys.executable, "-m", "tests.clients.sdk2_server"]) as url:
                yield url
        case "python sdk 2.3, stateless json":
            with _printing_its_url([sys.executable, "-m", "tests.clients.sdk2_server", "--stateless-json"]) as url:
                yield url
        case "python sdk 1.30, http+sse":
            with _printing_its_url([str(sdk1_client.python()), str(_HERE / "sdk1_sse_server.py")]) as url:
                yield url
        case "npm's everything":
            with _listening_on_a_free_port([str(packages.node), everything, "streamableHttp"]) as url:
                yield f"{url}/mcp"
        case _:
            with _listening_on_a_free_port([str(packages.node), everything, "sse"]) as url:
                yield f"{url}/sse"


@contextlib.contextmanager
def _printing_its_url(command: Sequence[str]) -> Iterator[str]:
    """Run a server whose first line of output ends with its URL."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, f"{command} did not start"
            yield line.split()[-1]
        finally:
            process.terminate()


@contextlib.contextmanager
def _listening_on_a_free_port(command: Sequence[str]) -> Iterator[str]:
    """Run a server that listens on the port in the variable PORT; provide its base URL."""
    port = free_port()
    environment = {**os.environ, "PORT": str(port)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 30
            while True:
                with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                    break
                assert process.poll() is None, f"{command} did not start"
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
