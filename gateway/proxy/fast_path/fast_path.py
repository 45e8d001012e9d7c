"""The straight way of the usual call: from its last byte to the upstream, and from there to its client, in callbacks.

The rules:

- Usual is a whole `tools/call` with the same head as the request before it on its connection, of a key and in a session
  that are remembered, with nothing to be asked of anybody; and its whole answer, come at once, the result of a tool.
- What is not usual takes the general path (`gateway.proxy.pipeline.handler`): from its beginning where nothing is done,
  and from its answer on where the request has been sent.
- Nothing is decided here: what may pass is decided by the same functions on both ways.
- As everywhere, an answer goes out only when its usage event is safe.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from gateway import metering
from gateway.event_loop.busy_poller import BusyPoller
from gateway.protocol.buffers import slice_view
from gateway.protocol.message import Message
from gateway.protocol.message_parser import MalformedMessage, parse_body
from gateway.protocol.sse import is_inside_single_event, single_event_data
from gateway.proxy.accounting.calls import Call, tool_call
from gateway.proxy.accounting.pending_calls import PendingCalls, meter_tool_response
from gateway.proxy.accounting.response_decoder import decode_tool_response
from gateway.proxy.accounting.services import AccountingServices
from gateway.proxy.accounting.usage_events import EventIdentity, arguments_hash, build_usage_event
from gateway.proxy.admission import rejections
from gateway.proxy.admission.admission import Admission
from gateway.proxy.admission.caller import Caller
from gateway.proxy.admission.concurrency import ConcurrencyLimiter
from gateway.proxy.admission.head import Principal, RequestHead, caller_of
from gateway.proxy.downstream import responses
from gateway.proxy.downstream.connection import Continuation
from gateway.proxy.downstream.cors import cors_headers
from gateway.proxy.downstream.request_context import RequestContext
from gateway.proxy.downstream.response import Response
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.forwarding import Forwarding, client_head
from gateway.proxy.upstream.connection import UpstreamConnection

CLIENT_LEFT = 499
"""What is counted for a client that left before its answer began; nobody is sent it."""

_MAX_WAITED = 256 * 1024
"""Bytes of an answer that is waited for to its end; of a larger one, what has come passes before."""
_MAX_WAIT = 0.25
"""Seconds for the end of a stream; on the long way, it is cut within a second of its key's revocation."""


class FastPathCall:
    """A usual call that has been sent upstream."""

    __slots__ = (
        *("_ahead", "_answer", "_call", "_is_counted", "_is_left", "_late", "_way"),
        *("caller", "exchange", "incoming", "message", "principal", "started", "upstream"),
    )

    def __init__(
        self,
        way: FastPath,
        exchange: RequestContext,
        incoming: RequestHead,
        principal: Principal,
        message: Message,
        call: Call,
        caller: Caller,
        started: float,
        upstream: UpstreamConnection,
    ) -> None:
        self._way = way
        self.exchange = exchange
        self.incoming = incoming
        self.principal = principal
        self.message = message
        self._call = call
        self.caller = caller
        self.started = started
        self.upstream = upstream
        self._answer: Response | None = None
        """What goes out when the usage event is safe."""
        self._is_counted = False
        self._is_left = False
        self._late: asyncio.TimerHandle | None = None
        """What happens when the end of the answer is late."""
        upstream.listener = self._heard
        self._ahead: EventIdentity | None = None

    def work_ahead(self) -> None:
        """Do, while the upstream is at work, some of what is to be done when its answer has come."""
        # What fails now will fail again then.
        with contextlib.suppress(Exception):
            self._ahead = self._identity()

    def _identity(self) -> EventIdentity:
        """Return the parts of the usage event that do not depend on the response."""
        clock = self._way.clock
        return EventIdentity(clock.new_event_id(clock.now_ms()), arguments_hash(self._call.arguments))

    def _heard(self) -> None:
        """The upstream has sent something, or failed."""
        if self.upstream.is_head_pending or self._waits_for_the_rest():
            return
        self._stop_listening()
        try:
            is_passed = self._pass_whole()
        except Exception:
            # The long way meets it again, and answers for it; but not for what is counted.
            is_passed = self._is_counted
        if not is_passed:
            self._go_on()

    def _go_on(self) -> None:
        """The long way, from here on."""
        self._stop_listening()
        self.exchange.continue_in_task(self._way.take_up(self))

    def _stop_listening(self) -> None:
        self.upstream.listener = None
        if self._late is not None:
            self._late.cancel()

    def _waits_for_the_rest(self) -> bool:
        """Wait on, for a small answer of which nothing could be passed on before; for a stream, not for long."""
        upstream = self.upstream
        if upstream.is_finished or upstream.unread_bytes > _MAX_WAITED:
            return False
        upstream.buffer_whole()
        if not client_head(upstream, self.incoming.origin).is_event_stream:
            return upstream.content_length is not None and upstream.content_length <= _MAX_WAITED
        if upstream.unread_bytes == 0 or not is_inside_single_event(*upstream.body_view()):
            return False
        if self._late is None:
            self._late = asyncio.get_running_loop().call_later(_MAX_WAIT, self._go_on)
        return True

    def _pass_whole(self) -> bool:
        """Whether the usual answer has come: then it is counted, and goes out when that is safe."""
        way, upstream = self._way, self.upstream
        if not upstream.is_complete or upstream.trailers:
            return False
        place = upstream.body_view()
        head = client_head(upstream, self.incoming.origin)
        in_chunks = head.is_event_stream and upstream.content_length is None
        if in_chunks and self.exchange.request.version != "1.1":
            return False
        body = slice_view(*place)
        data = single_event_data(*place) if head.is_event_stream else body
        if data is None:
            return False
        outcome = meter_tool_response(self._call, decode_tool_response(data), way.meter, len(data))
        if outcome is None:
            return False
        event = build_usage_event(
            self._call,
            self.caller,
            self._ahead or self._identity(),
            outcome,
            created_at=way.clock.now_ms(),
            duration_ms=round((way.clock.monotonic() - self.started) * 1000, 3),
        )
        self._answer = Response(head=head.head, body=body, chunked=in_chunks)
        is_alone = way.room.has_one("request")
        way.forwarding.append_then(event, self._safe, is_alone=is_alone)
        # Redis is at work meanwhile.
        self._is_counted = True
        way.forwarding.give_up(upstream)
        if is_alone:
            self.exchange.prepare(self._answer)
        return True

    def _safe(self, problem: Exception | None) -> None:
        """The usage event is safe, or could be made safe nowhere."""
        if self._is_left:
            return
        assert self._answer is not None
        if problem is None:
            self.exchange.finish(self._answer)
            self._end(self._answer.head.status, "forwarded")
        else:
            deny = rejections.USAGE_UNAVAILABLE
            cors = cors_headers(self.incoming.origin)
            self.exchange.finish(responses.deny_response(deny, self.message.id, cors=cors))
            self._end(deny.status, deny.reason)

    def client_disconnected(self) -> None:
        """The client has gone: what can be counted all the same goes on without it."""
        self._is_left = True
        if not self._is_counted:
            self._stop_listening()
            self._way.forwarding.leave(self.incoming, self.upstream, self.calls())
        self._end(CLIENT_LEFT, "client_left")

    def calls(self) -> PendingCalls:
        """The call, waiting for its answer on the long way."""
        way, record = self._way, self.principal.record
        return PendingCalls((self.message,), self.caller, record, way.accounting, started=self.started)

    def _end(self, status: int, reason: str) -> None:
        self._way.room.leave("request")
        self._way.observed.answered("POST", status, reason, self._way.clock.monotonic() - self.started)


class FastPath:
    """Begins usual calls; `take_up` gives the work that brings back the answer to one on the long way."""

    def __init__(
        self,
        *,
        gatekeeper: Admission,
        forwarding: Forwarding,
        room: ConcurrencyLimiter,
        accounting: AccountingServices,
        observed: ProxyMetricsSink,
        gateway_id: str,
        max_request_bytes: int,
        take_up: Callable[[FastPathCall], Continuation],
    ) -> None:
        self.forwarding = forwarding
        self.room = room
        self.accounting = accounting
        self.clock = accounting.clock
        self.meter = accounting.meter
        self.observed = observed
        self.take_up = take_up
        self._awake = BusyPoller()
        self._gatekeeper = gatekeeper
        self._gateway_id = gateway_id
        self._max_request_bytes = max_request_bytes

    def begin(self, exchange: RequestContext) -> FastPathCall | None:
        """Send a usual call upstream; `None` for any other request, of which nothing has been done then."""
        incoming, request = exchange.head_cache, exchange.request
        if not isinstance(incoming, RequestHead) or incoming.headers is not request.headers or not incoming.is_usual:
            return None
        started = self.clock.monotonic()
        principal = self._gatekeeper.recall(incoming)
        body_bytes = request.whole_body()
        if principal is None or len(body_bytes) > self._max_request_bytes:
            return None
        try:
            body = parse_body(body_bytes)
        except MalformedMessage:
            return None
        message = body.messages[0]
        if body.is_batch or message.method != "tools/call" or message.kind != "request":
            return None
        call = tool_call(message)
        if not metering.is_sql_parsed(call.arguments):
            return None
        session = self._gatekeeper.admit_at_once(incoming, body, principal)
        if session is None:
            return None
        caller = caller_of(incoming, message, principal.record, session, self._gateway_id)
        if not self.room.try_to_enter("request"):
            return None
        upstream = self.forwarding.send_at_once(incoming, principal, session, body_bytes)
        if upstream is None:
            self.room.leave("request")
            return None
        exchange.origin = incoming.origin
        begun = FastPathCall(self, exchange, incoming, principal, message, call, caller, started, upstream)
        if self.room.has_one("request"):
            begun.work_ahead()
            self._awake.poll_while(lambda: upstream.is_head_pending)
        return begun
