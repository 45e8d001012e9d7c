"""`python -m tests.support.talkative_server`: an MCP server that asks its clients back, tells them news unasked, and
answers on another connection than it was asked on. `/sessions` tells how many sessions are open.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.support.sdk_server import serve

RETRY_MS = 50


class Name(BaseModel):
    """Who is asked."""

    name: str


class Greeting(BaseModel):
    """What a tool gives, with what is metered."""

    table: str
    record_count: int
    text: str


server: MCPServer[None] = MCPServer("talkative", version="1", log_level="WARNING")


async def ask() -> Elicit[Name]:
    """Ask the user."""
    return Elicit("Who are you?", Name)


@server.tool()
async def greet(who: Annotated[Name, Resolve(ask)]) -> Greeting:
    """Greets whom it has asked for the name."""
    return Greeting(table="people", record_count=1, text=f"Hello {who.name}")


@server.tool()
async def announce(ctx: Context[Any, Any]) -> Greeting:
    """Tells every listener that the tools have changed."""
    await ctx.session.send_tool_list_changed()
    await ctx.notify_tools_changed()
    return Greeting(table="news", record_count=2, text="announced")


@server.tool()
async def answer_later(ctx: Context[Any, Any]) -> Greeting:
    """Closes the connection that it was asked on, and has its result fetched on another one."""
    await ctx.report_progress(1, 2)
    await ctx.close_sse_stream()
    await asyncio.sleep(RETRY_MS / 1000)
    return Greeting(table="later", record_count=3, text="at last")


@server.custom_route("/sessions", methods=["GET"])  # type: ignore[untyped-decorator]
async def sessions(request: Request) -> JSONResponse:
    """How many sessions are open."""
    return JSONResponse(len(server.session_manager._server_instances))


if __name__ == "__main__":
    serve(server, RETRY_MS)
