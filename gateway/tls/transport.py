"""The transport of a TLS connection, with the behaviour of a socket's transport.

The event loop encrypts in a layer above the socket's transport. That layer differs in three ways, which are made up
for here:

- It counts the bytes of one write as written once they are encrypted, so that one large response would not pause the
  writer at all. Large writes are split.
- It buffers eight times as many bytes before it pauses the writer.
- When it is closed, it waits for the client to close too. Clients with idle connections do not read, so that a stop of
  the server would wait for them. The connection is closed `LINGER_SECONDS` after the last bytes have been passed to the
  socket, and not before: some clients lose what they have not read when the socket is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any, cast

_HIGH_WATER = 64 * 1024
"""Bytes in the write buffer at which the writer is paused, as for a socket. The socket below has as many."""
_MAX_WRITE = 64 * 1024
LINGER_SECONDS = 5.0
"""Seconds after the last written bytes in which a client may close the connection itself."""
_CLOSE_INTERVAL = 0.1
"""Seconds between two checks whether everything was written."""


class TlsTransport(asyncio.Transport):
    """A transport above that of the event loop."""

    __slots__ = ("_last_write", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        transport.set_write_buffer_limits(_HIGH_WATER)
        self._last_write = loop.time()
        """Loop time at which bytes were written, or found in the write buffer."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        self._last_write = self._loop.time()
        if len(data) <= _MAX_WRITE:
            self._transport.write(data)
            return
        whole = memoryview(data)
        for start in range(0, len(whole), _MAX_WRITE):
            self._transport.write(whole[start : start + _MAX_WRITE])

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def abort(self) -> None:
        self._transport.abort()

    def close(self) -> None:
        # asyncio's own transport cannot be closed twice.
        if not self._transport.is_closing():
            self._transport.close()
            self._finish_close()

    def _finish_close(self) -> None:
        """Make the layer believe that the client has closed, in time after everything was passed to the socket."""
        client = self._transport.get_extra_info("socket")
        if client is None:
            return
        now = self._loop.time()
        if self._transport.get_write_buffer_size():
            self._last_write = now
        if now < self._last_write + LINGER_SECONDS:
            self._loop.call_later(_CLOSE_INTERVAL, self._finish_close)
            return
        with contextlib.suppress(OSError), client.dup() as duplicate:
            duplicate.shutdown(socket.SHUT_RD)


def client_transport(transport: asyncio.BaseTransport, loop: asyncio.AbstractEventLoop) -> asyncio.Transport:
    """Return the transport for a connection, with TLS or without."""
    plain = cast(asyncio.Transport, transport)
    return plain if plain.get_extra_info("sslcontext") is None else TlsTransport(plain, loop)
