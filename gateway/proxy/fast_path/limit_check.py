"""A call on the fast path while its limits are checked in Redis, before it is sent upstream.

| event                                              | action                                           |
| -------------------------------------------------- | ------------------------------------------------ |
| it is admitted, and an upstream connection is idle | send it, and continue as a `FastPathCall`        |
| it is admitted, and no connection is idle          | hand it over to the general path, which sends it |
| it is refused                                      | send 429, or 503 if Redis is unavailable         |
| the client disconnects                             | give back what it has consumed                   |
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.rejections import Deny, RequestRejected
from gateway.proxy.downstream.connection import ClientConnection
from gateway.proxy.downstream.cors import cors_headers
from gateway.proxy.downstream.gateway_responses import deny_response
from gateway.proxy.downstream.request_context import ResponseWriter
from gateway.proxy.downstream.response import CONNECTION_CLOSE, Response, serialize_response
from gateway.proxy.fast_path.call import FastPathCall, ReceivedCall
from gateway.proxy.metrics_sink import CLIENT_CLOSED_REQUEST
from gateway.proxy.services import ProxyServices


class LimitCheck:
    """The check of a call. It holds the request's place in the worker's concurrency limit until the call continues."""

    __slots__ = ("_client", "_is_ended", "_permit", "_received", "_send", "_sent", "_services", "started")

    def __init__(
        self,
        services: ProxyServices,
        client: ClientConnection,
        received: ReceivedCall,
        send: Callable[[ClientConnection, ReceivedCall, Permit], FastPathCall | None],
    ) -> None:
        """`send` sends an admitted call on an idle upstream connection; it returns `None` if there is none."""
        self._services = services
        self._client = client
        self._received = received
        self._send = send
        self._is_ended = False
        self._sent: FastPathCall | None = None
        self._permit: Permit | None = None
        self.started = received.started

    def start(self) -> None:
        """Check the limits."""
        request, services = self._received.request, self._services
        assert request.principal is not None
        services.admission.limiter.check_call(
            request.principal.record,
            request.messages[0].tool or "",
            self._on_checked,
            is_alone=services.concurrency.is_sole("request"),
        )

    def client_disconnected(self) -> None:
        """End the call. What it has consumed is given back, also if it is admitted later."""
        if self._sent is not None:
            self._sent.client_disconnected()
            return
        if self._permit is not None:
            self._permit.cancel()
        self._finish_request(CLIENT_CLOSED_REQUEST, "client_left")

    async def respond(self, writer: ResponseWriter) -> Response | None:
        """Send the admitted call on the general path, and deliver its response. Raises `RequestRejected`."""
        services, received, permit = self._services, self._received, self._permit
        assert permit is not None
        writer.context.header_lines = permit.header_lines
        try:
            exchange = services.make_exchange(received.request, received.caller, started=self.started)
            sent = await services.forwarding.sender.send(received.upstream_head, received.request, exchange, permit)
            return await services.forwarding.delivery.deliver(writer, sent)
        except RequestRejected as rejected:
            raise RequestRejected(rejected.deny, received.request.messages[0].id) from None
        finally:
            services.concurrency.release("request")

    def _on_checked(self, outcome: Permit | Deny) -> None:
        if self._is_ended:
            if isinstance(outcome, Permit):
                outcome.cancel()
        elif isinstance(outcome, Deny):
            self._refuse(outcome)
        else:
            self._permit = outcome
            self._sent = self._send(self._client, self._received, outcome)
            if self._sent is None:
                self._client.hand_over(self)

    def _refuse(self, deny: Deny) -> None:
        request = self._received.request
        response = deny_response(deny, request.messages[0].id, cors=cors_headers(request.head.origin))
        lines = deny.header_lines + (CONNECTION_CLOSE if self._client.is_stopping else b"")
        self._client.finish(*serialize_response(response, lines))
        self._finish_request(deny.status, deny.reason)

    def _finish_request(self, status: int, reason: str) -> None:
        services = self._services
        self._is_ended = True
        services.concurrency.release("request")
        services.metrics.answered("POST", status, reason, services.accounting.clock.monotonic() - self.started)
