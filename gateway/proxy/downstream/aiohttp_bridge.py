"""aiohttp's server behind a `ClientConnection`: one protocol object of `aiohttp.web.Server` for each connection.

aiohttp is used through the methods of `asyncio.Protocol` and `asyncio.Transport` alone: it gets the bytes of one
request after another, and writes to `AiohttpBridge`, which is its transport. The rules:

- aiohttp has no time-outs and writes no log; the connection has both.
- What aiohttp writes while no handler runs is its response to a head that it rejects. The gateway's is sent instead.
- If aiohttp closes its transport, the connection decides how: after a time to read the response, or with a reset.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from gateway.proxy.downstream.flow_control import BODY, FlowControl
from gateway.proxy.downstream.framing import MAX_HEAD
from gateway.proxy.downstream.request_context import EXTRA_INFO, Connection

_NO_KEEP_ALIVE_TIMEOUT = 10 * 365 * 86400.0
"""Seconds. Zero would not mean "never"."""
_MAX_FIELDS = 10_000
"""More than fit into a head. The handler rejects heads with too many, with a better message."""

_silent = logging.getLogger(f"{__name__}.silent")
_silent.disabled = True


def make_server(handle: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> web.Server:
    """Return the factory of aiohttp's protocol objects. Needs a running event loop."""
    server = web.Server(
        handle,
        handler_cancellation=True,
        access_log=None,
        logger=_silent,
        keepalive_timeout=_NO_KEEP_ALIVE_TIMEOUT,
        tcp_keepalive=False,
        lingering_time=0,
        auto_decompress=False,
        max_line_size=MAX_HEAD,
        max_field_size=MAX_HEAD,
        max_headers=_MAX_FIELDS,
    )
    protocol = server()
    # A release of aiohttp that does not know one of the settings drops them all.
    settings = protocol.max_field_size, protocol.max_headers, protocol.keepalive_timeout
    if settings != (MAX_HEAD, _MAX_FIELDS, _NO_KEEP_ALIVE_TIMEOUT):
        raise RuntimeError("This release of aiohttp ignores settings of its server; install aiohttp>=3.14.2")
    return server


class AiohttpBridge(asyncio.Transport):
    """The transport that aiohttp sees, and the way to its protocol object."""

    __slots__ = ("_connection", "_flow", "_is_detached", "_is_over", "_transport", "protocol")

    def __init__(
        self,
        connection: Connection,
        transport: asyncio.Transport,
        flow: FlowControl,
        protocol: asyncio.Protocol,
    ) -> None:
        self._connection = connection
        self._transport = transport
        self._flow = flow
        self.protocol = protocol
        """That of aiohttp."""
        self._is_detached = False
        self._is_over = False
        """True once aiohttp has closed the transport or rejected a request."""
        protocol.connection_made(self)

    # Called by the connection.

    def feed(self, data: bytes) -> None:
        """Pass bytes of a request to aiohttp."""
        try:
            self.protocol.data_received(data)
        except Exception:
            # aiohttp raises for some invalid targets.
            self._reject()

    def detach(self, error: Exception | None) -> None:
        """Tell aiohttp that the connection is lost; it cancels its handler."""
        if not self._is_detached:
            self._is_detached = self._is_over = True
            self.protocol.connection_lost(error)

    # asyncio.Transport.

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._connection.context if name == EXTRA_INFO else self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        context = self._connection.context
        if context is not None and context.is_handled:
            self._transport.write(data)
        else:
            self._reject()

    def pause_reading(self) -> None:
        self._flow.pause_reading(BODY)

    def resume_reading(self) -> None:
        self._flow.resume_reading(BODY)

    def is_closing(self) -> bool:
        return self._is_over or self._transport.is_closing()

    def close(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._connection.aiohttp_closed()

    def _reject(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._connection.aiohttp_rejected()
