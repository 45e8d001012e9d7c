"""A call on the fast path, from the request that was sent upstream to the response to the client.

The states, and the events that end them:

| state     | event                                                | next state | action                             |
| --------- | ---------------------------------------------------- | ---------- | ---------------------------------- |
| sent      | a single-result response is complete                 | recording  | hand over the usage event          |
| sent      | the same, and its records have to be settled first   | settling   | settle them                        |
| sent      | any other response, an upstream error, `_MAX_WAIT`   | ended      | hand it over to the general path   |
| sent      | an error in the gateway                              | ended      | let it fail on the general path    |
| sent      | the client disconnects                               | ended      | let the call go on detached        |
| settling  | the records are settled, or exceed a limit           | recording  | hand over the usage event          |
| settling  | the client disconnects                               | ended      | none: the event will be recorded   |
| recording | the usage event is durable                           | ended      | send the response, or 429          |
| recording | the usage event cannot be made durable               | ended      | send 503                           |
| recording | the client disconnects                               | ended      | none: the event is recorded        |

A single-result response is defined in `gateway.proxy.accounting.response_decoder.ToolResponse`; here it has at most
`_MAX_BUFFERED` bytes. As on the general path, no byte of it is sent before its usage event is durable.
"""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import Literal

import msgspec

from gateway.protocol.buffers import Chunk, slice_view
from gateway.protocol.sse_event import is_partial_single_event, single_event_data
from gateway.proxy.accounting.response_decoder import decode_tool_response
from gateway.proxy.accounting.tracked_request import track_call
from gateway.proxy.accounting.usage_events import (
    EventIdentity,
    Outcome,
    arguments_hash,
    build_usage_event,
    meter_tool_response,
)
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.policy import check_tables
from gateway.proxy.admission.rejections import USAGE_UNAVAILABLE, Deny
from gateway.proxy.downstream.request_context import ResponseWriter
from gateway.proxy.downstream.response import Response, serialize_response
from gateway.proxy.error_locations import error_locations
from gateway.proxy.fast_path.received_call import PreparedResponse, ReceivedCall
from gateway.proxy.metrics_sink import CLIENT_CLOSED_REQUEST
from gateway.proxy.pipeline.response_delivery import downstream_head
from gateway.proxy.pipeline.upstream_request import SentRequest
from gateway.proxy.upstream.connection import UpstreamConnection

log = logging.getLogger(__name__)

_MAX_BUFFERED = 256 * 1024
"""Bytes of a response up to which it is buffered until it is complete. A larger one is delivered as it arrives."""
_MAX_CHECKED = 8 * 1024
"""Bytes of a response to a key limited to tables. The decoder guesses the form of larger ones, which is good enough to
count them, but not to decide on access."""
_MAX_WAIT = 0.25
"""Seconds to wait for the end of an event stream; then fall back, since only the general path closes a stream when its
key is revoked."""

State = Literal["sent", "settling", "recording", "ended"]


class FastPathCall:
    """A call that was sent upstream on the fast path."""

    __slots__ = (
        *("_call", "_error", "_header_lines", "_identity", "_received", "_response", "_state", "_timer", "_upstream"),
        "started",
    )

    def __init__(self, received: ReceivedCall, permit: Permit, upstream: UpstreamConnection) -> None:
        self._received = received
        self._call = track_call(received.request.messages[0])
        self._header_lines = permit.header_lines
        self.started = received.started
        self._state: State = "sent"
        self._identity: EventIdentity | None = None
        """Set once it is known."""
        self._response: PreparedResponse | None = None
        """The response to send when the usage event is durable."""
        self._error: Exception | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._upstream = upstream
        upstream.listener = self._on_progress
        if permit.slots:
            upstream.on_released = permit.release

    def prepare_event(self) -> None:
        """Do part of the work for the usage event while the upstream is busy."""
        try:
            self._identity = self._event_identity()
        except Exception as error:
            # It fails the call when the response arrives.
            self._error = error

    def client_disconnected(self) -> None:
        """Let the call go on without its client, if it can be metered; otherwise end it."""
        state, self._state = self._state, "ended"
        if state not in ("settling", "recording"):
            self._stop_listening()
            self._received.services.forwarding.sender.client_disconnected(self._sent())
        self._received.end(CLIENT_CLOSED_REQUEST, "client_left")

    async def respond(self, writer: ResponseWriter) -> Response | None:
        """Deliver the response on the general path. Raises `RequestRejected`."""
        forwarding = self._received.services.forwarding
        with self._received.on_general_path(writer, self._header_lines):
            if self._error is not None:
                forwarding.pool.release(self._upstream)
                raise self._error
            sent = self._sent()
            await forwarding.sender.wait_for_head(sent)
            return await forwarding.delivery.deliver(writer, sent)

    def _on_progress(self) -> None:
        """Handle more of the response, its end, or a failure of the upstream."""
        upstream = self._upstream
        if upstream.is_head_pending:
            return
        try:
            if self._error is None and not upstream.is_finished and self._must_wait():
                return
            self._stop_listening()
            if self._error is None and self._record_single_result():
                return
        except Exception as error:
            if self._state != "sent":
                # The call is recorded, and its response is sent all the same.
                log.error("cleaning up after a recorded call failed: %s", error_locations(error))
                return
            self._error = error
        self._hand_over()

    def _must_wait(self) -> bool:
        """Return True if an incomplete response is small; for an event stream, wait up to `_MAX_WAIT`."""
        upstream = self._upstream
        if upstream.unread_bytes > _MAX_BUFFERED:
            return False
        upstream.buffer_whole()
        head = downstream_head(upstream, self._received.request.head.origin)
        if not head.is_event_stream:
            return (
                head.is_usual
                and upstream.response.content_length is not None
                and upstream.response.content_length <= _MAX_BUFFERED
            )
        if upstream.unread_bytes == 0 or not is_partial_single_event(*upstream.body_view()):
            return False
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_MAX_WAIT, self._hand_over)
        return True

    def _record_single_result(self) -> bool:
        """Hand over the usage event of a single-result response; return False for any other response."""
        upstream = self._upstream
        upstream_response = upstream.response
        head = downstream_head(upstream, self._received.request.head.origin)
        if not upstream_response.is_complete or upstream_response.trailers or not head.is_usual:
            return False
        view = upstream.body_view()
        body = slice_view(*view)
        data = single_event_data(*view) if head.is_event_stream else body
        outcome = None if data is None else self._meter(data)
        if outcome is None:
            return False
        # The general path does not state the length of a stream of which it may replace a part.
        is_chunked = head.is_event_stream and (upstream_response.content_length is None or self._may_redact)
        response, lines = Response(head=head.head, body=body, chunked=is_chunked), self._header_lines
        self._response = PreparedResponse(response, lines, None, serialize_response(response, lines))
        self._settle(outcome)
        # Redis works in the meantime.
        self._received.services.forwarding.pool.release(upstream)
        return True

    def _settle(self, outcome: Outcome) -> None:
        """Settle the records, if they are limited, and record the call."""
        services, record, records = self._received.services, self._received.record, outcome.metered.records or 0
        limiter = services.admission.limiter
        if not record.has_record_limits or limiter.settle_now(record, records):
            self._record(outcome)
            return
        self._state = "settling"
        is_sole = services.concurrency.is_sole("request")
        limiter.check_records(record, records, partial(self._on_settled, outcome), is_alone=is_sole)

    def _on_settled(self, outcome: Outcome, settled: Permit | Deny) -> None:
        """Record a call whose records are settled; if they exceed a limit, refuse its result."""
        if isinstance(settled, Deny):
            outcome = msgspec.structs.replace(outcome, status="denied")
            self._response = self._received.prepare_rejection(settled, settled.header_lines)
        try:
            self._record(outcome)
        except Exception as error:
            log.error("a call was not recorded because of an error: %s", error_locations(error))
            self._on_durable(error)

    def _record(self, outcome: Outcome) -> None:
        """Hand over the usage event."""
        services = self._received.services
        clock = services.accounting.clock
        event = build_usage_event(
            self._call,
            self._received.caller,
            self._identity or self._event_identity(),
            outcome,
            created_at=clock.now_ms(),
            duration_ms=round((clock.monotonic() - self.started) * 1000, 3),
        )
        services.admission.limiter.count_records(event.key_id, event.record_count)
        is_sole = services.concurrency.is_sole("request")
        services.usage.submit_callback(event, self._on_durable, is_alone=is_sole)
        if self._state != "ended":
            self._state = "recording"

    @property
    def _may_redact(self) -> bool:
        record = self._received.record
        return record.has_record_limits or record.is_limited_to_tables or record.is_limited_to_tools

    def _meter(self, data: Chunk) -> Outcome | None:
        """Meter a single-result response that the key may see; return `None` for any other response."""
        meter, record = self._received.services.accounting.meter, self._received.record
        outcome = meter_tool_response(self._call, decode_tool_response(data), meter, len(data))
        if outcome is None or not record.is_limited_to_tables:
            return outcome
        if len(data) > _MAX_CHECKED or outcome.status != "ok":
            return None
        return None if check_tables(record, outcome.metered.tables or None) else outcome

    def _event_identity(self) -> EventIdentity:
        accounting = self._received.services.accounting
        return EventIdentity(accounting.new_event_id(accounting.clock.now_ms()), arguments_hash(self._call.arguments))

    def _on_durable(self, error: Exception | None) -> None:
        """Send the response once the usage event is durable; send 503 if `error` says that it cannot be."""
        if self._state == "ended":
            return
        self._state = "ended"
        assert self._response is not None
        if error is not None:
            self._response = self._received.prepare_rejection(USAGE_UNAVAILABLE, self._response.header_lines)
        self._received.send(self._response)

    def _hand_over(self) -> None:
        """Continue on the general path."""
        self._state = "ended"
        self._stop_listening()
        self._received.client.hand_over(self)

    def _sent(self) -> SentRequest:
        received = self._received
        exchange = received.services.make_exchange(received.request, received.caller, started=self.started)
        return SentRequest(received.request, self._upstream, exchange)

    def _stop_listening(self) -> None:
        self._upstream.listener = None
        if self._timer is not None:
            self._timer.cancel()
