"""Serves an MCP server of the official SDK in a process, with resumable streams."""

from __future__ import annotations

import socket
import sys
from typing import Any

import uvicorn
from mcp.server.mcpserver import MCPServer
from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import JSONRPCMessage


class SessionEventStore(EventStore):
    """Stores every event of a session in memory, so that clients can resume streams."""

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


class _Sessions(StreamableHTTPSessionManager):
    """Uses a separate event store for each session, because the SDK identifies a stream by its request id alone."""

    @property
    def event_store(self) -> SessionEventStore:  # type: ignore[override]
        return SessionEventStore()


def serve(server: MCPServer[Any], retry_ms: int) -> None:
    """Serve on a free port until SIGINT or SIGTERM, and print the URL; `retry_ms` is the SSE `retry` of the streams."""
    app = server.streamable_http_app(streamable_http_path="/mcp", host="127.0.0.1", retry_interval=retry_ms)
    server.session_manager.__class__ = _Sessions
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sys.stdout.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}/mcp\n")
        sys.stdout.flush()
        config = uvicorn.Config(app, log_level="critical", ws="none", http="h11", timeout_graceful_shutdown=1)
        uvicorn.Server(config).run([listener])
