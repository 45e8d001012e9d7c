"""The pool of connections to the one upstream.

The number of connections is bounded by whoever admits requests. The pool keeps up to `_MAX_IDLE` of them open between
requests, for less time than the server does (`keep_alive`), so that no request is sent on a connection that the server
is just closing. Names are resolved anew for each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Sequence

from gateway.proxy.error_locations import error_locations
from gateway.proxy.upstream.config import UpstreamAddress, UpstreamTimeouts
from gateway.proxy.upstream.connection import ConnectionState, UpstreamConnection
from gateway.proxy.upstream.errors import ConnectError, ConnectTimeoutError, UpstreamError
from gateway.proxy.upstream.keep_alive import KeepAlive
from gateway.proxy.upstream.response_parser import ResponseParser

log = logging.getLogger(__name__)

_MAX_IDLE = 128
_TICK = 0.25
"""Seconds between two checks of the deadlines."""


class UpstreamPool:
    """Sends requests on pooled connections. No request is ever sent twice."""

    def __init__(
        self,
        address: UpstreamAddress,
        timeouts: UpstreamTimeouts,
        check_head: Callable[[ResponseParser], None] = lambda response: None,
    ) -> None:
        """`check_head` raises `UpstreamError` for a response that must not be used."""
        self.address = address
        self._check_head = check_head
        self._timeouts = timeouts
        self._tls = ssl.create_default_context() if address.is_tls else None
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._keep_alive = KeepAlive()
        self._ticker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start checking the deadlines."""
        self._ticker = asyncio.get_running_loop().create_task(self._watch_deadlines())

    async def close(self) -> None:
        """Abort every connection."""
        if self._ticker is not None:
            self._ticker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._ticker
        for connection in list(self._open):
            connection.abort()
        self._open.clear()
        self._idle.clear()

    @property
    def connections(self) -> list[UpstreamConnection]:
        """All open connections, idle or busy, for diagnostics."""
        return list(self._open)

    async def send_request(self, head: bytes, body: bytes | None) -> UpstreamConnection:
        """Send a request and return its connection, on which the response will arrive. Raises `UpstreamError`.

        `head` is the result of `request_head`. A body of `None` sends no `Content-Length`. The caller must give the
        connection back with `release`.
        """
        return self._send(self._take_idle() or await self._connect(), head, body)

    async def wait_for_head(self, connection: UpstreamConnection) -> None:
        """Wait for the head of a response, and check it. Raises `UpstreamError`."""
        await connection.wait_for_head()
        self._check_head(connection.response)

    @property
    def has_idle(self) -> bool:
        """True if a request can be sent on an idle connection now."""
        while self._idle and not self._idle[-1].is_usable:
            self._retire(self._idle.pop())
        return bool(self._idle)

    def try_send(self, head: bytes, body: bytes) -> UpstreamConnection | None:
        """Do as `send_request` on an idle connection; if there is none, send nothing and return `None`."""
        connection = self._take_idle()
        try:
            return None if connection is None else self._send(connection, head, body)
        except UpstreamError:
            return None

    def release(self, connection: UpstreamConnection) -> None:
        """Take a connection back: keep it idle if it is reusable, abort it otherwise."""
        # The traceback of an error that was raised refers to the connection: a reference cycle.
        connection.error = None
        on_released, connection.on_released = connection.on_released, None
        if on_released is not None:
            on_released()
        seconds = self._keep_alive.seconds(connection.response.keep_alive_timeout)
        if seconds and connection.is_reusable and len(self._idle) < _MAX_IDLE:
            connection.mark_idle(seconds)
            self._idle.append(connection)
        else:
            connection.abort()
            self._open.discard(connection)

    async def is_reachable(self, *, with_tls: bool = False) -> bool:
        """Return True if the upstream accepts a TCP connection; no byte is sent on it, or only the TLS handshake."""
        try:
            connection = await self._open_connection(tls=self._tls if with_tls else None)
        except ConnectError:
            return False
        connection.abort()
        return True

    def _send(self, connection: UpstreamConnection, head: bytes, body: bytes | None) -> UpstreamConnection:
        end = b"\r\n" if body is None else b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        try:
            connection.send_request(head + end)
        except BaseException:
            self.release(connection)
            raise
        return connection

    def _take_idle(self) -> UpstreamConnection | None:
        return self._idle.pop() if self.has_idle else None

    def _retire(self, connection: UpstreamConnection) -> None:
        """End a connection that was idle, and learn from it how long the upstream keeps such connections open."""
        now = asyncio.get_running_loop().time()
        if connection.state is ConnectionState.CLOSED or connection.deadline > now:
            if self._keep_alive.closed_early(now):
                for other in self._idle:
                    other.deadline = min(other.deadline, now)
        elif self._keep_alive.adopt_probe(connection, now):
            return
        connection.abort()
        self._open.discard(connection)

    async def _connect(self) -> UpstreamConnection:
        connection = await self._open_connection(tls=self._tls)
        self._open.add(connection)
        return connection

    async def _open_connection(self, *, tls: ssl.SSLContext | None) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        connection = UpstreamConnection(loop, self._timeouts)
        try:
            async with asyncio.timeout(self._timeouts.connect):
                await loop.create_connection(lambda: connection, self.address.hostname, self.address.port, ssl=tls)
        except TimeoutError:
            connection.abort()
            raise ConnectTimeoutError("The upstream could not be reached in time") from None
        except (OSError, UnicodeError) as error:
            # UnicodeError: not a valid host name (RFC 3490).
            connection.abort()
            raise ConnectError("The upstream cannot be reached") from error
        except BaseException:
            # Cancelled in the turn in which it was connected, the connection would leak.
            connection.abort()
            raise
        return connection

    async def _watch_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK)
            self._check_deadlines(loop.time())

    def _check_deadlines(self, now: float) -> None:
        # Apart from the loop, whose variables would keep a closed connection until the next one.
        self._keep_alive.check_probe(now)
        for connection in self._idle[:]:
            if connection.state is ConnectionState.CLOSED or connection.deadline <= now:
                self._idle.remove(connection)
                self._retire(connection)
        for connection in [connection for connection in self._open if connection.deadline <= now]:
            try:
                connection.on_deadline()
            except Exception as error:
                log.error("a connection to the upstream was closed because of an error: %s", error_locations(error))
                connection.abort()
        self._open = {connection for connection in self._open if connection.state is not ConnectionState.CLOSED}


def request_head(method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return the head of a request without its `Content-Length` and its last, empty line.

    Raises `ValueError` for a line end or NUL within a field: neither a setting nor a key may add a line to a request.
    """
    lines = [method + b" " + target + b" HTTP/1.1", *(name + b": " + value for name, value in headers)]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise ValueError("a line end within a field of a request")
    return head + b"\r\n"
