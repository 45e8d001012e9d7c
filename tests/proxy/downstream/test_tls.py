"""A TLS connection behaves as a plain one: it answers, pauses, closes and is reset in the same way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from aiohttp import web

from gateway.proxy.downstream import connection as connection_module
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.request_context import RequestContext, ResponseWriter
from gateway.proxy.downstream.response import Response, serialize_head
from gateway.proxy.downstream.server import ProxyServer
from gateway.tls import server as tls_server
from gateway.tls import transport as tls_transport
from gateway.tls.pair import PairFiles
from gateway.tls.server import ServerTls
from tests.support.certificates import make_pair, trusting
from tests.support.loops import on_both_loops
from tests.support.waiting import until
from tests.support.wire import answers_in

LARGE = b"x" * 30_000_000
"""More than the buffers of two sockets hold."""
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST_GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


class Handler:
    """Answers with one body, or without framing if the request has HTTP/1.0."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.ended = 0
        """Requests whose handler has ended, in whatever way."""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        writer = ResponseWriter(request, RequestContext.of(request))
        head = serialize_head(200, None, ((b"Content-Type", b"text/plain"),))
        try:
            if request.version.minor:
                await writer.send(Response(head=head, body=self.body))
            else:
                writer.begin(head, None)
                await writer.end(self.body)
            return writer.finish()
        finally:
            self.ended += 1

    def framing_response(self, error: FramingError) -> Response:
        return Response(head=serialize_head(400, None, ()), body=b"bad", close_connection=True)


class Served:
    """A running server with TLS."""

    def __init__(self, server: ProxyServer, files: PairFiles, handler: Handler) -> None:
        self.server = server
        self.files = files
        self.handler = handler

    @contextlib.asynccontextmanager
    async def connection(
        self, context: ssl.SSLContext | None = None
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Connect with TLS."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1",
            self.server.port,
            ssl=context or trusting(self.files),
            server_hostname="localhost",
            ssl_shutdown_timeout=1,
        )
        try:
            yield reader, writer
        finally:
            writer.transport.abort()

    async def blocking_client(self) -> ssl.SSLSocket:
        """Connect with a socket that reads only when it is told to, as clients with idle connections do."""

        def connect() -> ssl.SSLSocket:
            plain = socket.create_connection(("127.0.0.1", self.server.port), timeout=30)
            return trusting(self.files).wrap_socket(plain, server_hostname="localhost")

        return await asyncio.to_thread(connect)


@contextlib.asynccontextmanager
async def serving(folder: Path, body: bytes = b"hello") -> AsyncIterator[Served]:
    files, handler = make_pair(folder, "localhost"), Handler(body)
    server = ProxyServer(handler, None, head_timeout=5, keepalive_timeout=75)
    await server.listen("127.0.0.1", 0, ServerTls(files))
    try:
        yield Served(server, files, handler)
    finally:
        server.stop_accepting()
        await server.shutdown(0)


@on_both_loops
async def test_requests_of_a_connection_are_answered_over_http_1_1(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        context = trusting(served.files)
        context.set_alpn_protocols(["h2", "http/1.1"])
        async with served.connection(context) as (reader, writer):
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            writer.write(GET + GET + LAST_GET)
            assert [answer.body for answer in answers_in(await reader.read())] == [b"hello"] * 3


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_a_client_without_tls_1_2_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with served.connection(context):
                pass


@on_both_loops
async def test_a_client_that_speaks_plain_http_is_disconnected_without_a_trace(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(GET)
        with contextlib.suppress(ConnectionError):
            assert b"HTTP" not in await asyncio.wait_for(reader.read(), 30)
        writer.close()
        assert served.server.connections == set()
    assert caplog.records == []


@on_both_loops
async def test_a_handshake_that_takes_too_long_is_ended(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_server, "HANDSHAKE_SECONDS", 0.1)
    async with serving(tmp_path) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
        writer.write(b"\x16\x03\x01")
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 30) == b""
        writer.close()
    assert caplog.records == []


# Closing.


@on_both_loops
async def test_a_client_that_reads_slowly_gets_the_whole_last_response(tmp_path: Path) -> None:
    async with serving(tmp_path, LARGE) as served, served.connection() as (reader, writer):
        writer.write(LAST_GET)
        await reader.readuntil(b"\r\n\r\n")
        size = 0
        while not served.handler.ended:
            size += len(await reader.read(100_000))
        assert size < len(LARGE)
        # The server closes now.
        await asyncio.sleep(0.3)
        while data := await reader.read(1_000_000):
            size += len(data)
        assert size == len(LARGE)
        await until(lambda: not served.server.connections)


@on_both_loops
async def test_a_client_that_pauses_before_it_reads_the_last_response_gets_all_of_it(tmp_path: Path) -> None:
    body = b"x" * 150_000
    async with serving(tmp_path, body) as served, served.connection() as (reader, writer):
        cast(asyncio.Transport, writer.transport).pause_reading()
        writer.write(LAST_GET)
        await until(lambda: served.handler.ended)
        await asyncio.sleep(0.3)
        cast(asyncio.Transport, writer.transport).resume_reading()
        (answer,) = answers_in(await reader.read())
        assert answer.body == body


@on_both_loops
async def test_a_stop_does_not_wait_for_clients_with_idle_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_transport, "LINGER_SECONDS", 0.2)
    async with serving(tmp_path) as served:
        with await served.blocking_client() as client:
            await asyncio.to_thread(client.sendall, GET)
            answered = await asyncio.to_thread(client.recv, 1000)
            assert answered.endswith(b"hello")
            served.server.stop_accepting()
            # The client does not close.
            await asyncio.wait_for(served.server.shutdown(60), 30)
            assert served.server.connections == set()
            assert await asyncio.to_thread(client.recv, 1000) == b"", "a proper end of TLS"


@on_both_loops
async def test_a_client_that_does_not_close_after_the_last_response_is_disconnected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_transport, "LINGER_SECONDS", 0.2)
    async with serving(tmp_path) as served:
        with await served.blocking_client() as client:
            await asyncio.to_thread(client.sendall, LAST_GET)
            await until(lambda: served.handler.ended and not served.server.connections)
            (answer,) = answers_in(await asyncio.to_thread(client.recv, 1000))
            assert answer.body == b"hello"


@on_both_loops
async def test_a_client_that_never_reads_the_last_response_is_disconnected_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "CLOSE_SECONDS", 0.3)
    async with serving(tmp_path, LARGE) as served:
        with await served.blocking_client() as client:
            await asyncio.to_thread(client.sendall, LAST_GET)
            served.server.stop_accepting()
            await until(lambda: served.server.connections)
            [connection] = served.server.connections
            await until(lambda: connection.write_buffer_bytes)
            connection.cancel()
            await until(lambda: not served.server.connections)


@on_both_loops
async def test_a_request_with_invalid_framing_is_answered_before_the_close(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.connection() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +1\r\n\r\n")
        (answer,) = answers_in(await asyncio.wait_for(reader.read(), 30))
        assert answer.status == 400
        await until(lambda: not served.server.connections)


@on_both_loops
async def test_a_response_without_framing_ends_with_the_end_of_tls(tmp_path: Path) -> None:
    async with serving(tmp_path) as served:
        with await served.blocking_client() as client:
            await asyncio.to_thread(client.sendall, b"GET / HTTP/1.0\r\n\r\n")
            received = b""
            # A TLS connection that is cut raises an error here.
            while data := await asyncio.to_thread(client.recv, 1000):
                received += data
            assert received.endswith(b"\r\n\r\nhello")


# Back-pressure and disconnects.


@on_both_loops
async def test_a_client_that_reads_nothing_pauses_the_writer_within_bounds(tmp_path: Path) -> None:
    async with serving(tmp_path) as served, served.connection() as (reader, writer):
        cast(asyncio.Transport, writer.transport).pause_reading()
        writer.write(GET)
        await until(lambda: served.server.connections)
        [connection] = served.server.connections
        await until(lambda: served.handler.ended)
        piece = b"x" * 16_384
        written = 0
        while not connection.is_writing_paused:
            connection.finish(piece)
            written += len(piece)
            await asyncio.sleep(0)
        assert 0 < connection.write_buffer_bytes < 2 * 64 * 1024
        cast(asyncio.Transport, writer.transport).resume_reading()
        while connection.is_writing_paused:
            await asyncio.wait_for(reader.read(1_000_000), 30)


@on_both_loops
@pytest.mark.parametrize("with_close_notify", [True, False])
async def test_a_disconnect_ends_the_request(tmp_path: Path, with_close_notify: bool) -> None:
    async with serving(tmp_path, LARGE) as served:
        client = await served.blocking_client()
        await asyncio.to_thread(client.sendall, GET)
        await until(lambda: any(each.is_writing_paused for each in served.server.connections))
        assert not served.handler.ended
        if with_close_notify:
            client.settimeout(0)
            with contextlib.suppress(OSError):
                client.unwrap()
        client.close()
        await until(lambda: served.handler.ended and not served.server.connections)
