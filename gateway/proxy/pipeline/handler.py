"""One request, from top to bottom.

bytes → `read_body` → `parse_body` → `Admission.admit` (which decides) → `Forwarding.send` →
`Forwarding.bring_back`, with `PendingCalls` listening → `UsageEvent` → stream.

Everything that the gateway answers by itself is a `RequestRejected` with a `Deny`, and becomes HTTP in one place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import msgspec

from gateway.protocol.message import Body
from gateway.protocol.message_parser import MalformedMessage, parse_body
from gateway.proxy.accounting.correlation import Correlation, CorrelationUnavailable
from gateway.proxy.accounting.correlation_store import IdInUse
from gateway.proxy.accounting.pending_calls import PendingCalls
from gateway.proxy.accounting.services import AccountingServices
from gateway.proxy.admission import rejections
from gateway.proxy.admission.admission import Admission
from gateway.proxy.admission.concurrency import ConcurrencyLimiter, Kind
from gateway.proxy.admission.head import Principal, RequestHead, caller_of, read_body, read_head
from gateway.proxy.admission.origins import Origins
from gateway.proxy.admission.rejections import Deny, RequestRejected, invalid
from gateway.proxy.config import ProxyConfig
from gateway.proxy.downstream import responses
from gateway.proxy.downstream.cors import cors_headers, preflight_response
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.request_context import RequestContext
from gateway.proxy.downstream.response import Response
from gateway.proxy.fast_path.fast_path import CLIENT_LEFT, FastPath, FastPathCall
from gateway.proxy.metrics_sink import ProxyMetricsSink
from gateway.proxy.pipeline.forwarding import Forwarding
from gateway.proxy.pipeline.session_registration import SessionRegistration

log = logging.getLogger(__name__)

_REFUSED = 400
"""The status from which on the upstream has not done what it was asked."""


class Handler:
    """Serves the MCP endpoint, and health."""

    def __init__(
        self,
        config: ProxyConfig,
        *,
        gatekeeper: Admission,
        forwarding: Forwarding,
        elsewhere: Correlation,
        accounting: AccountingServices,
        is_ready: Callable[[], Awaitable[bool]],
        observed: ProxyMetricsSink,
    ) -> None:
        self._config = config
        self._gatekeeper = gatekeeper
        self._forwarding = forwarding
        self._elsewhere = elsewhere
        self._accounting = accounting
        self._clock = accounting.clock
        self._is_ready = is_ready
        self._observed = observed
        self._paths = frozenset(config.proxy_paths)
        self._origins = Origins(
            bind_host=config.host,
            allowed_hosts=config.allowed_hosts,
            allowed_origins=config.allowed_origins,
            trusted_proxies=config.trusted_proxies,
        )
        self._opening = SessionRegistration(gatekeeper, forwarding)
        self._room = ConcurrencyLimiter(config.max_concurrent_requests)
        straight = FastPath(
            gatekeeper=gatekeeper,
            forwarding=forwarding,
            room=self._room,
            accounting=accounting,
            observed=observed,
            gateway_id=config.gateway_id,
            max_request_bytes=config.max_request_bytes,
            take_up=lambda call: partial(self._take_up, call),
        )
        self.begin = straight.begin
        """Begins to answer a usual call; gives `None` for what has to be served otherwise."""

    async def __call__(self, exchange: RequestContext) -> Response | None:
        """Response one HTTP request; `None` where the answer has gone out through the exchange."""
        return await self._answer(exchange, self._serve(exchange), self._clock.monotonic())

    async def _take_up(self, call: FastPathCall, exchange: RequestContext) -> Response | None:
        """Bring back the answer to what was sent on the straight way, where it is not the usual one."""
        return await self._answer(exchange, self._bring_back(call), call.started)

    async def _answer(
        self, exchange: RequestContext, serving: Coroutine[Any, Any, Response | None], started: float
    ) -> Response | None:
        reason = "forwarded"
        status = 500
        try:
            answer = await serving
            status = exchange.status if answer is None else answer.head.status
        except RequestRejected as refused:
            status, reason = refused.deny.status, refused.deny.reason
            cors = cors_headers(exchange.origin)
            answer = responses.deny_response(
                refused.deny, refused.id, cors=cors, close_connection=refused.close_connection
            )
        except (asyncio.CancelledError, ConnectionError):
            # Clients close a stream when they have what they came for; that is no failure.
            status = exchange.status or CLIENT_LEFT
            reason = "forwarded" if exchange.status else "client_left"
            raise
        finally:
            seconds = self._clock.monotonic() - started
            self._observed.answered(exchange.request.method, status, reason, seconds)
            if log.isEnabledFor(logging.DEBUG):
                method, milliseconds = exchange.request.method, seconds * 1000
                log.debug("%s answered %d (%s) in %.1f ms", method, status, reason, milliseconds)
        return answer

    def refuse(self, fault: FramingError) -> Response:
        """The answer to what is no HTTP request."""
        deny = responses.bad_framing(fault)
        self._observed.answered("", deny.status, deny.reason, 0.0)
        return responses.deny_response(deny, None, close_connection=True)

    def failed(self) -> Response:
        """The answer to a request that failed in here."""
        return responses.deny_response(rejections.INTERNAL, None, close_connection=True)

    async def _serve(self, exchange: RequestContext) -> Response | None:
        incoming = read_head(exchange, self._origins)
        is_endpoint = incoming.path in self._paths
        return await (self._serve_endpoint if is_endpoint else self._serve_probe)(exchange, incoming)

    async def _serve_probe(self, _exchange: RequestContext, incoming: RequestHead) -> Response:
        if incoming.path == "/healthz" and incoming.method in ("GET", "HEAD"):
            return responses.json_response(200, b'{"status":"alive"}')
        if incoming.path == "/readyz" and incoming.method in ("GET", "HEAD"):
            ready = await self._is_ready()
            status = "ready" if ready else "not ready"
            return responses.json_response(200 if ready else 503, msgspec.json.encode({"status": status}))
        raise RequestRejected(rejections.NOT_FOUND)

    async def _serve_endpoint(self, exchange: RequestContext, incoming: RequestHead) -> Response | None:
        if incoming.method == "OPTIONS":
            return preflight_response(incoming.origin)
        if incoming.method == "HEAD":
            return responses.json_response(200, b"")
        if incoming.method not in ("POST", "GET", "DELETE"):
            return responses.deny_response(rejections.METHOD_NOT_ALLOWED, None)
        credential = self._gatekeeper.recall(incoming) or await self._identify(incoming)
        is_listening = incoming.method == "GET"
        kind: Kind = "keyless" if isinstance(credential, Deny) else "listening" if is_listening else "request"
        self._room.enter(kind)
        try:
            if incoming.method == "POST":
                return await self._post(exchange, incoming, credential)
            return await self._get_or_delete(exchange, incoming, credential)
        finally:
            self._room.leave(kind)

    async def _identify(self, incoming: RequestHead) -> Principal | Deny:
        self._room.enter("unidentified")
        try:
            return await self._gatekeeper.identify(incoming)
        finally:
            self._room.leave("unidentified")

    async def _post(
        self, exchange: RequestContext, incoming: RequestHead, credential: Principal | Deny
    ) -> Response | None:
        is_received = exchange.request.is_received
        body_bytes = await read_body(
            exchange,
            incoming,
            max_bytes=self._config.max_request_bytes,
            timeout=self._config.request_body_timeout,
            keyless=credential if isinstance(credential, Deny) else None,
        )
        if not is_received:
            # That took its time, in which the key may have been revoked.
            credential = await self._gatekeeper.identify(incoming)
        try:
            body = parse_body(body_bytes)
        except MalformedMessage as fault:
            raise RequestRejected(invalid(str(fault), fault.code), fault.id) from None
        try:
            return await self._forward(exchange, incoming, credential, body, body_bytes)
        except RequestRejected as refused:
            raise RequestRejected(refused.deny, None if body.is_batch else body.messages[0].id) from None

    async def _forward(
        self,
        exchange: RequestContext,
        incoming: RequestHead,
        credential: Principal | Deny,
        body: Body,
        body_bytes: bytes,
    ) -> Response | None:
        principal, session = await self._gatekeeper.admit(incoming, body, credential)
        first = body.messages[0]
        is_listening = any(message.method == "subscriptions/listen" for message in body.messages)
        record = principal.record if principal else None
        incoming.is_usual = record is not None and b"expect" not in incoming.fields
        caller = caller_of(incoming, first, record, session, self._config.gateway_id)
        calls = PendingCalls(body.messages, caller, record, self._accounting, is_listening=is_listening)
        if session.endpoint:
            await self._note(calls)
            if first.method == "initialize":
                await self._opening.note(incoming.session_ids[-1], session, incoming, first, principal)
        sending = self._forwarding.send(incoming, principal, session, body_bytes, calls)
        if first.method == "initialize":
            # A session that nobody took note of could never be ended.
            sending = self._forwarding.to_the_end(self._opening.session(sending, incoming, first, principal))
        answer = await sending
        return await self._forwarding.bring_back(
            exchange,
            incoming,
            principal,
            answer,
            calls,
            is_listening=is_listening,
        )

    async def _bring_back(self, call: FastPathCall) -> Response | None:
        calls = call.calls()
        try:
            await self._forwarding.wait_for_head(call.incoming, call.upstream, calls)
            return await self._forwarding.bring_back(
                call.exchange,
                call.incoming,
                call.principal,
                call.upstream,
                calls,
                is_listening=False,
            )
        except RequestRejected as refused:
            raise RequestRejected(refused.deny, call.message.id) from None
        finally:
            self._room.leave("request")

    async def _note(self, calls: PendingCalls) -> None:
        """Note what is asked on the HTTP+SSE transport: its answer may come before the answer to the POST."""
        try:
            await self._elsewhere.register(calls, is_replayable=False)
        except IdInUse:
            raise RequestRejected(rejections.ID_IN_USE) from None
        except CorrelationUnavailable:
            raise RequestRejected(rejections.CORRELATION_UNAVAILABLE) from None

    async def _get_or_delete(
        self, exchange: RequestContext, incoming: RequestHead, credential: Principal | Deny
    ) -> Response | None:
        principal, session = await self._gatekeeper.admit_bodiless(incoming, credential)
        caller = caller_of(incoming, None, principal.record, session, self._config.gateway_id)
        is_listening = incoming.method == "GET"
        calls = PendingCalls((), caller, principal.record, self._accounting, is_listening=is_listening)
        if is_listening and incoming.text(b"last-event-id"):
            await self._forwarding.make_way(calls)
        answer = await self._forwarding.send(incoming, principal, session, b"", calls)
        is_deleted = incoming.method == "DELETE" and answer.status < _REFUSED
        try:
            return await self._forwarding.bring_back(
                exchange,
                incoming,
                principal,
                answer,
                calls,
                is_listening=is_listening,
                open_endpoint=partial(self._opening.endpoint, incoming, principal, calls) if is_listening else None,
            )
        finally:
            # A session of the HTTP+SSE transport ends with its stream.
            if is_deleted or calls.is_session_bound:
                await self._elsewhere.end_session(calls)
