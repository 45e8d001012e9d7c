"""Requests are sent unchanged and complete, and no field can add a line."""

from __future__ import annotations

import asyncio

import pytest

from gateway.proxy.upstream.config import UpstreamAddress
from gateway.proxy.upstream.pool import request_head
from tests.proxy.upstream.pools import FIELDS, echo, pool_for, url
from tests.support.loops import on_both_loops
from tests.support.raw_server import RawServer, raw_server


@on_both_loops
async def test_no_field_can_add_a_line_to_a_request() -> None:
    async with raw_server(echo) as server, pool_for(url(server)) as pool:
        for name, value in [
            (b"X", b"a\r\nY: b"),
            (b"X", b"a\nY: b"),
            (b"X", b"a\rb"),
            (b"X\r\nY", b"b"),
            (b"X", b"a\0"),
        ]:
            with pytest.raises(ValueError, match="line end"):
                await pool.send_request(request_head(b"GET", b"/", [(name, value)]), None)
        with pytest.raises(ValueError, match="line end"):
            await pool.send_request(request_head(b"GET", b"/ HTTP/1.1\r\nX: y", FIELDS), None)
        assert pool.connections == []
        assert server.requests == []


@on_both_loops
async def test_a_large_request_arrives_complete() -> None:
    body = bytes(range(256)) * 16_384

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await server.next_request(reader)
        assert head.endswith(b"\r\nContent-Length: %d\r\n\r\n" % len(body))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n%d" % (await reader.readexactly(len(body)) == body))

    async with raw_server(serve) as server, pool_for(url(server)) as pool:
        connection = await pool.send_request(request_head(b"POST", b"/", FIELDS), body)
        await connection.wait_for_head()
        assert await connection.read() == b"1"
        pool.release(connection)


def test_an_address_is_parsed_from_a_url() -> None:
    upstream = UpstreamAddress("https://user:secret@[::1]:8443/a%2fb?x=1")
    assert (upstream.hostname, upstream.port, upstream.is_tls, upstream.host) == ("::1", 8443, True, b"[::1]:8443")
    assert [upstream.request_target(), upstream.request_target(b"y=2")] == [b"/a%2fb?x=1", b"/a%2fb?x=1&y=2"]
    assert UpstreamAddress("http://h").request_target(b"y") == b"/?y"
