"""Memory of an idle listening stream."""

from __future__ import annotations

import contextlib
import socket
import time

import msgspec

from bench import machine
from bench.proxies.processes import BenchError
from bench.proxies.proxy import Proxy

_FIRST = 100
"""Streams opened before the measurement, so that one-time allocations do not count."""
_COUNT = 1000
_SETTLE_SECONDS = 2.0
OPEN_FILES = 2 * (_FIRST + _COUNT) + 500
"""Maximum number of files that a proxy has open during the measurement."""


class IdleStreams(msgspec.Struct, frozen=True):
    """Memory of idle streams in the proxy's process."""

    proxy: str
    streams: int
    kib_per_stream: float


def measure(proxy: Proxy) -> IdleStreams:
    """Open many listening streams, and measure the growth of the proxy's process. Raises `BenchError`."""
    pid = next(iter(proxy.processes.values()))
    with contextlib.ExitStack() as streams:
        for _ in range(_FIRST):
            streams.enter_context(_open_stream(proxy))
        time.sleep(_SETTLE_SECONDS)
        before = machine.memory_kib(pid)
        for _ in range(_COUNT):
            streams.enter_context(_open_stream(proxy))
        time.sleep(_SETTLE_SECONDS)
        return IdleStreams(proxy.name, _COUNT, (machine.memory_kib(pid) - before) / _COUNT)


def _open_stream(proxy: Proxy) -> socket.socket:
    stream = socket.create_connection(("127.0.0.1", proxy.port), timeout=10)
    stream.sendall(
        b"GET /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: bench/1\r\nAccept: text/event-stream\r\n"
        b"Mcp-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: a-session-of-the-bench\r\n"
        b"Authorization: Bearer " + proxy.key.encode() + b"\r\n\r\n"
    )
    head = b""
    while b"\r\n\r\n" not in head:
        chunk = stream.recv(4096)
        if not chunk:
            raise BenchError(f"{proxy.name} closed a listening stream")
        head += chunk
    if not head.startswith(b"HTTP/1.1 200 "):
        raise BenchError(f"{proxy.name} rejected a listening stream: {head!r}")
    return stream
