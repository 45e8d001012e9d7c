"""The HTTP server that clients connect to.

The rules, beside those of `gateway.proxy.client`:

- What is being received or answered when the server stops may come to its end; then it is cut.
- Deadlines of all connections are looked at together, every `_TICK` seconds.
"""

from __future__ import annotations

import asyncio
import contextlib

from gateway.event_loop.tasks import cancel_and_wait
from gateway.proxy.downstream.connection import ClientConnection, Serving

_BACKLOG = 1024
_TICK = 0.1
"""Seconds between two looks at the deadlines."""


class ProxyServer:
    """Accepts connections and has their requests served."""

    def __init__(self, serving: Serving, *, head_timeout: float) -> None:
        self._serving = serving
        self._head_timeout = head_timeout
        self._listener: asyncio.Server | None = None
        self._ticker: asyncio.Task[None] | None = None
        self._connections: set[ClientConnection] = set()
        self._is_stopping = False
        self._are_all_lost = asyncio.Event()

    async def listen(self, host: str, port: int) -> None:
        """Accept connections, beside the other workers on the same port. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self._connection, host, port, reuse_port=True, backlog=_BACKLOG)
        self._ticker = loop.create_task(self._watch_deadlines())

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._listener is not None
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    @property
    def waiting_bytes(self) -> int:
        """Bytes of answers that wait for clients to take them."""
        return sum(connection.waiting_bytes for connection in self._connections)

    def stop_accepting(self) -> None:
        """Take no more connections or requests; what is being received or answered goes on."""
        self._is_stopping = True
        if self._listener is not None:
            self._listener.close()
        if not self._connections:
            self._are_all_lost.set()
        for connection in list(self._connections):
            connection.stop()

    async def shutdown(self, seconds: float) -> None:
        """Wait so long for what goes on; then cut it, and end every connection."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._are_all_lost.wait()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.sleep(0)
        for connection in list(self._connections):
            connection.abort()
        if self._ticker is not None:
            await cancel_and_wait(self._ticker)

    def _connection(self) -> ClientConnection:
        return ClientConnection(
            self._serving,
            loop=asyncio.get_running_loop(),
            head_timeout=self._head_timeout,
            opened=self._opened,
            lost=self._lost,
        )

    def _opened(self, connection: ClientConnection) -> None:
        self._connections.add(connection)
        if self._is_stopping:
            connection.stop()

    def _lost(self, connection: ClientConnection) -> None:
        self._connections.discard(connection)
        if self._is_stopping and not self._connections:
            self._are_all_lost.set()

    async def _watch_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK)
            now = loop.time()
            for connection in list(self._connections):
                connection.check_deadlines(now)
