"""A bare proxy: asyncio protocols on uvloop, with httptools as the parser of requests and responses.

    python -m bench.proxies.bare_proxy PORT UPSTREAM_PORT

It shows what forwarding alone costs in Python. It has no keys, no metering, no checks, no time limits and no flow
control. A request is forwarded when it is complete, on an idle connection where there is one; a response is
streamed.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import cast

import httptools
import uvloop

_HOP_BY_HOP = {b"connection", b"host", b"transfer-encoding", b"content-length"}


class Pool:
    """Connections to the upstream."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.idle: list[UpstreamConnection] = []
        self._connecting: set[asyncio.Task[None]] = set()

    def send(self, request: bytes, client: ClientConnection) -> None:
        """Send a request on an idle connection, or on a new one."""
        if self.idle:
            self.idle.pop().send(request, client)
            return
        task = asyncio.get_running_loop().create_task(self._connect_and_send(request, client))
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect_and_send(self, request: bytes, client: ClientConnection) -> None:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: UpstreamConnection(self), "127.0.0.1", self.port)
        connection.send(request, client)


class ClientConnection(asyncio.Protocol):
    """Receives the requests of a client, one at a time."""

    transport: asyncio.Transport

    def __init__(self, pool: Pool) -> None:
        self.upstream: UpstreamConnection | None = None
        self._pool = pool
        self._parser = httptools.HttpRequestParser(self)
        self._head: list[bytes] = []
        self._body: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self.upstream is not None:
            self.upstream.transport.abort()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._head = [self._parser.get_method(), b" ", url, b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"]
        self._body = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() not in _HOP_BY_HOP:
            self._head += (name, b": ", value, b"\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._body:
            self._head.append(b"Content-Length: %d\r\n" % sum(map(len, self._body)))
        self._pool.send(b"".join((*self._head, b"\r\n", *self._body)), self)


class UpstreamConnection(asyncio.Protocol):
    """Sends one request at a time to the upstream, and its response to the client."""

    transport: asyncio.Transport

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._parser = httptools.HttpResponseParser(self)
        self._client: ClientConnection | None = None
        self._headers: list[bytes] = []
        self._received: list[bytes] = []
        self._is_chunked = False
        self._is_complete = False

    def send(self, request: bytes, client: ClientConnection) -> None:
        self._client = client
        client.upstream = self
        self._is_chunked = self._is_complete = False
        self._headers = []
        self.transport.write(request)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self._client is not None:
            self._client.upstream = None
            self._client.transport.close()
        elif self in self._pool.idle:
            self._pool.idle.remove(self)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        client = self._client
        if client is None:
            return
        client.transport.write(b"".join(self._received))
        self._received.clear()
        if self._is_complete:
            self._client = client.upstream = None
            self._pool.idle.append(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"transfer-encoding":
            self._is_chunked = True
        self._headers += (name, b": ", value, b"\r\n")

    def on_headers_complete(self) -> None:
        self._received += (b"HTTP/1.1 %d OK\r\n" % self._parser.get_status_code(), *self._headers, b"\r\n")

    def on_body(self, body: bytes) -> None:
        if self._is_chunked:
            self._received += (b"%x\r\n" % len(body), body, b"\r\n")
        else:
            self._received.append(body)

    def on_message_complete(self) -> None:
        if self._is_chunked:
            self._received.append(b"0\r\n\r\n")
        self._is_complete = True


async def _serve(port: int, upstream_port: int) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    pool = Pool(upstream_port)
    await loop.create_server(lambda: ClientConnection(pool), "127.0.0.1", port, backlog=4096)
    await stopped.wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
