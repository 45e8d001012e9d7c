"""Decides which requests take the fast path, and sends them upstream.

The rules:

- A request takes the fast path if it is complete, a single `tools/call`, and has the same head as an earlier request on
  its connection; and if its key and session are cached and an upstream connection is idle, so that nothing is awaited.
- Any other request takes the general path (`gateway.proxy.pipeline.handler`), with nothing sent upstream. The use of
  its key may have been recorded; the general path records it again.
- The head, the key, the body and the policy are checked by the functions that the general path uses. Only
  `Admission.admit_cached`, which decides without Redis, is separate.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from gateway import metering
from gateway.event_loop.busy_poller import BusyPoller
from gateway.protocol.message_parser import MalformedMessage, parse_body
from gateway.proxy.admission.admitted_request import AdmittedRequest, caller_of
from gateway.proxy.admission.head import RequestHead
from gateway.proxy.admission.head_cache import CachedAdmission
from gateway.proxy.admission.rejections import INTERNAL
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.request_context import RequestContext
from gateway.proxy.downstream.response import Response
from gateway.proxy.fast_path.call import FastPathCall, FastPathServices
from gateway.proxy.pipeline.handler import Handler
from gateway.proxy.services import ProxyServices
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.usage.producer.stream import UsageStream


class FastPath:
    """Serves requests: those of the fast path itself, all others through the general path."""

    def __init__(self, general_path: Handler, services: ProxyServices, usage: UsageStream) -> None:
        self._general_path = general_path
        self._services = services
        self._call_services = FastPathServices(services, usage, general_path)
        self._gateway_id = services.config.gateway_id
        self._max_request_bytes = services.config.max_request_bytes
        self._poller = BusyPoller()

    def __call__(self, context: RequestContext) -> Coroutine[Any, Any, Response | None]:
        """Serve a request on the general path."""
        return self._general_path(context)

    def refuse(self, error: FramingError) -> Response:
        """Return the response to bytes that are not an HTTP request."""
        return self._general_path.refuse(error)

    def failed(self) -> Response:
        """Return the response to a request that failed because of an error in the gateway."""
        return self._general_path.failed()

    def begin(self, context: RequestContext) -> FastPathCall | None:
        """Send a request upstream on the fast path; return `None` if it must take the general path."""
        started = self._services.accounting.clock.monotonic()
        try:
            return self._begin(context, started)
        except Exception:
            # The connection logs it and fails the call.
            seconds = self._services.accounting.clock.monotonic() - started
            self._services.metrics.answered(context.request.method, INTERNAL.status, INTERNAL.reason, seconds)
            raise

    def _begin(self, context: RequestContext, started: float) -> FastPathCall | None:
        request, cached = context.request, context.head_cache
        if cached is None or cached.admission is None:
            return None
        if not cached.matches(request.method, request.target, request.headers):
            return None
        admitted = self._admit(request.whole_body(), cached.head, cached.admission)
        if admitted is None:
            return None
        caller = caller_of(admitted, self._gateway_id, cached.admission.caller)
        connection = self._send(admitted, cached.admission)
        if connection is None:
            return None
        context.origin = cached.head.origin
        call = FastPathCall(self._call_services, context, admitted, caller, connection, started)
        if self._services.concurrency.is_sole("request"):
            call.prepare_event()
            self._poller.poll_while(lambda: connection.is_head_pending)
        return call

    def _admit(self, body: bytes, head: RequestHead, cached: CachedAdmission) -> AdmittedRequest | None:
        """Admit a request, if it is a single `tools/call` and `cached` applies to it."""
        principal = self._services.authenticator.cached_principal(head.credential)
        if principal is None or len(body) > self._max_request_bytes:
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

    def _send(self, request: AdmittedRequest, cached: CachedAdmission) -> UpstreamConnection | None:
        """Send a request on an idle connection, and count it as in flight; return `None` if that is impossible now."""
        services = self._services
        if not services.concurrency.try_acquire("request"):
            return None
        connection = None
        try:
            connection = services.forwarding.sender.try_send(services.forwarding.requests.build(request, cached))
        finally:
            if connection is None:
                services.concurrency.release("request")
        return connection
