"""The HTTP server that clients connect to.

- When it stops, requests that are being received or served may be completed within a drain time-out; then they are
  cancelled.
- The deadlines of all connections are checked together, every `_TICK` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Protocol

from aiohttp import web

from gateway.event_loop import listening
from gateway.event_loop.tasks import cancel_and_wait
from gateway.proxy.downstream.aiohttp_bridge import make_server
from gateway.proxy.downstream.connection import ClientConnection, FastPath
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.response import Response
from gateway.proxy.error_locations import error_locations
from gateway.tls.server import ServerTls

log = logging.getLogger(__name__)

_BACKLOG = 1024
_TICK = 0.1
"""Seconds between two checks of the deadlines."""
_CANCEL_SECONDS = 1.0
"""Seconds for cancelled handlers to end."""


class RequestHandler(Protocol):
    """Serves requests."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request."""

    def framing_response(self, error: FramingError) -> Response:
        """Count a request with invalid framing, and return the response to it."""


class ProxyServer:
    """Accepts connections, whose requests are offered to the fast path first and then passed to the handler.

    Must be made within a running event loop.
    """

    def __init__(
        self,
        handler: RequestHandler,
        fast_path: FastPath | None,
        *,
        head_timeout: float,
        keepalive_timeout: float,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.make_protocol = make_server(handler.handle)
        self.framing_response = handler.framing_response
        self.fast_path = fast_path
        self.head_timeout = head_timeout
        self.keepalive_timeout = keepalive_timeout
        self.is_stopping = False
        self.last_tick = self.loop.time()
        """Loop time of the last check of the deadlines."""
        self._listeners: list[asyncio.Server] = []
        self._ticker: asyncio.Task[None] | None = None
        self.connections: set[ClientConnection] = set()
        """The open connections of clients, idle or busy."""
        self._all_closed = asyncio.Event()

    async def listen(self, host: str, port: int, tls: ServerTls | None = None) -> None:
        """Accept connections, with TLS or not, on a port that other workers share. Raises `OSError`."""
        options = tls.server_options if tls is not None else {}
        for bound in listening.bind(host, port, reuse_port=True):
            self._listeners.append(
                await self.loop.create_server(lambda: ClientConnection(self), sock=bound, backlog=_BACKLOG, **options)
            )
        self._ticker = self.loop.create_task(self._watch_deadlines())

    @property
    def port(self) -> int:
        """The port of the listening sockets."""
        port: int = self._listeners[0].sockets[0].getsockname()[1]
        return port

    def stop_accepting(self) -> None:
        """Accept no more connections or requests; those that are being received or served continue."""
        self.is_stopping = True
        for listener in self._listeners:
            listener.close()
        if not self.connections:
            self._all_closed.set()
        for connection in list(self.connections):
            connection.stop()

    async def shutdown(self, seconds: float) -> None:
        """Wait at most `seconds` for requests in progress, then cancel them, and close every connection."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_closed.wait()
        tasks = [task for connection in list(self.connections) if (task := connection.cancel()) is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_SECONDS)
        for connection in list(self.connections):
            connection.abort()
        if self._ticker is not None:
            await cancel_and_wait(self._ticker)

    def connection_lost(self, connection: ClientConnection) -> None:
        """Forget a connection."""
        self.connections.discard(connection)
        if self.is_stopping and not self.connections:
            self._all_closed.set()

    async def _watch_deadlines(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self.last_tick = self.loop.time()
            self._check_deadlines(self.last_tick)

    def _check_deadlines(self, now: float) -> None:
        # Apart from the loop, whose variables would keep a closed connection until the next one.
        for connection in list(self.connections):
            try:
                connection.check_deadlines(now)
            except Exception as error:
                log.error("a connection was closed because of an error: %s", error_locations(error))
                connection.abort()
