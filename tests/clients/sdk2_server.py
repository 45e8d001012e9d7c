"""`python -m tests.clients.sdk2_server [--stateless-json]`: an MCP server that waits for its client.

On the official Python SDK, 2.x: with sessions and answers as event streams, or without sessions and with plain JSON.
`/state` tells what is open here.
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

from tests.support.sdk_server import Memory

RETRY_MS = 50


class Answer(BaseModel):
    """What every tool gives, with what is metered."""

    table: str
    record_count: int


server: MCPServer[None] = MCPServer("waiting", version="1", log_level="ERROR")
_signals: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(0))
_open: Counter[str] = Counter()
"""HTTP requests by method, and calls of `hang` and `rest`."""


@server.tool()
async def read_rows(limit: int) -> Answer:
    """Reads rows of a table."""
    return Answer(table="trades", record_count=limit)


@server.tool()
async def walk(run: str, steps: int, ctx: Context[Any, Any]) -> Answer:
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


@server.tool()
async def answer_later(ctx: Context[Any, Any]) -> Answer:
    """Closes the connection that it was asked on, and has its result fetched on another one."""
    await ctx.report_progress(1, 2)
    await ctx.close_sse_stream()
    await asyncio.sleep(RETRY_MS / 1000)
    return Answer(table="later", record_count=3)


@server.tool()
async def hang(ctx: Context[Any, Any]) -> Answer:
    """Reports that it has begun, and never answers."""
    _open["hang"] += 1
    try:
        await ctx.report_progress(1, 2)
        await asyncio.Event().wait()
    finally:
        _open["hang"] -= 1
    raise AssertionError("not reached")


@server.tool()
async def rest(seconds: float, ctx: Context[Any, Any]) -> Answer:
    """Reports that it has begun, and answers after so many seconds of silence."""
    _open["rest"] += 1
    try:
        await ctx.report_progress(1, 2)
        await asyncio.sleep(seconds)
    finally:
        _open["rest"] -= 1
    return Answer(table="rests", record_count=1)


@server.tool()
async def announce(ctx: Context[Any, Any]) -> Answer:
    """Tells every listener that the tools have changed."""
    await ctx.session.send_tool_list_changed()
    await ctx.notify_tools_changed()
    return Answer(table="news", record_count=1)


class Memories(EventStore):
    """A memory for each session: the SDK names a stream by its request's id alone, which sessions have in common."""

    current: ContextVar[Memory] = ContextVar("current")

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        return await self.current.get().store_event(stream_id, message)

    async def replay_events_after(self, last_event_id: str, send_callback: EventCallback) -> str | None:
        return await self.current.get().replay_events_after(last_event_id, send_callback)


class Watched:
    """Counts the requests that are open, and gives each its session's memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._memories: dict[str, Memory] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/mcp":
            await self._app(scope, receive, send)
            return
        # What a session does runs in the context of the request that opened it.
        memory = self._memories.get(Headers(scope=scope).get("mcp-session-id", ""), Memory())
        Memories.current.set(memory)

        async def noting_session(message: Message) -> None:
            if message["type"] == "http.response.start":
                session_id = Headers(raw=message["headers"]).get("mcp-session-id")
                if session_id:
                    self._memories.setdefault(session_id, memory)
            await send(message)

        _open[scope["method"]] += 1
        try:
            await self._app(scope, receive, noting_session)
        finally:
            _open[scope["method"]] -= 1


def main() -> None:
    """Serve on a free port until a signal comes."""
    if "--stateless-json" in sys.argv:
        app = server.streamable_http_app(stateless_http=True, json_response=True)
    else:
        app = server.streamable_http_app(event_store=Memories(), retry_interval=RETRY_MS)
    config = uvicorn.Config(Watched(app), log_level="critical", ws="none", timeout_graceful_shutdown=1)
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
