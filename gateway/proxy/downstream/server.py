"""The HTTP server that clients connect to.

- When it stops, requests that are being received or served may be completed within a drain time-out; then they are
  cancelled.
- The deadlines of all connections are checked together, every `_TICK` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib

from gateway.event_loop.tasks import cancel_and_wait
from gateway.proxy.downstream.connection import ClientConnection, RequestHandler

_BACKLOG = 1024
_TICK = 0.1
"""Seconds between two checks of the deadlines."""


class ProxyServer:
    """Accepts connections, and passes their requests to a handler."""

    def __init__(self, handler: RequestHandler, *, head_timeout: float) -> None:
        self._handler = handler
        self._head_timeout = head_timeout
        self._listener: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._connections: set[ClientConnection] = set()
        self._is_stopping = False
        self._all_closed = asyncio.Event()

    async def listen(self, host: str, port: int) -> None:
        """Accept connections on a port that other workers share. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._create_connection, host, port, reuse_port=True, backlog=_BACKLOG
        )
        self._ticker = loop.create_task(self._watch_deadlines())

    @property
    def port(self) -> int:
        """The port of the listening socket."""
        assert self._listener is not None
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    @property
    def write_buffer_bytes(self) -> int:
        """Bytes of responses that wait in write buffers, for diagnostics."""
        return sum(connection.write_buffer_bytes for connection in self._connections)

    @property
    def open_connections(self) -> int:
        """Number of client connections, idle or busy, for diagnostics."""
        return len(self._connections)

    def stop_accepting(self) -> None:
        """Accept no more connections or requests; those that are being received or served continue."""
        self._is_stopping = True
        if self._listener is not None:
            self._listener.close()
        if not self._connections:
            self._all_closed.set()
        for connection in list(self._connections):
            connection.stop()

    async def shutdown(self, seconds: float) -> None:
        """Wait at most `seconds` for requests in progress, then cancel them, and close every connection."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_closed.wait()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.sleep(0)
        for connection in list(self._connections):
            connection.abort()
        if self._ticker is not None:
            await cancel_and_wait(self._ticker)

    def _create_connection(self) -> ClientConnection:
        return ClientConnection(
            self._handler,
            loop=asyncio.get_running_loop(),
            head_timeout=self._head_timeout,
            on_opened=self._connection_opened,
            on_lost=self._connection_lost,
        )

    def _connection_opened(self, connection: ClientConnection) -> None:
        self._connections.add(connection)
        if self._is_stopping:
            connection.stop()

    def _connection_lost(self, connection: ClientConnection) -> None:
        self._connections.discard(connection)
        if self._is_stopping and not self._connections:
            self._all_closed.set()

    async def _watch_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK)
            now = loop.time()
            for connection in list(self._connections):
                connection.check_deadlines(now)
