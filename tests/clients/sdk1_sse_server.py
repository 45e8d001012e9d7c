# mypy: ignore-errors
# Written for the 1.x SDK, which is not installed where types are checked.
"""An MCP server with the deprecated HTTP+SSE transport (2024-11-05), on the official Python SDK 1.x, run in a separate
virtual environment. It has those tools of `sdk2_server` that this transport supports.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import defaultdict

import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from pydantic import BaseModel


class ToolResult(BaseModel):
    table: str
    record_count: int


server = FastMCP("old", log_level="ERROR")
_signals = defaultdict(lambda: asyncio.Semaphore(0))


@server.tool()
async def read_rows(limit: int) -> ToolResult:
    """Read rows of a table."""
    return ToolResult(table="trades", record_count=limit)


@server.tool()
async def walk(run: str, steps: int, ctx: Context) -> ToolResult:
    """Report each step as progress, and take the next one after a call of `go` for this run."""
    for step in range(1, steps + 1):
        await ctx.report_progress(step, steps)
        await _signals[run].acquire()
    return ToolResult(table="steps", record_count=steps)


@server.tool()
async def go(run: str) -> ToolResult:
    """Let `walk` take its next step."""
    _signals[run].release()
    return ToolResult(table="signals", record_count=1)


if __name__ == "__main__":
    config = uvicorn.Config(server.sse_app(), log_level="critical", timeout_graceful_shutdown=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/sse\n")
        sys.stdout.flush()
        uvicorn.Server(config).run([listener])
