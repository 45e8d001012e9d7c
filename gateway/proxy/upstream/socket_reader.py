"""Flow control of an upstream connection: when its socket is read, and into which memory."""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable

from gateway.proxy.upstream.body_buffer import BodyBuffer

_HIGH_WATER = 256 * 1024
"""Unread body bytes above which the socket is not read."""
_MAX_READ = 512 * 1024
"""Bytes that one direct read of the socket returns at most."""


class SocketReader:
    """Pauses a transport while its body has many unread bytes, and lets it receive directly into `body.recv_buffer`."""

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        body: BodyBuffer,
        on_direct_read: Callable[[int], None],
    ) -> None:
        self.is_paused = False
        self.is_direct = False
        """True while the transport receives directly."""
        self.buffer_whole = False
        """Lifts both bounds while the body has a `recv_buffer`, whose memory is allocated anyway."""
        self._transport = transport
        self._protocol = protocol
        self._body = body
        self._on_direct_read = on_direct_read
        socket = transport.get_extra_info("socket")
        self._poll: select.poll | None = None
        if socket is not None:
            self._poll = select.poll()
            self._poll.register(socket.fileno(), select.POLLIN)

    def update(self) -> None:
        """Adapt to the body after bytes have been received."""
        body = self._body
        is_direct = body.recv_buffer is not None
        if body.unread_bytes > _HIGH_WATER and not self.is_paused and not (is_direct and self.buffer_whole):
            self.is_paused = True
            self._transport.pause_reading()
        if is_direct is not self.is_direct:
            self.is_direct = is_direct
            self._transport.set_protocol(
                BufferedReceiver(self.get_buffer, self._on_direct_read, self._protocol) if is_direct else self._protocol
            )

    def resume(self) -> None:
        """Read the socket again if it is paused."""
        if self.is_paused:
            self.is_paused = False
            self._transport.resume_reading()

    def has_unseen_event(self) -> bool:
        """Return True if the socket holds bytes or an end of stream that the event loop has not delivered yet."""
        return self._poll is not None and bool(self._poll.poll(0))

    def get_buffer(self) -> memoryview:
        """Return the memory for the next direct read."""
        recv_buffer = self._body.recv_buffer
        assert recv_buffer is not None
        return recv_buffer if self.buffer_whole else recv_buffer[:_MAX_READ]


class BufferedReceiver(asyncio.BufferedProtocol):
    """Takes the place of a connection's protocol while its transport receives directly."""

    def __init__(
        self,
        get_buffer: Callable[[], memoryview],
        on_direct_read: Callable[[int], None],
        protocol: asyncio.Protocol,
    ) -> None:
        self._get_buffer = get_buffer
        self._on_direct_read = on_direct_read
        self._protocol = protocol

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._get_buffer()

    def buffer_updated(self, nbytes: int) -> None:
        self._on_direct_read(nbytes)

    def eof_received(self) -> None:
        self._protocol.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._protocol.connection_lost(exc)
