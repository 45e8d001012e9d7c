"""`python -m tests.support.talkative_server`: an MCP server that asks its clients back, tells them news unasked, and
answers on another connection than it was asked on. `/sessions` tells how many sessions are open.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Annotated, Any

import uvicorn
from mcp.server.mcpserver import Context, Elicit, MCPServer, Resolve
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

RETRY_MS = 50


class Name(BaseModel):
    """Who is asked."""

    name: str


class Greeting(BaseModel):
    """What a tool gives, with what is metered."""

    table: str
    record_count: int
    text: str


class Memory(EventStore):
    """Every event, so that a client can take a stream up again."""

    def __init__(self) -> None:
        self._events: list[tuple[str, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        self._events.append((stream_id, message))
        return str(len(self._events))

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        stream_id = self._events[int(last_event_id) - 1][0]
        for number, (stream, message) in enumerate(self._events[int(last_event_id) :], start=int(last_event_id) + 1):
            if stream == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream_id


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


def main() -> None:
    """Serve on a free port until a signal comes."""
    app = server.streamable_http_app(
        streamable_http_path="/mcp", host="127.0.0.1", event_store=Memory(), retry_interval=RETRY_MS
    )
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_level="critical", ws="none", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
