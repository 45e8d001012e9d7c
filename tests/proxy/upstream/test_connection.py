"""A connection to the upstream: an early end raises, slowness is bounded, and responses do not mix."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator

import pytest

from gateway.proxy.upstream.config import UpstreamTimeouts
from gateway.proxy.upstream.connection import ConnectionState, UpstreamConnection
from gateway.proxy.upstream.errors import FirstByteTimeoutError, IdleTimeoutError, ResponseError, UpstreamError
from tests.support.loops import on_both_loops
from tests.support.raw_server import RawServer, raw_server, reset
from tests.support.waiting import socket_events
from tests.support.wire import chunked

_TIMEOUTS = UpstreamTimeouts(connect=5, first_byte=5, idle=5)
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def connected(server: RawServer, timeouts: UpstreamTimeouts = _TIMEOUTS) -> AsyncIterator[UpstreamConnection]:
    loop = asyncio.get_running_loop()
    connection = UpstreamConnection(loop, timeouts)
    await loop.create_connection(lambda: connection, "127.0.0.1", server.port)
    try:
        yield connection
    finally:
        connection.abort()


async def whole_body(connection: UpstreamConnection) -> bytes:
    body = b""
    while chunk := await connection.read():
        body += chunk
    return body


@on_both_loops
async def test_a_connection_carries_one_request_after_another() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(3):
            await server.next_request(reader)
            writer.write(b"HTTP/1.1 20%d N%d\r\nX: %d\r\nContent-Length: 1\r\n\r\n%d" % ((number,) * 4))

    async with raw_server(serve) as server, connected(server) as connection:
        for number in range(3):
            connection.send_request(REQUEST)
            await connection.wait_for_head()
            assert (connection.response.status, connection.response.reason) == (200 + number, f"N{number}")
            assert connection.response.header(b"x") == str(number)
            assert await whole_body(connection) == b"%d" % number
            assert (connection.at_eof, connection.is_reusable) == (True, True)
            connection.mark_idle(5)
            assert connection.is_usable


@on_both_loops
async def test_a_response_without_a_length_is_complete_after_a_close_and_failed_after_a_reset() -> None:
    half_is_read = asyncio.Event()

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nhalf")
        if len(server.writers) == 1:
            writer.write_eof()
        else:
            await half_is_read.wait()
            reset(writer)

    async with raw_server(serve) as server:
        async with connected(server) as connection:
            connection.send_request(REQUEST)
            await connection.wait_for_head()
            assert await whole_body(connection) == b"half"
            assert not connection.is_reusable
        async with connected(server) as connection:
            connection.send_request(REQUEST)
            await connection.wait_for_head()
            assert await connection.read() == b"half"
            half_is_read.set()
            with pytest.raises(ResponseError):
                await connection.read()


@on_both_loops
async def test_a_response_that_ends_early_raises_after_its_received_bytes_were_read() -> None:
    broken = [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\nzz",
    ]

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(broken[(len(server.writers) - 1) // 2])
        await writer.drain()
        if len(server.writers) % 2:
            writer.close()
        else:
            await asyncio.sleep(0.01)
            reset(writer)

    async with raw_server(serve) as server:
        for raw in broken:
            for _ in ("closed", "reset"):
                async with connected(server) as connection:
                    connection.send_request(REQUEST)
                    body = b""
                    with pytest.raises(UpstreamError):  # noqa: PT012
                        await connection.wait_for_head()
                        while chunk := await connection.read():
                            body += chunk
                    assert b"ab".startswith(body)
                    assert body == b"" or b"ab" in raw
                    assert not connection.is_reusable


@on_both_loops
async def test_late_bytes_after_a_response_close_the_connection() -> None:
    is_read = asyncio.Event()

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(OK)
        await is_read.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil")

    for is_idle in (False, True):
        is_read.clear()
        async with raw_server(serve) as server, connected(server) as connection:
            connection.send_request(REQUEST)
            await connection.wait_for_head()
            assert await whole_body(connection) == b"ok"
            if is_idle:
                connection.mark_idle(5)
            is_read.set()
            await server.all_gone()
            assert connection.state is ConnectionState.CLOSED
            assert not connection.is_reusable


@on_both_loops
async def test_an_idle_connection_with_an_undelivered_event_is_not_usable() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(OK)

    for act in ("send", "close"):
        async with raw_server(serve) as server, connected(server) as connection:
            connection.send_request(REQUEST)
            await connection.wait_for_head()
            await whole_body(connection)
            connection.mark_idle(5)
            assert connection.is_usable
            # The event loop does not run between this and `is_usable`.
            with socket.socket(fileno=os.dup(server.writers[0].get_extra_info("socket").fileno())) as its_end:
                if act == "send":
                    its_end.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
                else:
                    its_end.shutdown(socket.SHUT_WR)
            assert connection.state is not ConnectionState.CLOSED
            assert not connection.is_usable


@on_both_loops
async def test_a_slow_reader_pauses_the_upstream_within_bounded_memory() -> None:
    size = 20_000_000

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 100_000):
            writer.write(b"x" * 100_000)

    async with raw_server(serve) as server, connected(server) as connection:
        connection.send_request(REQUEST)
        await connection.wait_for_head()
        most = 0
        for _ in range(100):
            await asyncio.sleep(0.001)
            most = max(most, connection.unread_bytes)
        assert 256 * 1024 < most < 1024 * 1024
        # An upstream that is paused by its reader does not time out.
        connection.on_deadline()
        assert connection.state is not ConnectionState.CLOSED
        body = 0
        while chunk := await connection.read():
            body += len(chunk)
            assert len(chunk) < 1024 * 1024
        assert body == size
        assert connection.is_reusable


@on_both_loops
async def test_an_unread_complete_response_does_not_block_the_next_request() -> None:
    response = b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        writer.write(response)
        await server.next_request(reader)
        writer.write(OK)

    async with raw_server(serve) as server, connected(server) as connection:
        connection.send_request(REQUEST)
        await connection.wait_for_head()
        connection.buffer_whole()
        complete = asyncio.Event()
        connection.listener = lambda: complete.set() if connection.response.is_complete else None
        await complete.wait()
        connection.listener = None
        connection.mark_idle(5)
        connection.send_request(REQUEST)
        await asyncio.wait_for(connection.wait_for_head(), 30)
        assert await whole_body(connection) == b"ok"


@on_both_loops
async def test_each_phase_has_its_own_time_out() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        if len(server.writers) == 1:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-")
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab")

    loop = asyncio.get_running_loop()
    async with raw_server(serve) as server:
        async with connected(server, UpstreamTimeouts(connect=5, first_byte=10, idle=100)) as connection:
            connection.send_request(REQUEST)
            assert 9 < connection.deadline - loop.time() <= 10
            head = asyncio.ensure_future(connection.wait_for_head())
            await socket_events()
            assert connection.deadline - loop.time() <= 10, "half a head does not start the idle time-out"
            connection.on_deadline()
            with pytest.raises(FirstByteTimeoutError):
                await head
            assert connection.state is ConnectionState.CLOSED
        async with connected(server, UpstreamTimeouts(connect=5, first_byte=10, idle=100)) as connection:
            connection.send_request(REQUEST)
            await connection.wait_for_head()
            assert 99 < connection.deadline - loop.time() <= 100
            assert await connection.read() == b"ab"
            rest = asyncio.ensure_future(connection.read())
            await asyncio.sleep(0)
            connection.on_deadline()
            with pytest.raises(IdleTimeoutError):
                await rest
        await server.all_gone()


@on_both_loops
async def test_a_cancelled_wait_leaves_the_response_readable() -> None:
    is_cancelled = asyncio.Event()

    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)
        await is_cancelled.wait()
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"whole"))

    async with raw_server(serve) as server, connected(server) as connection:
        connection.send_request(REQUEST)
        head = asyncio.ensure_future(connection.wait_for_head())
        await asyncio.sleep(0)
        head.cancel()
        with pytest.raises(asyncio.CancelledError):
            await head
        is_cancelled.set()
        await connection.wait_for_head()
        assert await whole_body(connection) == b"whole"


@on_both_loops
async def test_an_abort_raises_in_the_waiting_reader() -> None:
    async def serve(server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await server.next_request(reader)

    async with raw_server(serve) as server, connected(server) as connection:
        connection.send_request(REQUEST)
        head = asyncio.ensure_future(connection.wait_for_head())
        await asyncio.sleep(0)
        connection.abort()
        with pytest.raises(ResponseError):
            await asyncio.wait_for(head, 30)
        with pytest.raises(ResponseError):
            connection.send_request(REQUEST)
        await server.all_gone()
