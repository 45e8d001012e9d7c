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
from gateway.proxy.accounting.exchange import meter_tool_response
from gateway.proxy.accounting.response_decoder import decode_tool_response
from gateway.proxy.accounting.tracked_request import track_call
from gateway.proxy.accounting.usage_events import EventIdentity, Outcome, arguments_hash, build_usage_event
from gateway.proxy.admission.admitted_request import AdmittedRequest, Caller
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.policy import check_tables
from gateway.proxy.admission.rejections import USAGE_UNAVAILABLE, Deny, RequestRejected
from gateway.proxy.downstream.connection import ClientConnection
from gateway.proxy.downstream.cors import cors_headers
from gateway.proxy.downstream.gateway_responses import deny_response
from gateway.proxy.downstream.request_context import ResponseWriter
from gateway.proxy.downstream.response import CONNECTION_CLOSE, Response, serialize_response
from gateway.proxy.error_locations import error_locations
from gateway.proxy.metrics_sink import CLIENT_CLOSED_REQUEST
from gateway.proxy.pipeline.response_delivery import downstream_head
from gateway.proxy.pipeline.upstream_request import SentRequest
from gateway.proxy.services import ProxyServices
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


class ReceivedCall(msgspec.Struct, frozen=True):
    """A call that was admitted except for its limits."""

    request: AdmittedRequest
    caller: Caller
    upstream_head: bytes
    started: float
    """Monotonic time at which the request was received."""


class FastPathCall:
    """A call that was sent upstream on the fast path."""

    __slots__ = (
        *("_call", "_caller", "_client", "_error", "_header_lines", "_identity", "_request", "_response", "_services"),
        *("_state", "_timer", "_upstream", "started"),
    )

    def __init__(
        self,
        services: ProxyServices,
        client: ClientConnection,
        received: ReceivedCall,
        permit: Permit,
        upstream: UpstreamConnection,
    ) -> None:
        self._services = services
        self._client = client
        self._request = request = received.request
        self._call = track_call(request.messages[0])
        self._caller = received.caller
        self._header_lines = permit.header_lines
        self.started = received.started
        self._state: State = "sent"
        self._identity: EventIdentity | None = None
        """Set once it is known."""
        self._response: tuple[Response, tuple[Chunk, ...], str] | None = None
        """The response to send when the usage event is durable, its bytes, and the reason for the metrics."""
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
            self._services.forwarding.sender.client_disconnected(self._sent())
        self._finish_request(CLIENT_CLOSED_REQUEST, "client_left")

    async def respond(self, writer: ResponseWriter) -> Response | None:
        """Deliver the response on the general path. Raises `RequestRejected`."""
        services = self._services
        writer.context.header_lines = self._header_lines
        try:
            if self._error is not None:
                services.forwarding.pool.release(self._upstream)
                raise self._error
            sent = self._sent()
            await services.forwarding.sender.wait_for_head(sent)
            return await services.forwarding.delivery.deliver(writer, sent)
        except RequestRejected as rejected:
            raise RequestRejected(rejected.deny, self._request.messages[0].id) from None
        finally:
            services.concurrency.release("request")

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
        head = downstream_head(upstream, self._request.head.origin)
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
        services, upstream = self._services, self._upstream
        upstream_response = upstream.response
        head = downstream_head(upstream, self._request.head.origin)
        if not upstream_response.is_complete or upstream_response.trailers or not head.is_usual:
            return False
        view = upstream.body_view()
        body = slice_view(*view)
        data = single_event_data(*view) if head.is_event_stream else body
        outcome = None if data is None else self._meter(data)
        if outcome is None:
            return False
        # The general path does not state the length of a stream of which it may replace a part.
        has_length = upstream_response.content_length is not None and not self._may_redact
        is_chunked = head.is_event_stream and not has_length
        response = Response(head=head.head, body=body, chunked=is_chunked)
        self._response = response, serialize_response(response, self._header_lines), "forwarded"
        self._settle(outcome)
        # Redis works in the meantime.
        services.forwarding.pool.release(upstream)
        return True

    def _settle(self, outcome: Outcome) -> None:
        """Settle the records, if they are limited, and record the call."""
        services, principal = self._services, self._request.principal
        assert principal is not None
        record, records = principal.record, outcome.metered.records or 0
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
            self._header_lines = settled.header_lines
            self._response = self._deny_response(settled)
        try:
            self._record(outcome)
        except Exception as error:
            log.error("a call was not recorded because of an error: %s", error_locations(error))
            self._on_durable(error)

    def _record(self, outcome: Outcome) -> None:
        """Hand over the usage event."""
        services = self._services
        clock = services.accounting.clock
        event = build_usage_event(
            self._call,
            self._caller,
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
        principal = self._request.principal
        assert principal is not None
        return principal.record.has_record_limits or principal.record.is_limited_to_tables

    def _deny_response(self, deny: Deny) -> tuple[Response, tuple[Chunk, ...], str]:
        cors = cors_headers(self._request.head.origin)
        response = deny_response(deny, self._request.messages[0].id, cors=cors)
        return response, serialize_response(response, self._header_lines), deny.reason

    def _meter(self, data: Chunk) -> Outcome | None:
        """Meter a single-result response that the key may see; return `None` for any other response."""
        meter = self._services.accounting.meter
        outcome = meter_tool_response(self._call, decode_tool_response(data), meter, len(data))
        principal = self._request.principal
        assert principal is not None
        if outcome is None or not principal.record.is_limited_to_tables:
            return outcome
        if len(data) > _MAX_CHECKED or outcome.status != "ok":
            return None
        return None if check_tables(principal.record, outcome.metered.tables or None) else outcome

    def _event_identity(self) -> EventIdentity:
        accounting = self._services.accounting
        return EventIdentity(accounting.new_event_id(accounting.clock.now_ms()), arguments_hash(self._call.arguments))

    def _on_durable(self, error: Exception | None) -> None:
        """Send the response once the usage event is durable; send 503 if `error` says that it cannot be."""
        if self._state == "ended":
            return
        self._state = "ended"
        assert self._response is not None
        if error is not None:
            self._response = self._deny_response(USAGE_UNAVAILABLE)
        response, serialized, reason = self._response
        if self._client.is_stopping:
            serialized = serialize_response(response, self._header_lines + CONNECTION_CLOSE)
        self._client.finish(*serialized)
        self._finish_request(response.head.status, reason)

    def _hand_over(self) -> None:
        """Continue on the general path."""
        self._state = "ended"
        self._stop_listening()
        self._client.hand_over(self)

    def _sent(self) -> SentRequest:
        exchange = self._services.make_exchange(self._request, self._caller, started=self.started)
        return SentRequest(self._request, self._upstream, exchange)

    def _stop_listening(self) -> None:
        self._upstream.listener = None
        if self._timer is not None:
            self._timer.cancel()

    def _finish_request(self, status: int, reason: str) -> None:
        """Release the request's place in the concurrency limit, and count the response."""
        services = self._services
        services.concurrency.release("request")
        services.metrics.answered("POST", status, reason, services.accounting.clock.monotonic() - self.started)
