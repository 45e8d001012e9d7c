"""`python -m tests.support.talkative_server`: an MCP server with elicitation, server notifications and resumed streams.

`/sessions` returns the number of open sessions.
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
    """The answer to the elicitation."""

    name: str


class Greeting(BaseModel):
    """The result of a tool, with declared metering fields."""

    table: str
    record_count: int
    text: str


server: MCPServer[None] = MCPServer("talkative", version="1", log_level="WARNING")


async def ask_name() -> Elicit[Name]:
    """Ask the user for a name."""
    return Elicit("Who are you?", Name)


@server.tool()
async def greet(who: Annotated[Name, Resolve(ask_name)]) -> Greeting:
    """Greet the user by the name that was elicited."""
    return Greeting(table="people", record_count=1, text=f"Hello {who.name}")


@server.tool()
async def announce(ctx: Context[Any, Any]) -> Greeting:
    """Notify every listener that the tools have changed."""
    await ctx.session.send_tool_list_changed()
    await ctx.notify_tools_changed()
    return Greeting(table="news", record_count=2, text="announced")


@server.tool()
async def answer_later(ctx: Context[Any, Any]) -> Greeting:
    """Close the connection of the call, so that the client fetches the result on another one."""
    await ctx.report_progress(1, 2)
    await ctx.close_sse_stream()
    await asyncio.sleep(RETRY_MS / 1000)
    return Greeting(table="later", record_count=3, text="at last")


@server.custom_route("/sessions", methods=["GET"])  # type: ignore[untyped-decorator]
async def sessions(request: Request) -> JSONResponse:
    """Return the number of open sessions."""
    return JSONResponse(len(server.session_manager._server_instances))


if __name__ == "__main__":
    serve(server, RETRY_MS)
