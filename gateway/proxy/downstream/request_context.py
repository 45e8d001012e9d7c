"""A request on the general path, as its connection and its handler share it.

The connection makes the `RequestContext` when it passes the head to aiohttp. The handler finds it with
`RequestContext.of`, and makes a `ResponseWriter`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from aiohttp import HttpVersion11, StreamReader, hdrs, web

from gateway.proxy.admission.head_cache import CachedRequestHead
from gateway.proxy.downstream.flow_control import NEVER
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.response import Response

if TYPE_CHECKING:
    from gateway.proxy.downstream.response_writer import ResponseWriter

EXTRA_INFO = "mcp_gateway.request_context"
"""The name for which `get_extra_info` of aiohttp's transport returns the context of the current request."""


class SentCall(Protocol):
    """A call that the fast path has sent upstream."""

    started: float
    """Monotonic time at which the request was received."""

    def client_disconnected(self) -> None:
        """Release everything: the client has disconnected, or the server stops. Nothing else is called after that."""

    def respond(self, writer: ResponseWriter) -> Awaitable[Response | None]:
        """Continue on the general path: return the response, or send it and return `None`."""


class Connection(Protocol):
    """The connection of a request."""

    deadline: float
    """Loop time at which the connection is aborted."""

    @property
    def is_stopping(self) -> bool:
        """True if the connection will be closed after the response."""

    @property
    def context(self) -> RequestContext | None:
        """The request that aiohttp serves."""

    @property
    def is_writing_paused(self) -> bool:
        """True while the client reads more slowly than the response is written."""

    def remember(self, head: CachedRequestHead) -> None:
        """Keep the head of the current request for the next one with the same bytes."""

    def response_sent(self, context: RequestContext, *, keep_alive: bool) -> None:
        """Go on to the next request. If the connection is not kept alive, aiohttp closes it next."""

    def aiohttp_rejected(self) -> None:
        """Respond to a request that aiohttp rejects."""

    def aiohttp_closed(self) -> None:
        """Close: aiohttp is done with the connection."""


class RequestContext:
    """The state of one request."""

    __slots__ = (
        *("_call", "_content", "_error", "allows_keep_alive", "cached_head", "connection", "is_chunked", "is_handled"),
        *("header_lines", "is_http_1_1", "is_received", "is_response_complete", "is_unframed", "task"),
    )

    def __init__(self, connection: Connection, cached_head: CachedRequestHead | None, call: SentCall | None) -> None:
        self.connection = connection
        self.cached_head = cached_head
        """The same head, as an earlier request of the connection had it."""
        self.is_received = False
        """True once the whole request has arrived."""
        self.header_lines = b""
        """Further lines for the head of the response."""
        self.is_chunked = False
        self.is_http_1_1 = True
        self.allows_keep_alive = False
        """True if another request may follow on the connection, as far as the head of this one says."""
        self.is_handled = False
        """True once the handler has begun. What is written before is aiohttp's response to a head that it rejects."""
        self.is_unframed = False
        """True if the response ends with the connection (HTTP/1.0), so that nothing else shows that it is complete."""
        self.is_response_complete = False
        self.task: asyncio.Task[None] | None = None
        self._call = call
        self._content: StreamReader | None = None
        self._error: FramingError | None = None

    @staticmethod
    def of(request: web.BaseRequest) -> RequestContext:
        """Return the context of a request whose handler begins."""
        context = request.get_extra_info(EXTRA_INFO)
        assert isinstance(context, RequestContext)
        context.is_handled = True
        context.connection.deadline = NEVER
        context.task = request.task
        context.is_http_1_1 = request.version == HttpVersion11
        # Servers differ most on where a chunked request and one that offers an upgrade end.
        is_end_certain = not context.is_chunked and hdrs.UPGRADE not in request.headers
        context.allows_keep_alive = request.keep_alive and is_end_certain
        return context

    def take_call(self) -> SentCall | None:
        """Return the call to continue, if the fast path has sent the request; the caller must end it."""
        call, self._call = self._call, None
        return call

    def remember_head(self, head: CachedRequestHead) -> None:
        """Keep the head for the next request of the connection with the same bytes."""
        self.cached_head = head
        if self.is_http_1_1 and self.allows_keep_alive:
            self.connection.remember(head)

    def read_from(self, content: StreamReader) -> None:
        """Let invalid framing in the rest of the body fail its reader. Raises `FramingError` if it was found before."""
        if self._error is not None:
            raise self._error
        self._content = content

    def fail_body(self, error: FramingError) -> None:
        """Fail the reader of the body."""
        self._error = error
        if self._content is not None:
            self._content.set_exception(error)

    def end(self) -> None:
        """Forget the task, and end a call that it has not taken: it never will."""
        # The traceback of a cancelled task refers to the context: a reference cycle.
        self.task = None
        call = self.take_call()
        if call is not None:
            call.client_disconnected()
