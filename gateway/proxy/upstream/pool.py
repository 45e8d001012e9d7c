"""The pool of connections to the one upstream.

How many there are at most is decided by whoever admits requests; the pool keeps up to `_MAX_RESTING` of them open
between exchanges, for less time than servers do (5 s is common), so that a request is hardly ever sent on a connection
that is just being closed. Names are resolved anew for each connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.errors import ConnectError, ConnectTimeoutError

_MAX_RESTING = 128
_KEEP_ALIVE = 3.0
"""Seconds."""
_TICK = 0.25
"""Seconds between two looks at the deadlines."""


class UpstreamAddress:
    """Where the upstream is: the parts of its URL."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.is_tls = parts.scheme == "https"
        self.hostname = parts.hostname or ""
        self.port = parts.port or (443 if self.is_tls else 80)
        self.host = parts.netloc.rpartition("@")[2].encode("ascii")
        self.path = (parts.path or "/").encode("ascii")
        self.query = parts.query.encode("ascii")

    def request_target(self, query: bytes = b"") -> bytes:
        """The request target, with a client's query behind the upstream's own."""
        joined = b"&".join(part for part in (self.query, query) if part)
        return self.path + b"?" + joined if joined else self.path


class UpstreamPool:
    """Sends requests and hands out their answers."""

    def __init__(
        self, address: UpstreamAddress, *, connect_timeout: float, first_byte_timeout: float, idle_timeout: float
    ) -> None:
        self.address = address
        self._connect_timeout = connect_timeout
        self._first_byte_timeout = first_byte_timeout
        self._idle_timeout = idle_timeout
        self._tls = ssl.create_default_context() if address.is_tls else None
        self._resting: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._ticker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch the deadlines."""
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
        self._resting.clear()

    @property
    def open_connections(self) -> int:
        """How many connections there are, at rest or not."""
        return len(self._open)

    async def send_request(self, head: bytes, body: bytes | None) -> UpstreamConnection:
        """Send one request, of a head that `request_head` made; its answer then comes on the connection.

        `None` is no body, and no length. The caller gives the connection back with `release`, whatever happens. Nothing
        is ever sent a second time. Raises `UpstreamError`.
        """
        return self._send(self._take_resting() or await self._connect(), head, body)

    def try_send(self, head: bytes, body: bytes) -> UpstreamConnection | None:
        """As `begin`, where a connection is at rest; otherwise `None`, and nothing was sent. Raises `UpstreamError`."""
        connection = self._take_resting()
        return None if connection is None else self._send(connection, head, body)

    def release(self, connection: UpstreamConnection) -> None:
        """Take a connection back: it rests where its answer was whole, and is aborted otherwise."""
        if connection.is_reusable and len(self._resting) < _MAX_RESTING:
            connection.rest(_KEEP_ALIVE)
            self._resting.append(connection)
        else:
            connection.abort()
            self._open.discard(connection)

    async def is_reachable(self) -> bool:
        """Whether the upstream takes a TCP connection; no byte is sent."""
        try:
            connection = await self._open_connection(tls=None)
        except ConnectError:
            return False
        connection.abort()
        return True

    def _send(self, connection: UpstreamConnection, head: bytes, body: bytes | None) -> UpstreamConnection:
        try:
            connection.send(head + (b"\r\n" if body is None else b"Content-Length: %d\r\n\r\n%b" % (len(body), body)))
        except BaseException:
            self.release(connection)
            raise
        return connection

    def _take_resting(self) -> UpstreamConnection | None:
        while self._resting:
            connection = self._resting.pop()
            if connection.is_fresh:
                return connection
            connection.abort()
            self._open.discard(connection)
        return None

    async def _connect(self) -> UpstreamConnection:
        connection = await self._open_connection(tls=self._tls)
        self._open.add(connection)
        return connection

    async def _open_connection(self, *, tls: ssl.SSLContext | None) -> UpstreamConnection:
        loop = asyncio.get_running_loop()
        connection = UpstreamConnection(loop, self._first_byte_timeout, self._idle_timeout)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await loop.create_connection(lambda: connection, self.address.hostname, self.address.port, ssl=tls)
        except TimeoutError:
            connection.abort()
            raise ConnectTimeoutError("The upstream could not be reached in time") from None
        except (OSError, UnicodeError) as failure:
            # UnicodeError: a name that cannot be one (RFC 3490).
            connection.abort()
            raise ConnectError("The upstream cannot be reached") from failure
        except BaseException:
            # Cancelled just when the connection came about, it would be nobody's.
            connection.abort()
            raise
        return connection

    async def _watch_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_TICK)
            now = loop.time()
            for connection in [connection for connection in self._open if connection.deadline <= now]:
                connection.expire()
            self._resting = [connection for connection in self._resting if not connection.is_lost]
            self._open = {connection for connection in self._open if not connection.is_lost}


def request_head(method: bytes, target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """The head of a request but for its length and its end.

    Raises `ValueError` where it would hold a line end more: no setting and no key's owner may add a line to a request.
    """
    lines = [method + b" " + target + b" HTTP/1.1", *(name + b": " + value for name, value in headers)]
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
        raise ValueError("a line end within a field of a request")
    return head + b"\r\n"
