"""TLS to the upstream: certificates are verified, and a truncated stream is detected."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import uvloop

from gateway.proxy.upstream.errors import (
    ConnectError,
    ResponseError,
    UpstreamError,
)
from tests.proxy.upstream.pools import echo, get, pool_for, url
from tests.support.certificates import make_certificate
from tests.support.loops import on_both_loops
from tests.support.raw_server import RawServer, raw_server


@on_both_loops
async def test_the_certificate_of_the_upstream_must_be_trusted_and_match_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    public, context = make_certificate(tmp_path, "127.0.0.1")
    async with raw_server(echo, context) as server:
        async with pool_for(url(server, "https")) as pool:
            with pytest.raises(ConnectError):
                await get(pool, b"/")
        monkeypatch.setenv("SSL_CERT_FILE", str(public))
        async with pool_for(url(server, "https")) as pool:
            for number in range(3):
                assert await get(pool, b"/%d" % number) == b"/%d" % number
            assert len(pool.connections) == 1
        async with pool_for(url(server, "https", host="localhost")) as pool:
            with pytest.raises(ConnectError):
                await get(pool, b"/")
        async with pool_for(url(server)) as pool:
            with pytest.raises(UpstreamError):
                await get(pool, b"/")
        assert len(server.requests) == 3


@pytest.mark.parametrize("is_chunked", [False, True])
@on_both_loops
async def test_large_responses_over_tls_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_chunked: bool
) -> None:
    public, context = make_certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    body = bytes(range(256)) * 4096

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await server.next_request(reader):
            if is_chunked:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with raw_server(serve, context) as server, pool_for(url(server, "https")) as pool:
        for _ in range(3):
            assert await get(pool, b"/") == body
        assert len(pool.connections) == 1


def test_over_tls_a_response_without_a_length_ends_with_close_notify_and_not_with_tcp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only on uvloop, which workers run on: asyncio's own loop does not distinguish the two."""
    public, context = make_certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(public))

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        await writer.drain()
        if len(server.requests) == 1:
            writer.close()
        else:
            writer.transport.abort()

    async def scenario() -> None:
        async with raw_server(serve, context) as server, pool_for(url(server, "https")) as pool:
            assert await get(pool, b"/") == b"half"
            with pytest.raises(ResponseError):
                await get(pool, b"/")
            assert pool.connections == []

    uvloop.run(scenario())
