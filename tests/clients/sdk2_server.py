"""`python -m tests.clients.sdk2_server [--stateless-json]`: an MCP server that waits for its client.

On the official Python SDK 2.x, with sessions and event streams, or without sessions and with JSON responses. `/state`
returns the numbers of open requests, sessions and connections.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import Counter, defaultdict
from contextvars import ContextVar
from typing import Any

import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.streamable_http import EventCallback, EventStore
from mcp_types import JSONRPCMessage
from pydantic import BaseModel
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.support.sdk_server import SessionEventStore

RETRY_MS = 50


class ToolResult(BaseModel):
    """The result of every tool, with declared metering fields."""

    table: str
    record_count: int


server: MCPServer[None] = MCPServer("waiting", version="1", log_level="ERROR")
_signals: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))
_open: Counter[str] = Counter()
"""HTTP requests by method, and calls of `hang` and `rest`."""


@server.tool()
async def read_rows(limit: int) -> ToolResult:
    """Read rows of a table."""
    return ToolResult(table="trades", record_count=limit)


@server.tool()
async def walk(run: str, steps: int, ctx: Context[Any, Any]) -> ToolResult:
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


@server.tool()
async def answer_later(ctx: Context[Any, Any]) -> ToolResult:
    """Close the connection of the call, so that the client fetches the result on another one."""
    await ctx.report_progress(1, 2)
    await ctx.close_sse_stream()
    await asyncio.sleep(RETRY_MS / 1000)
    return ToolResult(table="later", record_count=3)


@server.tool()
async def hang(ctx: Context[Any, Any]) -> ToolResult:
    """Report progress once, and never return."""
    _open["hang"] += 1
    try:
        await ctx.report_progress(1, 2)
        await asyncio.Event().wait()
    finally:
        _open["hang"] -= 1
    raise AssertionError("not reached")


@server.tool()
async def rest(seconds: float, ctx: Context[Any, Any]) -> ToolResult:
    """Report progress once, and return after `seconds` of silence."""
    _open["rest"] += 1
    try:
        await ctx.report_progress(1, 2)
        await asyncio.sleep(seconds)
    finally:
        _open["rest"] -= 1
    return ToolResult(table="rests", record_count=1)


@server.tool()
async def announce(ctx: Context[Any, Any]) -> ToolResult:
    """Notify every listener that the tools have changed."""
    await ctx.session.send_tool_list_changed()
    await ctx.notify_tools_changed()
    return ToolResult(table="news", record_count=1)


class SessionEventStores(EventStore):
    """An event store for each session, because the SDK identifies a stream by its request id, which is not unique
    across sessions.
    """

    current: ContextVar[SessionEventStore] = ContextVar("current")

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        return await self.current.get().store_event(stream_id, message)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        return await self.current.get().replay_events_after(last_event_id, send_callback)


class Middleware:
    """Counts open requests, and selects the event store of each request's session."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._stores: dict[str, SessionEventStore] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/mcp":
            await self._app(scope, receive, send)
            return
        # A session runs in the context of the request that opened it.
        store = self._stores.get(Headers(scope=scope).get("mcp-session-id", ""), SessionEventStore())
        SessionEventStores.current.set(store)

        async def send_and_record_session(message: Message) -> None:
            if message["type"] == "http.response.start":
                session_id = Headers(raw=message["headers"]).get("mcp-session-id")
                if session_id:
                    self._stores.setdefault(session_id, store)
            await send(message)

        _open[scope["method"]] += 1
        try:
            await self._app(scope, receive, send_and_record_session)
        finally:
            _open[scope["method"]] -= 1


def main() -> None:
    """Serve on a free port until SIGINT or SIGTERM."""
    if "--stateless-json" in sys.argv:
        app = server.streamable_http_app(stateless_http=True, json_response=True)
    else:
        app = server.streamable_http_app(event_store=SessionEventStores(), retry_interval=RETRY_MS)
    config = uvicorn.Config(Middleware(app), log_level="critical", ws="none", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)

    async def state(request: Request) -> JSONResponse:
        sessions = len(server.session_manager._server_instances)
        return JSONResponse({**_open, "sessions": sessions, "connections": len(running.server_state.connections)})

    app.add_route("/state", state)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
        sys.stdout.flush()
        running.run([listener])


if __name__ == "__main__":
    main()
