# mypy: ignore-errors
# Written for the 1.x SDK, which is not installed where types are checked.
"""An MCP server with the old HTTP+SSE transport (2024-11-05), on the official Python SDK, 1.x, as a script for a
virtual environment of its own. It has the tools of `sdk2_server` that make sense here.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import defaultdict

import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from pydantic import BaseModel


class Answer(BaseModel):
    table: str
    record_count: int


server = FastMCP("old", log_level="ERROR")
_signals = defaultdict(lambda: asyncio.Semaphore(0))


@server.tool()
async def read_rows(limit: int) -> Answer:
    """Reads rows of a table."""
    return Answer(table="trades", record_count=limit)


@server.tool()
async def walk(run: str, steps: int, ctx: Context) -> Answer:
    """Reports each step, and takes the next one when `go` was called for this run."""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps)
        await _signals[run].acquire()
    return Answer(table="steps", record_count=steps)


@server.tool()
async def go(run: str) -> Answer:
    """Lets `walk` take its next step."""
    _signals[run].release()
    return Answer(table="signals", record_count=1)


if __name__ == "__main__":
    config = uvicorn.Config(server.sse_app(), log_level="critical", timeout_graceful_shutdown=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/sse\n")
        sys.stdout.flush()
        uvicorn.Server(config).run([listener])
