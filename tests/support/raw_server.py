"""A TCP server whose connections a test handles, and which records them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class RawServer:
    """A listening server and its connections."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.port = 0
        self.requests: list[bytes] = []
        """The request heads that `next_request` read, on all connections."""
        self.writers: list[asyncio.StreamWriter] = []
        self.open = 0
        self._changed = asyncio.Event()

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        self.open += 1
        try:
            await self._serve(reader, writer)
            # Wait until the peer disconnects.
            while await reader.read(65_536):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            self.open -= 1
            self._changed.set()
            writer.close()

    async def next_request(self, reader: asyncio.StreamReader) -> bytes:
        """Read the head of the next request, which has no body."""
        head = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(head)
        return head

    async def all_gone(self) -> None:
        """Wait until no connection is open."""
        async with asyncio.timeout(30):
            while self.open:
                self._changed.clear()
                await self._changed.wait()


@contextlib.asynccontextmanager
async def raw_server(
    serve: Callable[[RawServer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    tls: ssl.SSLContext | None = None,
    host: str = "127.0.0.1",
    port: int = 0,
) -> AsyncIterator[RawServer]:
    """Run a `RawServer`."""
    raw = RawServer(lambda reader, writer: serve(raw, reader, writer))
    server = await asyncio.start_server(raw.accept, host, port, ssl=tls)
    raw.port = server.sockets[0].getsockname()[1]
    try:
        yield raw
    finally:
        server.close()
        for writer in raw.writers:
            writer.transport.abort()
        with contextlib.suppress(TimeoutError):
            await raw.all_gone()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close a connection with a reset."""
    import socket
    import struct

    client = writer.get_extra_info("socket")
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
