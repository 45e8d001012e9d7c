"""The HTTP server that clients connect to: aiohttp's low-level one, with what it lacks.

The rules:

- A request on whose framing two parsers could disagree is answered 400, as JSON, and the connection is closed. No line
  of what a client sent goes to a log.
- A client that does not finish the head of its request in time loses its connection.
- Only aiohttp's C parser is trusted with this; the process refuses to start without it.
- When a client goes away, the handler of its request is cancelled at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import http_parser, web
from aiohttp.web_protocol import RequestHandler

from gateway.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST
from gateway.proxy.answers import refusal
from gateway.proxy.decision import Deny

log = logging.getLogger(__name__)

_KEEP_ALIVE = 75.0
"""Seconds that an idle client connection stays open."""
_LINGERING = 1.0
"""Seconds for a client to send what is left of a refused body."""
_BACKLOG = 1024
_MAX_FIELD = 16 * 1024
"""Bytes of one header field."""

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ProxyServer(web.Server):
    """Accepts connections and hands their requests to `handle`."""

    def __init__(self, handle: Handle, *, max_request_bytes: int, head_timeout: float) -> None:
        if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
            raise RuntimeError(
                "aiohttp runs without its C extensions (AIOHTTP_NO_EXTENSIONS?): its parser is not strict"
            )
        super().__init__(handle, handler_cancellation=True, request_factory=self._request)
        self._max_request_bytes = max_request_bytes
        self._head_timeout = head_timeout
        self._listener: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> None:
        """Accept connections, beside the other workers on the same port. Raises `OSError`."""
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(self, host, port, reuse_port=True, backlog=_BACKLOG)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._listener is not None
        port: int = self._listener.sockets[0].getsockname()[1]
        return port

    def stop_accepting(self) -> None:
        """Take no more connections, and close those that are idle."""
        if self._listener is not None:
            self._listener.close()
        self.pre_shutdown()

    def __call__(self) -> RequestHandler:
        return _ClientConnection(
            self,
            loop=asyncio.get_running_loop(),
            head_timeout=self._head_timeout,
            keepalive_timeout=_KEEP_ALIVE,
            access_log=None,
            lingering_time=_LINGERING,
            auto_decompress=False,
            max_line_size=_MAX_FIELD,
            max_field_size=_MAX_FIELD,
        )

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
        return web.BaseRequest(
            message,
            payload,
            protocol,
            writer,
            task,
            asyncio.get_running_loop(),
            client_max_size=self._max_request_bytes,
        )


class _ClientConnection(RequestHandler):
    __slots__ = ("_head_timeout", "_head_timer")

    def __init__(self, manager: ProxyServer, *, head_timeout: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._request_in_progress:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None
        elif self._head_timer is None:
            self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed, or what failed here, without a word of the request."""
        if status >= 500:
            log.error("a request failed within the gateway", exc_info=exc)
            deny = Deny(status=status, code=INTERNAL_ERROR, message="Internal error", reason="internal")
        else:
            deny = Deny(status=status, code=INVALID_REQUEST, message="Not a valid HTTP request", reason="framing")
        answer = refusal(deny, None)
        answer.force_close()
        return answer

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_timeout, self._head_is_late)

    def _head_is_late(self) -> None:
        self._head_timer = None
        self.force_close()
