"""Decides which requests take the fast path, and sends them upstream.

The rules:

- A request takes the fast path if it is complete, a single `tools/call`, and has the same head as an earlier request on
  its connection; and if its key and session are cached, its SQL is parsed and an upstream connection is idle, so that
  nothing is awaited but the check of its limits.
- Any other request takes the general path (`gateway.proxy.pipeline.handler`). Until then nothing was sent, and nothing
  was recorded.
- The head, the key, the body and the policy are checked by the functions that the general path uses. Only
  `Admission.admit_cached`, which decides without Redis, is separate.
"""

from __future__ import annotations

import logging

from gateway import metering
from gateway.event_loop.busy_poller import BusyPoller
from gateway.protocol.message_parser import MalformedMessage, parse_body
from gateway.proxy.admission.admitted_request import AdmittedRequest, caller_of
from gateway.proxy.admission.head import RequestHead
from gateway.proxy.admission.head_cache import CachedAdmission, CachedRequestHead
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.downstream.connection import ClientConnection
from gateway.proxy.downstream.request_context import SentCall
from gateway.proxy.error_locations import error_locations
from gateway.proxy.fast_path.call import FastPathCall
from gateway.proxy.fast_path.limit_check import LimitCheck
from gateway.proxy.fast_path.received_call import ReceivedCall
from gateway.proxy.services import ProxyServices

log = logging.getLogger(__name__)


class FastPath:
    """Takes requests from client connections; see `gateway.proxy.downstream.connection.FastPath`."""

    def __init__(self, services: ProxyServices) -> None:
        self._services = services
        self._gateway_id = services.config.gateway_id
        self._max_request_bytes = services.config.max_request_bytes
        self._monotonic = services.accounting.clock.monotonic
        self._poller = BusyPoller()

    def begin(
        self, connection: ClientConnection, head: CachedRequestHead, request: bytes, body_start: int
    ) -> SentCall | None:
        """Send a request upstream, or check its limits; return `None` if it must take the general path."""
        if head.admission is None or len(request) - body_start > self._max_request_bytes:
            return None
        started = self._monotonic()
        try:
            admitted = self._admit(request[body_start:], head.head, head.admission)
            if admitted is None:
                return None
            caller = caller_of(admitted, self._gateway_id, head.admission.caller)
            upstream_head = head.admission.upstream_head
            return self._start(ReceivedCall(self._services, connection, admitted, caller, upstream_head, started))
        except Exception as error:
            log.error("the fast path did not take a request because of an error: %s", error_locations(error))
            return None

    def _start(self, received: ReceivedCall) -> SentCall | None:
        """Check the limits of a request and send it; return `None` if nothing was done."""
        services = self._services
        if not services.forwarding.pool.has_idle or not services.concurrency.try_acquire("request"):
            return None
        call: SentCall | None = None
        permit = None
        try:
            permit = services.admission.limiter.admit_call_now(received.record, received.tool)
            if permit is not None:
                call = self._send(received, permit)
            else:
                check = LimitCheck(received, self._send)
                check.start()
                call = check
        finally:
            if call is None:
                services.concurrency.release("request")
                if permit is not None:
                    permit.cancel()
        return call

    def _admit(self, body: bytes, head: RequestHead, cached: CachedAdmission) -> AdmittedRequest | None:
        """Admit a request, if it is a single `tools/call` and `cached` applies to it."""
        principal = self._services.authenticator.cached_principal(head.credential)
        if principal is None:
            return None
        try:
            parsed = parse_body(body)
        except MalformedMessage:
            return None
        message = parsed.messages[0]
        if parsed.is_batch or message.method != "tools/call" or message.kind != "request":
            return None
        if not metering.is_sql_parsed(message.arguments):
            return None
        admitted = self._services.admission.admit_cached(head, body, parsed, principal)
        if admitted is None or not cached.applies_to(principal.record, admitted.session):
            return None
        return admitted

    def _send(self, received: ReceivedCall, permit: Permit) -> FastPathCall | None:
        """Send an admitted request on an idle connection; return `None` if there is none."""
        services, request = self._services, received.request
        upstream = services.forwarding.pool.try_send(received.upstream_head, request.body)
        if upstream is None:
            return None
        assert request.principal is not None
        services.admission.record_use(request.principal, received.caller)
        call = FastPathCall(received, permit, upstream)
        if services.concurrency.is_sole("request"):
            call.prepare_event()
            self._poller.poll_while(lambda: upstream.is_head_pending)
        return call
