"""No request is lost at an upstream that closes idle connections, whether it announces when or not.

Time is virtual. What the server receives and sends is delayed, so that a request that leaves shortly before the server
closes is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator

import pytest

from gateway.proxy.upstream.errors import ResponseError
from gateway.proxy.upstream.pool import UpstreamPool
from gateway.proxy.upstream.response_head import keep_alive_timeout
from tests.proxy.upstream.pools import get, pool_for
from tests.support.virtual_time import in_virtual_time

_LATENCY = 0.02


class ClosingServer:
    """Closes connections that were idle for `idle_seconds`; `fields` are header lines of its responses."""

    def __init__(self, idle_seconds: float, fields: bytes = b"") -> None:
        self.idle_seconds = idle_seconds
        self.fields = fields
        self.connections = 0
        self.closed = 0
        """Connections that the server, not its client, has closed."""
        self.url = ""


class _Connection(asyncio.Protocol):
    def __init__(self, server: ClosingServer) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.BaseTransport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._is_closed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._server.connections += 1

    def data_received(self, data: bytes) -> None:
        assert data.endswith(b"\r\n\r\n")
        self._loop.call_later(_LATENCY, self._respond)

    def connection_lost(self, exc: Exception | None) -> None:
        self._is_closed = True

    def _respond(self) -> None:
        if self._is_closed:
            return
        if self._idle is not None:
            self._idle.cancel()
        self._idle = self._loop.call_later(self._server.idle_seconds, self._close)
        self._loop.call_later(
            _LATENCY, self._write, b"HTTP/1.1 200 OK\r\n%bContent-Length: 2\r\n\r\nok" % self._server.fields
        )

    def _write(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.write(data)

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._server.closed += 1
            assert self._transport is not None
            self._loop.call_later(_LATENCY, self._transport.close)


@contextlib.asynccontextmanager
async def pool_to(server: ClosingServer) -> AsyncIterator[UpstreamPool]:
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: _Connection(server), "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/mcp"
    try:
        async with pool_for(server.url) as pool:
            yield pool
    finally:
        listening.close()


async def lost_of(pool: UpstreamPool, pauses: list[float], clients: int) -> int:
    """Let so many clients send a request after each of the pauses; return how many requests were lost."""

    async def one() -> bool:
        try:
            return await get(pool, b"/") != b"ok"
        except ResponseError:
            return True

    lost = 0
    for pause in pauses:
        await asyncio.sleep(pause)
        lost += sum(await asyncio.gather(*(one() for _ in range(clients))))
    return lost


def mixed_pauses(idle_seconds: float, count: int) -> list[float]:
    """Return pauses of all lengths, half of them about as long as the server's time-out."""
    chance = random.Random(1)
    near = [idle_seconds + chance.uniform(-3, 1) * _LATENCY for _ in range(count // 2)]
    pauses = near + [chance.uniform(0, 1.3 * idle_seconds) for _ in range(count // 2)]
    chance.shuffle(pauses)
    return pauses


@pytest.mark.parametrize("idle_seconds", [1, 2, 5])
@pytest.mark.parametrize("is_announced", [False, True], ids=["unannounced", "announced"])
@in_virtual_time
async def test_no_request_is_lost_when_the_upstream_closes_idle_connections(
    idle_seconds: int, is_announced: bool
) -> None:
    fields = b"Keep-Alive: timeout=%d\r\n" % idle_seconds if is_announced else b""
    server = ClosingServer(idle_seconds, fields)
    async with pool_to(server) as pool:
        calls = 0
        for clients in (1, 3, 12):
            pauses = mixed_pauses(idle_seconds, 100)
            calls += clients * len(pauses)
            assert await lost_of(pool, pauses, clients) == 0
        assert server.connections < calls, "connections are reused"


@in_virtual_time
async def test_a_connection_is_reused_until_shortly_before_the_announced_time_out() -> None:
    server = ClosingServer(20, b"Keep-Alive: timeout=20, max=1000\r\n")
    async with pool_to(server) as pool:
        assert await lost_of(pool, [0, 10, 18], 1) == 0
        assert server.connections == 1
        assert await lost_of(pool, [19.5], 1) == 0
        assert server.connections == 2


@in_virtual_time
async def test_an_unannounced_time_out_is_trusted_once_a_connection_has_outlived_a_longer_pause() -> None:
    server = ClosingServer(5)
    async with pool_to(server) as pool:
        assert await lost_of(pool, [0, 2], 1) == 0
        assert server.connections == 2
        await asyncio.sleep(4)
        server.connections = 0
        assert await lost_of(pool, [2] * 10, 1) == 0
        assert server.connections == 1


@in_virtual_time
async def test_the_trust_ends_when_the_upstream_begins_to_close_earlier() -> None:
    server = ClosingServer(5)
    async with pool_to(server) as pool:
        await lost_of(pool, [0, 4, 0], 3)
        server.idle_seconds = 1
        await lost_of(pool, [0], 3)
        await asyncio.sleep(2)
        assert server.closed, "one was closed before the pool would have done so"
        assert await lost_of(pool, mixed_pauses(1, 100), 3) == 0


@in_virtual_time
async def test_a_connection_is_not_reused_after_its_last_announced_request() -> None:
    server = ClosingServer(60, b"Keep-Alive: timeout=60, max=0\r\n")
    async with pool_to(server) as pool:
        assert await lost_of(pool, [0, 0, 0], 1) == 0
        assert server.connections == 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5),
        (b"Timeout = 5 , MAX=100", 5),
        (b"max=100, timeout=5", 5),
        (b'timeout="5"', 5),
        (b"timeout=75, max=0", 0),
        (b"timeout=0", 0),
        (b"max=100", None),
        (b"115", None),
        (b"timeout=", None),
        (b"timeout=-1", None),
        (b"xtimeout=3", None),
        (b"", None),
    ],
)
def test_the_time_out_of_the_keep_alive_field(value: bytes, seconds: int | None) -> None:
    assert keep_alive_timeout([(b"Date", b"timeout=1"), (b"kEEP-aLIVE", value)]) == seconds


def test_the_shortest_of_several_time_outs_counts() -> None:
    assert keep_alive_timeout([(b"Keep-Alive", b"timeout=9"), (b"Keep-Alive", b"timeout=4")]) == 4
