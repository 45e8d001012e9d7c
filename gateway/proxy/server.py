"""The HTTP server that clients connect to: aiohttp's low-level one.

The rules, beside those of `gateway.proxy.client_connection`:

- Only aiohttp's C parser is trusted with requests; the process refuses to start without it.
- When a client goes away, the handler of its request is cancelled at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import http_parser, web

from gateway.proxy.client_connection import ClientConnection, make_request

_KEEP_ALIVE = 75.0
"""Seconds that an idle client connection stays open."""
_LINGERING = 1.0
"""Seconds for a client to take the answer to a request whose body was refused."""
_BACKLOG = 1024
_MAX_FIELD = 16 * 1024
"""Bytes of one header field."""

Handle = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class ParserNotStrictError(RuntimeError):
    """This process may not read requests."""


class ProxyServer(web.Server):
    """Accepts connections and hands their requests to `handle`.

    Raises `ParserNotStrictError` where aiohttp's C parser is missing.
    """

    def __init__(self, handle: Handle, *, head_timeout: float) -> None:
        if http_parser.HttpRequestParser is http_parser.HttpRequestParserPy:
            raise ParserNotStrictError(
                "aiohttp runs without its C extensions (AIOHTTP_NO_EXTENSIONS?), and its other parser is not strict"
            )
        super().__init__(handle, handler_cancellation=True, request_factory=make_request)
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
        """Take no more connections or requests; what is being received or answered goes on."""
        if self._listener is not None:
            self._listener.close()
        self.pre_shutdown()

    def __call__(self) -> ClientConnection:
        return ClientConnection(
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
