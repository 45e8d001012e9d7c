"""How connections to the admin API are served: aiohttp's way, with what it lacks.

- What is no valid HTTP is answered 400 as problem+json; not a byte of it goes to the log, for it may hold a token.
- A client that does not finish the head of its request in time loses its connection.
- A body is refused for its encoding, not decoded first.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from admin_api.http.problem import Problem

HEAD_TIMEOUT_SECONDS = 30.0
KEEPALIVE_SECONDS = 75.0
_LINGERING_SECONDS = 2.0
"""For a client to send what is left of a refused body."""
_MAX_FIELD_BYTES = 16 * 1024

_log = logging.getLogger(__name__)


class Runner(web.AppRunner):
    """Runs the application on such connections."""

    def __init__(
        self, app: web.Application, *, head_timeout: float = HEAD_TIMEOUT_SECONDS, shutdown_timeout: float = 10.0
    ) -> None:
        super().__init__(
            app,
            access_log=None,
            shutdown_timeout=shutdown_timeout,
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=_LINGERING_SECONDS,
            auto_decompress=False,
            max_line_size=_MAX_FIELD_BYTES,
            max_field_size=_MAX_FIELD_BYTES,
        )
        self._head_timeout = head_timeout

    async def _make_server(self) -> web.Server:
        await super()._make_server()
        server = _Connections(self._app._handle, request_factory=self._app._make_request, **self._kwargs)  # type: ignore[arg-type]
        server.head_timeout = self._head_timeout
        return server


class _Connections(web.Server):
    head_timeout = HEAD_TIMEOUT_SECONDS

    def __call__(self) -> RequestHandler:
        return _Connection(self, self.head_timeout, loop=asyncio.get_running_loop(), **self._kwargs)


class _Connection(RequestHandler):
    __slots__ = ("_head_timeout", "_head_timer")

    def __init__(self, manager: _Connections, head_timeout: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._request_in_progress:
            self._head_is_there()
        elif self._head_timer is None:
            self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_is_there()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, or what failed outside of any handler."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        if status >= 500:
            _log.error("A request failed outside of its handler", exc_info=exc)
            answer = Problem(500, "Something went wrong here.").response()
        else:
            _log.info("What is no valid HTTP request was refused")
            answer = Problem(400, "This is not a valid HTTP request.").response()
        answer.force_close()
        return answer

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_timeout, self._head_is_late)

    def _head_is_there(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        self.force_close()
