"""MCP servers on the official SDK in processes, as upstreams of a gateway."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

DEMO_WITH_SESSIONS = ("-m", "mcp_backend", "--port", "0")
TALKATIVE = ("-m", "tests.support.talkative_server")
DEMO = (*DEMO_WITH_SESSIONS, "--stateless")


class McpServer:
    """A running server, whose first line of output ends with its URL."""

    def __init__(self, *arguments: str, program: str = sys.executable) -> None:
        self._process = subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"{arguments} did not start"
        self.url = line.split()[-1]

    def stop(self) -> None:
        """Stop the process."""
        self._process.terminate()
        self._process.communicate(timeout=30)


@contextlib.contextmanager
def running_mcp_server(*arguments: str, program: str = sys.executable) -> Iterator[McpServer]:
    """Run a server for the duration of the context."""
    server = McpServer(*arguments, program=program)
    try:
        yield server
    finally:
        server.stop()
