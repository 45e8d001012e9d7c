"""The pool of connections: none leaks, none is poisoned, and nothing is ever sent twice."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from gateway.proxy.upstream.connection import ConnectionState, UpstreamTimeouts
from gateway.proxy.upstream.errors import (
    ConnectError,
    ConnectTimeoutError,
    FirstByteTimeoutError,
    IdleTimeoutError,
    ResponseError,
    UpstreamError,
)
from gateway.proxy.upstream.pool import UpstreamAddress, UpstreamPool, request_head
from tests.support.certificates import make_certificate
from tests.support.loops import on_both_loops
from tests.support.raw_server import RawServer, raw_server

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
    """One exchange from its beginning to its end."""
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
    """Answers each request with its target, in two pieces."""
    while True:
        target = (await server.next_request(reader)).split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(target))
        await asyncio.sleep(0)
        writer.write(target[:2])
        await asyncio.sleep(0)
        writer.write(target[2:])


def url(server: RawServer, scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f"{scheme}://{host}:{server.port}/mcp"


@on_both_loops
async def test_exchanges_one_after_another_use_one_connection_and_at_once_as_many_as_they_are() -> None:
    async with raw_server(echo) as server, pool_for(url(server)) as pool:
        for number in range(5):
            assert await get(pool, b"/%d" % number) == b"/%d" % number
        assert (len(server.writers), len(pool.connections)) == (1, 1)
        bodies = await asyncio.gather(*(get(pool, b"/%d" % number) for number in range(20)))
        assert bodies == [b"/%d" % number for number in range(20)]
        assert len(server.writers) == len(pool.connections) == 20
    assert pool.connections == []


@on_both_loops
async def test_cancelled_at_any_moment_an_exchange_leaves_no_connection_open_and_none_poisoned() -> None:
    async with raw_server(echo) as server, pool_for(url(server)) as pool:
        cancelled = finished = 0
        for is_warm in (False, True):
            for turns in range(40):
                if is_warm:
                    assert await get(pool, b"/warm") == b"/warm"
                else:
                    for connection in pool.connections:
                        connection.abort()
                    await server.all_gone()
                task = asyncio.ensure_future(get(pool, b"/cancelled/%d" % turns))
                for _ in range(turns):
                    await asyncio.sleep(0)
                task.cancel()
                try:
                    assert await task == b"/cancelled/%d" % turns
                    finished += 1
                except asyncio.CancelledError:
                    cancelled += 1
                assert await get(pool, b"/next") == b"/next"
                assert [connection.state for connection in pool.connections] == [ConnectionState.IDLE]
        assert min(cancelled, finished) >= 5, "both ends were tried"
        await pool.close()
        await server.all_gone()


@on_both_loops
async def test_a_server_that_closes_idle_connections_at_once_never_gets_a_request_twice() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await server.next_request(reader)).split(b" ")[1]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(target), target))
        await writer.drain()
        if len(server.requests) % 2:
            await asyncio.sleep(0)
        writer.close()

    async with raw_server(serve) as server, pool_for(url(server)) as pool:
        failed = 0
        targets = [b"/%d" % number for number in range(100)]
        for target in targets:
            try:
                assert await get(pool, target) == target
            except ResponseError:
                failed += 1
        sent = [head.split(b" ")[1] for head in server.requests]
        assert sent == sorted(set(sent), key=targets.index), "none twice"
        assert len(sent) + failed >= len(targets)
        for target in targets:
            await server.all_gone()
            assert await get(pool, target) == target


@on_both_loops
async def test_a_request_that_was_sent_is_not_sent_again_when_its_connection_breaks() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await server.next_request(reader)
        writer.close()

    async with raw_server(serve) as server, pool_for(url(server)) as pool:
        await get(pool, b"/first")
        with pytest.raises(ResponseError):
            await get(pool, b"/second")
        assert [head.split(b" ")[1] for head in server.requests] == [b"/first", b"/second"]
        assert pool.connections == []


@on_both_loops
async def test_what_a_server_says_unasked_is_no_answer_to_the_next_request() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        if len(server.writers) == 1:
            writer.write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 4\r\n\r\nevil")

    async with raw_server(serve) as server, pool_for(url(server)) as pool:
        for _ in range(2):
            assert await get(pool, b"/") == b"ok"
        assert len(server.writers) == 2


@on_both_loops
async def test_an_exchange_that_was_left_half_way_ends_its_connection() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")

    async with raw_server(serve) as server, pool_for(url(server)) as pool:
        connection = await pool.send_request(request_head(b"GET", b"/", FIELDS), None)
        await connection.wait_for_head()
        assert await connection.read() == b"x"
        pool.release(connection)
        pool.release(connection)
        assert pool.connections == []
        await server.all_gone()


@on_both_loops
async def test_a_connection_at_rest_is_closed_in_time() -> None:
    async with raw_server(echo) as server, pool_for(url(server)) as pool:
        await get(pool, b"/")
        (connection,) = pool.connections
        connection.deadline = 0
        await server.all_gone()
        assert await get(pool, b"/again") == b"/again"
        assert len(server.writers) == 2


@on_both_loops
async def test_what_takes_too_long_is_ended_by_phase() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/idle" in await server.next_request(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx")

    async with raw_server(serve) as server, pool_for(url(server), first_byte=0.1, idle=0.1) as pool:
        first, idle = await asyncio.gather(get(pool, b"/"), get(pool, b"/idle"), return_exceptions=True)
        assert (type(first), type(idle)) == (FirstByteTimeoutError, IdleTimeoutError)
        await server.all_gone()
        assert pool.connections == []


@on_both_loops
async def test_no_connection_is_an_error_of_its_own() -> None:
    for address in ("http://127.0.0.1:9/mcp", "http://does-not-exist.invalid/mcp", "http://a..b/mcp"):
        async with pool_for(address) as pool:
            with pytest.raises(ConnectError):
                await get(pool, b"/")
            assert not await pool.is_reachable()
            assert pool.connections == []


@on_both_loops
async def test_a_server_that_takes_the_connection_and_no_handshake_is_a_connect_timeout_and_leaves_nothing_open() -> (
    None
):
    async def serve(_server: RawServer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(serve) as server, pool_for(url(server, "https"), connect=0.1) as pool:
        with pytest.raises(ConnectTimeoutError):
            await get(pool, b"/")
        await server.all_gone()
        waiting = asyncio.ensure_future(get(pool, b"/"))
        await asyncio.sleep(0.02)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await server.all_gone()


@on_both_loops
async def test_reachable_means_a_connection_on_which_no_byte_was_sent() -> None:
    seen: list[bytes] = []

    async def serve(_server: RawServer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())

    async with raw_server(serve) as server, pool_for(url(server, "https")) as pool:
        assert await pool.is_reachable()
        await server.all_gone()
        assert seen == [b""]
        assert pool.connections == []


def test_names_resolve_anew_for_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """On asyncio's loop alone: uvloop resolves by itself, for each connection too."""
    addresses = iter(["127.0.0.1", "127.0.0.2"])
    asked: list[str] = []
    resolve = socket.getaddrinfo

    def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
        if host != "upstream.test":
            return resolve(host, *arguments, **options)
        asked.append(host)
        return resolve(next(addresses), *arguments, **options)

    async def named(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name: bytes = writer.get_extra_info("sockname")[0].encode()
        await server.next_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(name), name))

    async def scenario() -> None:
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        async with (
            raw_server(named) as first,
            raw_server(named, host="127.0.0.2", port=first.port),
            pool_for(url(first, host="upstream.test")) as pool,
        ):
            assert [await get(pool, b"/"), await get(pool, b"/")] == [b"127.0.0.1", b"127.0.0.2"]
        assert len(asked) == 2

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        runner.run(scenario())


# TLS.


@on_both_loops
async def test_an_upstream_with_tls_must_be_trusted_and_be_who_it_says(
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


@pytest.mark.parametrize("in_chunks", [False, True])
@on_both_loops
async def test_large_answers_come_whole_over_tls_one_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_chunks: bool
) -> None:
    public, context = make_certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    body = bytes(range(256)) * 4096

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await server.next_request(reader):
            if in_chunks:
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                writer.write(b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
            else:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with raw_server(serve, context) as server, pool_for(url(server, "https")) as pool:
        for _ in range(3):
            assert await get(pool, b"/") == body
        assert len(pool.connections) == 1


def test_over_tls_an_answer_is_whole_by_a_close_of_tls_and_not_by_one_of_tcp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the workers' loop alone: asyncio's own does not tell the two apart."""
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


# What is sent.


@on_both_loops
async def test_no_field_adds_a_line_to_a_request() -> None:
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
async def test_a_large_request_arrives_whole() -> None:
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


def test_the_parts_of_an_upstreams_url() -> None:
    upstream = UpstreamAddress("https://user:secret@[::1]:8443/a%2fb?x=1")
    assert (upstream.hostname, upstream.port, upstream.is_tls, upstream.host) == ("::1", 8443, True, b"[::1]:8443")
    assert [upstream.request_target(), upstream.request_target(b"y=2")] == [b"/a%2fb?x=1", b"/a%2fb?x=1&y=2"]
    assert UpstreamAddress("http://h").request_target(b"y") == b"/?y"


@on_both_loops
async def test_exchanges_leave_nothing_behind() -> None:
    async with raw_server(echo) as server, pool_for(url(server)) as pool:
        await get(pool, b"/")
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(200):
            await get(pool, b"/")
        gc.collect()
        assert len(gc.get_objects()) - before < 300
