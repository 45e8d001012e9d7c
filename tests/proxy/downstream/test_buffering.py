"""The bytes that a connection buffers are bounded, and those that need no buffering are passed on immediately."""

from __future__ import annotations

import asyncio

from gateway.proxy.admission.credentials.key_headers import KeyHeaders
from gateway.proxy.admission.head import read_head
from gateway.proxy.admission.head_cache import CachedRequestHead
from gateway.proxy.admission.origins import Origins
from gateway.proxy.downstream.connection import ClientConnection, FastPath
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.response import Response
from tests.proxy.downstream.lines import POST
from tests.support.wire import request


class Inner(asyncio.Protocol):
    """Stands for aiohttp: records what it is fed."""

    def __init__(self) -> None:
        self.received = b""

    def data_received(self, data: bytes) -> None:
        self.received += data


class RefusingFastPath(FastPath):
    """Takes no request."""

    def begin(self, *_arguments: object) -> None:
        return None


class StubServer:
    """The server of one connection."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.fast_path: FastPath | None = RefusingFastPath()
        self.is_stopping = False
        self.last_tick = self.loop.time()
        self.head_timeout = 10.0
        self.keepalive_timeout = 75.0
        self.connections: set[ClientConnection] = set()
        self.inner = Inner()

    def make_protocol(self) -> asyncio.Protocol:
        return self.inner

    def framing_response(self, error: FramingError) -> Response:
        raise error

    def connection_lost(self, connection: ClientConnection) -> None:
        pass


class StubTransport(asyncio.Transport):
    """A socket that is read or not."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


async def test_a_client_that_pipelines_faster_than_it_is_served_is_buffered_within_bounds() -> None:
    server, transport = StubServer(), StubTransport()
    connection = ClientConnection(server)
    connection.connection_made(transport)
    raw = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    segment = raw * 1000
    sent = 0
    for _ in range(2000):
        if transport.reading:
            connection.data_received(segment)
            sent += len(segment)
        assert connection.context is not None, "every request is served"
        assert sent - len(server.inner.received) < 64 * 1024 + 2 * len(segment)
        connection.response_sent(connection.context, keep_alive=True)
        await asyncio.sleep(0)
    assert sent > 2 * len(segment), "the socket is read again"


async def test_a_head_that_the_fast_path_never_takes_is_passed_on_before_its_body() -> None:
    server = StubServer()
    connection = ClientConnection(server)
    connection.connection_made(StubTransport())
    origins = Origins(bind_host="127.0.0.1", allowed_hosts=(), allowed_origins=(), trusted_proxies=())
    head = read_head(
        "POST", "/mcp", ((b"Host", b"localhost"), (b"Expect", b"100-continue")), "127.0.0.1", origins, KeyHeaders(())
    )
    raw = request(POST, b"Expect: 100-continue")
    connection.data_received(raw)
    assert connection.context is not None
    connection.remember(CachedRequestHead(head))
    connection.response_sent(connection.context, keep_alive=True)
    without_body = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    connection.data_received(without_body)
    assert server.inner.received == raw + without_body
