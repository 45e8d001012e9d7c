"""The pool leaks no connection, poisons none, and sends nothing twice."""

from __future__ import annotations

import asyncio
import gc
import socket
from typing import Any

import pytest

from gateway.proxy.upstream.connection import ConnectionState
from gateway.proxy.upstream.errors import (
    ConnectError,
    ConnectTimeoutError,
    FirstByteTimeoutError,
    IdleTimeoutError,
    ResponseError,
)
from gateway.proxy.upstream.pool import request_head
from tests.proxy.upstream.pools import FIELDS, echo, get, pool_for, url
from tests.support.loops import on_both_loops
from tests.support.raw_server import RawServer, raw_server
from tests.support.waiting import until


@on_both_loops
async def test_sequential_requests_share_a_connection_and_concurrent_ones_do_not() -> None:
    async with raw_server(echo) as server, pool_for(url(server)) as pool:
        for number in range(5):
            assert await get(pool, b"/%d" % number) == b"/%d" % number
        assert (len(server.writers), len(pool.connections)) == (1, 1)
        bodies = await asyncio.gather(*(get(pool, b"/%d" % number) for number in range(20)))
        assert bodies == [b"/%d" % number for number in range(20)]
        assert len(server.writers) == len(pool.connections) == 20
    assert pool.connections == []


@on_both_loops
async def test_a_cancellation_at_any_point_leaks_and_poisons_no_connection() -> None:
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
        assert min(cancelled, finished) >= 5, "some were cancelled, and some were not"
        await pool.close()
        await server.all_gone()


@on_both_loops
async def test_a_server_that_closes_idle_connections_never_gets_a_request_twice() -> None:
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
        assert sent == sorted(set(sent), key=targets.index), "none was sent twice"
        assert len(sent) + failed >= len(targets)
        for target in targets:
            await server.all_gone()
            assert await get(pool, target) == target


@on_both_loops
async def test_a_request_is_not_sent_again_when_its_connection_breaks() -> None:
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
async def test_an_unsolicited_response_is_not_taken_for_the_next_one() -> None:
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
async def test_releasing_a_connection_within_a_response_closes_it() -> None:
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
async def test_an_idle_connection_is_closed_at_its_deadline() -> None:
    async with raw_server(echo) as server, pool_for(url(server)) as pool:
        await get(pool, b"/")
        (connection,) = pool.connections
        connection.deadline = 0
        await server.all_gone()
        assert await get(pool, b"/again") == b"/again"
        assert len(server.writers) == 2


@on_both_loops
async def test_each_phase_times_out_with_its_own_error() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if b"/idle" in await server.next_request(reader):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nx")

    async with raw_server(serve) as server, pool_for(url(server), first_byte=0.1, idle=0.1) as pool:
        first, idle = await asyncio.gather(get(pool, b"/"), get(pool, b"/idle"), return_exceptions=True)
        assert (type(first), type(idle)) == (FirstByteTimeoutError, IdleTimeoutError)
        await server.all_gone()
        assert pool.connections == []


@on_both_loops
async def test_a_failure_to_connect_is_a_connect_error() -> None:
    for address in ("http://127.0.0.1:9/mcp", "http://does-not-exist.invalid/mcp", "http://a..b/mcp"):
        async with pool_for(address) as pool:
            with pytest.raises(ConnectError):
                await get(pool, b"/")
            assert not await pool.is_reachable()
            assert pool.connections == []


@on_both_loops
async def test_a_tls_handshake_that_hangs_is_a_connect_time_out_and_leaks_nothing() -> None:
    async def serve(_server: RawServer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with raw_server(serve) as server, pool_for(url(server, "https"), connect=0.1) as pool:
        with pytest.raises(ConnectTimeoutError):
            await get(pool, b"/")
        await server.all_gone()
        waiting = asyncio.ensure_future(get(pool, b"/"))
        await until(lambda: len(server.writers) == 2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await server.all_gone()


@on_both_loops
async def test_is_reachable_connects_and_sends_nothing() -> None:
    seen: list[bytes] = []

    async def serve(_server: RawServer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.read())

    async with raw_server(serve) as server, pool_for(url(server, "https")) as pool:
        assert await pool.is_reachable()
        await server.all_gone()
        assert seen == [b""]
        assert pool.connections == []


def test_names_are_resolved_for_each_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only on asyncio's loop: uvloop resolves names in C, also for each connection."""
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


@on_both_loops
async def test_requests_leak_no_objects() -> None:
    async with raw_server(echo) as server, pool_for(url(server)) as pool:
        await get(pool, b"/")
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(200):
            await get(pool, b"/")
        gc.collect()
        assert len(gc.get_objects()) - before < 300
