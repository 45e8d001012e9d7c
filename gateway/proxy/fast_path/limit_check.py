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
from gateway.proxy.admission.rejections import Deny
from gateway.proxy.downstream.request_context import ResponseWriter
from gateway.proxy.downstream.response import Response
from gateway.proxy.fast_path.call import FastPathCall
from gateway.proxy.fast_path.received_call import ReceivedCall
from gateway.proxy.metrics_sink import CLIENT_CLOSED_REQUEST


class LimitCheck:
    """The check of a call."""

    __slots__ = ("_is_ended", "_permit", "_received", "_send", "_sent", "started")

    def __init__(self, received: ReceivedCall, send: Callable[[ReceivedCall, Permit], FastPathCall | None]) -> None:
        """`send` sends an admitted call on an idle upstream connection; it returns `None` if there is none."""
        self._received = received
        self._send = send
        self._is_ended = False
        self._sent: FastPathCall | None = None
        self._permit: Permit | None = None
        self.started = received.started

    def start(self) -> None:
        """Check the limits."""
        received = self._received
        received.services.admission.limiter.check_call(
            received.record,
            received.tool,
            self._on_checked,
            is_alone=received.services.concurrency.is_sole("request"),
        )

    def client_disconnected(self) -> None:
        """End the call. What it has consumed is given back, also if it is admitted later."""
        if self._sent is not None:
            self._sent.client_disconnected()
            return
        if self._permit is not None:
            self._permit.cancel()
        self._is_ended = True
        self._received.end(CLIENT_CLOSED_REQUEST, "client_left")

    async def respond(self, writer: ResponseWriter) -> Response | None:
        """Send the admitted call on the general path, and deliver its response. Raises `RequestRejected`."""
        received, permit = self._received, self._permit
        assert permit is not None
        services, request = received.services, received.request
        with received.on_general_path(writer, permit.header_lines):
            exchange = services.make_exchange(request, received.caller, started=self.started)
            sent = await services.forwarding.sender.send(received.upstream_head, request, exchange, permit)
            return await services.forwarding.delivery.deliver(writer, sent)

    def _on_checked(self, outcome: Permit | Deny) -> None:
        received = self._received
        if self._is_ended:
            if isinstance(outcome, Permit):
                outcome.cancel()
        elif isinstance(outcome, Deny):
            self._is_ended = True
            received.send(received.prepare_rejection(outcome, outcome.header_lines))
        else:
            self._permit = outcome
            self._sent = self._send(received, outcome)
            if self._sent is None:
                received.client.hand_over(self)
