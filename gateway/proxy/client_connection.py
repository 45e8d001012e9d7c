"""One connection of a client: aiohttp's handling of it, with what that lacks.

The rules:

- A request on whose framing two parsers could disagree is answered 4xx, as JSON, and the connection is closed; of what
  follows on it nothing is looked at. No line of what a client sent goes to a log.
- A client that does not finish the head of its request in time loses its connection, and so does one that takes
  nothing of an answer for too long.
- After a request in chunks, or one that asks for an upgrade, the connection is closed: aiohttp's parser takes the
  trailers of a request for headers of the next one, and drops what follows an upgrade that it does not know.
- An answer that cannot be brought to its end is never made to look whole.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
import traceback
from typing import Any

from aiohttp import HttpVersion11, StreamReader, web
from aiohttp.http_exceptions import BadHttpMethod, LineTooLong
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import ERROR, RequestHandler, _ErrInfo

from gateway.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST
from gateway.proxy.answers import METHODS, refusal
from gateway.proxy.client_writer import ClientWriter
from gateway.proxy.decision import Deny
from gateway.proxy.framing import FramingFault, RequestFraming

log = logging.getLogger(__name__)

_LINGERING_BYTES = 256 * 1024
"""Bytes of a refused body that are read while its client takes the answer; then the client is held back."""
_STALLED = 300.0
"""Seconds that a client may take nothing of an answer while more than the socket's buffers hold waits for it."""
_UNREADABLE = ERROR._replace(version=HttpVersion11)
"""Stands for a request that could not be read."""
_RESET = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which a close becomes a reset."""


def make_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """What the server calls to make a request of what its parser read."""
    protocol.begin_request(payload)
    if message is ERROR:
        message = _UNREADABLE
    return ClientRequest(message, payload, protocol, ClientWriter(protocol, writer.loop), task, writer.loop)


def break_off(request: web.BaseRequest) -> None:
    """End the connection in the middle of an answer, so that the answer cannot look whole."""
    transport = request.transport
    if transport is None:
        return
    if request.version == HttpVersion11:
        # Length or chunks tell that something is missing; what has passed by still arrives.
        transport.close()
    else:
        _reset(transport)


def _reset(transport: asyncio.Transport) -> None:
    client = transport.get_extra_info("socket")
    if client is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


class ClientRequest(web.BaseRequest):
    """A request, with what decides whether its connection may carry another."""

    @property
    def keep_alive(self) -> bool:
        message, connection = self._message, self._protocol
        assert isinstance(connection, ClientConnection)
        return not (message.should_close or message.chunked or message.upgrade or connection.is_closing)


class ClientConnection(RequestHandler):
    """What the server makes for each connection."""

    __slots__ = ("_framing", "_head_timeout", "_head_timer", "_is_refused", "_lingered", "_payload", "_stall_timer")

    def __init__(self, manager: web.Server, *, head_timeout: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._framing = RequestFraming()
        self._is_refused = False
        self._head_timeout = head_timeout
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._payload: StreamReader | None = None
        self._lingered = -1

    @property
    def is_closing(self) -> bool:
        """Whether no other request will be taken on this connection."""
        return self._is_refused or self._close or self._force_close

    def begin_request(self, payload: StreamReader) -> None:
        """A request is handed out; this is its body."""
        self._payload = payload
        self._lingered = -1

    async def finish_response(self, *arguments: Any) -> Any:
        # The handler is done: what still comes of the body is not wanted.
        self._lingered = 0
        return await super().finish_response(*arguments)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        try:
            self._framing.feed(data)
        except FramingFault as fault:
            self._refuse(fault)
            return
        if self._lingered >= 0 and self._is_receiving:
            self._lingered += len(data)
            if self._lingered > _LINGERING_BYTES and not self._buffer_paused:
                self._pause_reading_for_buffer()
        # A body that is on its way is taken in also by a server that closes; aiohttp would drop it.
        is_closing, self._close = self._close, self._close and not self._is_receiving
        super().data_received(data)
        self._close = self._close or is_closing
        last = self._messages[-1][0] if self._messages else None
        if isinstance(last, _ErrInfo):
            self._messages.pop()
            self._refuse(_fault_of(last.exc))
        elif self._framing.is_within_head:
            if self._head_timer is None:
                self._await_head()
        else:
            self._stop_timers(head=True)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stall_timer = self._loop.call_later(_STALLED, self._is_stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_timers(stall=True)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_timers(head=True, stall=True)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be parsed, or what failed here, without a word of the request."""
        if isinstance(exc, ConnectionError):
            # The client has gone; there is nobody to answer.
            raise exc
        if isinstance(exc, FramingFault):
            deny = Deny(status=exc.status, code=INVALID_REQUEST, message=str(exc), reason="framing")
        else:
            log.error("a request failed within the gateway: %s", _where(exc))
            if request.writer.output_size > 0:
                # The answer has begun: it must not look whole.
                break_off(request)
                raise ConnectionError("the answer was broken off") from None
            deny = Deny(status=500, code=INTERNAL_ERROR, message="Internal error", reason="internal")
        answer = refusal(deny, None)
        if deny.status == 405:
            answer.headers["Allow"] = METHODS
        answer.force_close()
        return answer

    @property
    def _is_receiving(self) -> bool:
        return bool(self._messages) or (self._payload is not None and not self._payload.is_eof())

    def _refuse(self, fault: FramingFault) -> None:
        """Answer 4xx when the requests before are answered, and look at nothing that follows."""
        self._is_refused = True
        self._stop_timers(head=True)
        unfinished = self._messages[-1][1] if self._messages else self._payload
        if unfinished is not None and not unfinished.is_eof():
            # Whoever reads the body is told; then aiohttp shall not wait for its end.
            unfinished.set_exception(fault)
            unfinished.feed_eof()
        self._request_count += 1
        self._messages.append((_ErrInfo(status=fault.status, exc=fault, message=str(fault)), EMPTY_PAYLOAD))
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _await_head(self) -> None:
        self._head_timer = self._loop.call_later(self._head_timeout, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._waiter is None:
            # An earlier request is being answered; the late one has its time anew.
            self._await_head()
        else:
            self._head_timer = None
            self.force_close()

    def _is_stalled(self) -> None:
        if self.transport is not None:
            _reset(self.transport)

    def _stop_timers(self, *, head: bool = False, stall: bool = False) -> None:
        if head and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if stall and self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


def _fault_of(error: BaseException) -> FramingFault:
    """What aiohttp's parser says, without the bytes that it quotes."""
    if isinstance(error, BadHttpMethod):
        return FramingFault("Method not allowed", 405)
    if isinstance(error, LineTooLong):
        return FramingFault("A header field is too large", 431)
    return FramingFault()


def _where(error: BaseException | None) -> str:
    """The kind of an error and the lines that it passed; its message may quote the request."""
    if error is None:
        return "unknown"
    lines = (f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)[-8:])
    return f"{type(error).__name__} at {', '.join(lines)}"
