"""Pools for the tests, and a server that they send requests to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from gateway.proxy.upstream.config import UpstreamAddress, UpstreamTimeouts
from gateway.proxy.upstream.pool import UpstreamPool, request_head
from tests.support.raw_server import RawServer

FIELDS = [(b"Host", b"a")]


@contextlib.asynccontextmanager
async def pool_for(url: str, **timeouts: float) -> AsyncIterator[UpstreamPool]:
    pool = UpstreamPool(
        UpstreamAddress(url), UpstreamTimeouts(**{"connect": 2.0, "first_byte": 2.0, "idle": 2.0, **timeouts})
    )
    pool.start()
    try:
        yield pool
    finally:
        await pool.close()


async def get(pool: UpstreamPool, target: bytes) -> bytes:
    """Send a request and return the body of its response."""
    connection = await pool.send_request(request_head(b"GET", target, FIELDS), None)
    try:
        await connection.wait_for_head()
        body = b""
        while chunk := await connection.read():
            body += chunk
        return body
    finally:
        pool.release(connection)


async def echo(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Respond to each request with its target, in two segments."""
    while True:
        target = (await server.next_request(reader)).split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(target))
        await asyncio.sleep(0)
        writer.write(target[:2])
        await asyncio.sleep(0)
        writer.write(target[2:])


def url(server: RawServer, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{server.port}/mcp"
