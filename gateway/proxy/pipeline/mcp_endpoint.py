"""The MCP endpoint: POST, GET and DELETE, from admission to the delivery of the response.

One POST, from top to bottom: the key's `Authenticator` → `BodyReader.read` → `parse_body` → `Admission.admit` (policy,
limits, session) → `UpstreamRequestBuilder.head` → `UpstreamSender.send` → `ResponseDelivery.deliver`, during which
`Exchange` inspects the response and usage events are recorded.
"""

from __future__ import annotations

from functools import partial

from aiohttp import web

from gateway.protocol.message_parser import MalformedMessage, parse_body
from gateway.proxy.accounting.correlation import CorrelationUnavailable
from gateway.proxy.accounting.correlation_store import IdInUse
from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.admission.admitted_request import AdmittedRequest, Caller, Principal, caller_of
from gateway.proxy.admission.concurrency import RequestType
from gateway.proxy.admission.head import RequestHead
from gateway.proxy.admission.head_cache import CachedAdmission, CachedRequestHead
from gateway.proxy.admission.limits.permit import Permit
from gateway.proxy.admission.rejections import CORRELATION_UNAVAILABLE, ID_IN_USE, Deny, RequestRejected, invalid
from gateway.proxy.downstream.request_context import RequestContext, ResponseWriter
from gateway.proxy.downstream.response import Response
from gateway.proxy.pipeline.request_body import BodyReader
from gateway.proxy.pipeline.upstream_request import SentRequest
from gateway.proxy.services import ProxyServices

METHODS = frozenset({"POST", "GET", "DELETE"})
_FAILED_STATUS = 400
"""The lowest status with which the upstream did not do what it was asked."""


class McpEndpoint:
    """Serves the MCP endpoint."""

    def __init__(self, services: ProxyServices) -> None:
        self._services = services
        self._authenticator = services.authenticator
        self._wrong_keys = services.wrong_keys
        self._admission = services.admission
        self._concurrency = services.concurrency
        config = services.config
        self._gateway_id = config.gateway_id
        self._bodies = BodyReader(max_bytes=config.max_request_bytes, timeout=config.request_body_timeout)

    async def serve(self, request: web.BaseRequest, writer: ResponseWriter, head: RequestHead) -> Response | None:
        """Serve one of `METHODS`: return the response, or send it and return `None`. Raises `RequestRejected`."""
        credential = self._authenticator.cached_principal(head.credential) or await self._authenticate(head)
        is_listening = head.method == "GET"
        type_: RequestType = "keyless" if isinstance(credential, Deny) else "listening" if is_listening else "request"
        self._concurrency.acquire(type_)
        try:
            if head.method == "POST":
                return await self._post(request, writer, head, credential)
            return await self._get_or_delete(writer, head, credential)
        except RequestRejected as rejected:
            rejected.deny = await self._wrong_keys.throttled(rejected.deny, head.client_ip)
            rejected.key = None if isinstance(credential, Deny) else credential.record
            raise
        finally:
            self._concurrency.release(type_)

    async def _authenticate(self, head: RequestHead) -> Principal | Deny:
        self._concurrency.acquire("key_lookup")
        try:
            return await self._authenticator.authenticate(head.credential)
        finally:
            self._concurrency.release("key_lookup")

    async def _post(
        self, request: web.BaseRequest, writer: ResponseWriter, head: RequestHead, credential: Principal | Deny
    ) -> Response | None:
        was_received = writer.context.is_received
        body = await self._bodies.read(request, writer, head, credential if isinstance(credential, Deny) else None)
        if not was_received:
            # The key may have been revoked while the body arrived.
            credential = await self._authenticator.authenticate(head.credential)
        try:
            parsed = parse_body(body)
        except MalformedMessage as error:
            raise RequestRejected(invalid(str(error), error.code), error.id) from None
        is_listening = any(message.method == "subscriptions/listen" for message in parsed.messages)
        try:
            admitted, permit = await self._admission.admit(head, body, parsed, credential)
            writer.context.header_lines = permit.header_lines
            try:
                caller, upstream_head = self._prepare(writer.context, admitted)
                self._record_use(admitted, caller)
                exchange = self._services.make_exchange(admitted, caller, is_listening=is_listening)
                if admitted.session.endpoint:
                    await self._register_calls(exchange, permit)
            except BaseException:
                permit.cancel()
                raise
            sent = await self._send(upstream_head, admitted, exchange, permit)
            return await self._services.forwarding.delivery.deliver(writer, sent, is_listening=is_listening)
        except RequestRejected as rejected:
            id_ = None if parsed.is_batch else parsed.messages[0].id
            raise RequestRejected(rejected.deny, id_, tool=rejected.deny.tool or parsed.only_tool) from None

    async def _send(
        self, upstream_head: bytes, request: AdmittedRequest, exchange: Exchange, permit: Permit
    ) -> SentRequest:
        """Send a POST, and wait for the head of its response; register the session that an `initialize` opens."""
        forwarding, session = self._services.forwarding, request.session
        is_initialize = request.messages[0].method == "initialize"
        if is_initialize and session.endpoint:
            await forwarding.registration.register(request.head.session_ids[-1], session, request)
        sending = forwarding.sender.send(upstream_head, request, exchange, permit)
        if is_initialize:
            # It goes on without its client: a session that was opened but not registered could never be ended.
            sending = forwarding.detached_calls.run_to_completion(forwarding.registration.initialize(sending, request))
        return await sending

    def _prepare(self, context: RequestContext, request: AdmittedRequest) -> tuple[Caller, bytes]:
        """Return the caller and the head to forward, cached for the next request with the same head."""
        head, principal, session = request.head, request.principal, request.session
        cached = context.cached_head.admission if context.cached_head is not None else None
        if cached is not None and (principal is None or not cached.applies_to(principal.record, session)):
            cached = None
        caller = caller_of(request, self._gateway_id, cached.caller if cached is not None else None)
        upstream_head = self._services.forwarding.requests.head(request) if cached is None else cached.upstream_head
        is_new = cached is None or cached.caller is not caller
        if is_new and principal is not None and not head.expects_continue:
            admission = CachedAdmission(principal, session, caller, upstream_head)
            context.remember_head(CachedRequestHead(head, admission))
        return caller, upstream_head

    def _record_use(self, request: AdmittedRequest, caller: Caller) -> None:
        if request.principal is not None:
            self._admission.record_use(request.principal, caller)

    async def _register_calls(self, exchange: Exchange, permit: Permit) -> None:
        """Register calls of the HTTP+SSE transport: their responses may arrive before the response to the POST."""
        correlation = self._services.forwarding.correlation
        exchange.lend_slots(permit, self._admission.limiter.lend_slots)
        try:
            await correlation.register(exchange, is_replayable=False)
        except BaseException as error:
            correlation.abandon(exchange)
            if isinstance(error, IdInUse):
                raise RequestRejected(ID_IN_USE) from None
            if isinstance(error, CorrelationUnavailable):
                raise RequestRejected(CORRELATION_UNAVAILABLE) from None
            raise

    async def _get_or_delete(
        self, writer: ResponseWriter, head: RequestHead, credential: Principal | Deny
    ) -> Response | None:
        forwarding = self._services.forwarding
        request, permit = await self._admission.admit_bodiless(head, credential)
        writer.context.header_lines = permit.header_lines
        is_listening = head.method == "GET"
        caller = caller_of(request, self._gateway_id)
        self._record_use(request, caller)
        exchange = self._services.make_exchange(request, caller, is_listening=is_listening)
        if is_listening and head.fields.get(b"last-event-id") and exchange.scope is not None and exchange.has_session:
            await forwarding.detached_calls.release_stream(exchange.scope)
        sent = await forwarding.sender.send(forwarding.requests.head(request), request, exchange, permit)
        is_deleted = head.method == "DELETE" and sent.connection.response.status < _FAILED_STATUS
        rewrite_endpoint = (
            partial(forwarding.registration.rewrite_endpoint, request, exchange) if is_listening else None
        )
        try:
            return await forwarding.delivery.deliver(
                writer, sent, is_listening=is_listening, rewrite_endpoint=rewrite_endpoint
            )
        finally:
            # A session of the HTTP+SSE transport ends with its stream.
            if is_deleted or exchange.is_session_bound:
                await forwarding.correlation.end_session(exchange)
