"""Connections of the admin API: aiohttp's request handler with stricter limits.

- Invalid HTTP is answered with 400 as `application/problem+json`; its bytes are not logged, because they may contain a
  token.
- A connection is closed if the head of a request is not complete in time.
- Bodies are not decompressed: the endpoint rejects them by their encoding.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from admin_api.http.problem import Problem
from gateway.tls.server import ServerTls
from gateway.tls.transport import client_transport

HEAD_TIMEOUT_SECONDS = 30.0
KEEPALIVE_SECONDS = 75.0
_LINGERING_SECONDS = 2.0
"""Seconds in which the rest of a rejected body is read."""
_MAX_FIELD_BYTES = 16 * 1024

_log = logging.getLogger(__name__)


class Runner(web.AppRunner):
    """Runs the application on these connections."""

    def __init__(
        self,
        app: web.Application,
        *,
        head_timeout: float = HEAD_TIMEOUT_SECONDS,
        keepalive_timeout: float = KEEPALIVE_SECONDS,
        shutdown_timeout: float = 10.0,
    ) -> None:
        super().__init__(
            app,
            access_log=None,
            shutdown_timeout=shutdown_timeout,
            keepalive_timeout=keepalive_timeout,
            lingering_time=_LINGERING_SECONDS,
            auto_decompress=False,
            max_line_size=_MAX_FIELD_BYTES,
            max_field_size=_MAX_FIELD_BYTES,
        )
        self._head_timeout = head_timeout

    async def _make_server(self) -> web.Server:
        await super()._make_server()
        server = _Server(self._app._handle, request_factory=self._app._make_request, **self._kwargs)  # type: ignore[arg-type]
        server.head_timeout = self._head_timeout
        return server


class Site(web.SockSite):
    """A bound socket that serves the application, with TLS or not."""

    def __init__(self, runner: Runner, listener: socket.socket, tls: ServerTls | None, *, backlog: int) -> None:
        super().__init__(runner, listener, ssl_context=tls.context if tls is not None else None, backlog=backlog)
        self._options = tls.server_options if tls is not None else {}

    async def start(self) -> None:
        # Not `SockSite.start`, which has no time-out for the handshake.
        await web.BaseSite.start(self)
        assert self._runner.server is not None
        self._server = await asyncio.get_running_loop().create_server(
            self._runner.server, sock=self._sock, backlog=self._backlog, **self._options
        )


class _Server(web.Server):
    head_timeout = HEAD_TIMEOUT_SECONDS

    def __call__(self) -> RequestHandler:
        return _Connection(self, self.head_timeout, loop=asyncio.get_running_loop(), **self._kwargs)


class _Connection(RequestHandler):
    __slots__ = ("_head_timeout", "_head_timer")

    def __init__(self, manager: _Server, head_timeout: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(client_transport(transport, self._loop))
        self._start_head_timer()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._request_in_progress:
            self._stop_head_timer()
        elif self._head_timer is None:
            self._start_head_timer()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_head_timer()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to an invalid request, or to an error outside the application."""
        if request.writer.output_size > 0:
            raise ConnectionError("the response has already started")
        if status >= 500:
            _log.error("A request failed outside the application", exc_info=exc)
            response = Problem(500, "Internal error.").response()
        else:
            _log.info("Rejected an invalid HTTP request")
            response = Problem(400, "This is not a valid HTTP request.").response()
        response.force_close()
        return response

    def _start_head_timer(self) -> None:
        self._head_timer = self._loop.call_later(self._head_timeout, self._close_late)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _close_late(self) -> None:
        self._head_timer = None
        self.force_close()
