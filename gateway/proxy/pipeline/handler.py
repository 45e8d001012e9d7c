"""The general path: one aiohttp handler that serves every HTTP request.

`Handler.handle` routes to the health probes, OPTIONS and the MCP endpoint. It is the one place that turns a
`RequestRejected` or an error in the gateway into a response, and that counts responses; the fast path counts those that
it sends itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import hdrs, web

from gateway.proxy.admission import rejections
from gateway.proxy.admission.credentials.key_headers import KeyHeaders
from gateway.proxy.admission.head import RequestHead, check_body_allowed, read_head
from gateway.proxy.admission.head_cache import CachedRequestHead
from gateway.proxy.admission.origins import Origins
from gateway.proxy.admission.rejections import Deny, RequestRejected
from gateway.proxy.downstream import gateway_responses
from gateway.proxy.downstream.cors import cors_headers, is_preflight, options_response
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.request_context import ClientDisconnected, RequestContext, ResponseWriter
from gateway.proxy.downstream.response import Response
from gateway.proxy.downstream.routes import Routes
from gateway.proxy.error_locations import error_locations
from gateway.proxy.metrics_sink import CLIENT_CLOSED_REQUEST
from gateway.proxy.pipeline.mcp_endpoint import METHODS, McpEndpoint
from gateway.proxy.readiness import Readiness
from gateway.proxy.services import ProxyServices
from gateway.refused_hosts import RefusedHosts

log = logging.getLogger(__name__)

_CONTENT_LENGTH = b"content-length"


class Handler:
    """Serves the MCP endpoint and the health probes."""

    def __init__(self, services: ProxyServices, readiness: Callable[[], Awaitable[Readiness]]) -> None:
        """`readiness` answers `/readyz`."""
        config = services.config
        self._endpoint = McpEndpoint(services)
        self._readiness = readiness
        self._metrics = services.metrics
        self._denials = services.denials
        self._monotonic = services.accounting.clock.monotonic
        self._routes = Routes(config.proxy_paths)
        self._refused_hosts = RefusedHosts(log)
        self._key_headers = KeyHeaders(config.key_headers)
        self._origins = Origins(
            bind_host=config.host,
            allowed_hosts=config.allowed_hosts,
            allowed_origins=config.allowed_origins,
            trusted_proxies=config.trusted_proxies,
            public_url=config.public_url,
            is_tls=config.tls_cert is not None,
        )

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Serve one request, and count its response."""
        context = RequestContext.of(request)
        writer = ResponseWriter(request, context)
        call = context.take_call()
        started = self._monotonic() if call is None else call.started
        reason = "forwarded"
        try:
            try:
                response = await (self._serve(request, writer) if call is None else call.respond(writer))
            except RequestRejected as rejected:
                reason = rejected.deny.reason
                self._denials.count(rejected.deny, rejected.key, rejected.tool)
                if rejected.deny is rejections.FOREIGN_HOST:
                    self._refused_hosts.warn(request.headers.get(hdrs.HOST, ""))
                response = _rejection(rejected.deny, rejected.id, context, close_connection=rejected.close_connection)
            except (asyncio.CancelledError, ClientDisconnected):
                raise
            except Exception as error:
                log.error("a request failed within the gateway: %s", error_locations(error))
                reason = rejections.INTERNAL.reason
                response = _rejection(rejections.INTERNAL, None, context, close_connection=True)
            if response is not None and not writer.status:
                await writer.send(response)
        except (asyncio.CancelledError, ClientDisconnected) as end:
            # Not a failure: clients close a stream when they have what they need.
            if not writer.status:
                reason = "client_left"
            if isinstance(end, asyncio.CancelledError):
                raise
        finally:
            status, seconds = writer.status or CLIENT_CLOSED_REQUEST, self._monotonic() - started
            self._metrics.answered(request.method, status, reason, seconds)
            log.debug("%s: status %d (%s) after %.1f ms", request.method, status, reason, seconds * 1000)
        return writer.finish()

    def framing_response(self, error: FramingError) -> Response:
        """Count a request with invalid framing, and return the response to it."""
        deny = rejections.invalid_framing(str(error), error.status)
        self._metrics.answered("", deny.status, deny.reason, 0.0)
        return gateway_responses.deny_response(deny, None, close_connection=True)

    async def _serve(self, request: web.BaseRequest, writer: ResponseWriter) -> Response | None:
        """Return the response, or send it and return `None`. Raises `RequestRejected`."""
        head = self._head_of(request, writer.context)
        check_body_allowed(head, request.content_length)
        if not self._routes.is_endpoint(head.path):
            return await self._serve_other(head)
        if head.method == hdrs.METH_OPTIONS:
            return options_response(head.origin, head.fields)
        if head.method == hdrs.METH_HEAD:
            return gateway_responses.json_response(200, b"")
        if head.method not in METHODS:
            raise RequestRejected(rejections.METHOD_NOT_ALLOWED)
        return await self._endpoint.serve(request, writer, head)

    def _head_of(self, request: web.BaseRequest, context: RequestContext) -> RequestHead:
        """Return the head of a request, remembered from an earlier request with the same bytes if there was one."""
        if context.cached_head is None:
            headers = tuple(
                (name, value.rstrip(b" \t")) for name, value in request.raw_headers if name.lower() != _CONTENT_LENGTH
            )
            head = read_head(
                request.method, request.raw_path, headers, request.remote or "", self._origins, self._key_headers
            )
            context.remember_head(CachedRequestHead(head))
            return head
        return context.cached_head.head

    async def _serve_other(self, head: RequestHead) -> Response:
        if head.path == "/healthz" and head.method in ("GET", "HEAD"):
            return gateway_responses.json_response(200, b'{"status":"alive"}')
        if head.path == "/readyz" and head.method in ("GET", "HEAD"):
            readiness = await self._readiness()
            return gateway_responses.json_response(200 if readiness.is_ready else 503, msgspec.json.encode(readiness))
        if not self._routes.is_oauth_probe(head.path):
            raise RequestRejected(rejections.NOT_FOUND)
        if is_preflight(head.method, head.fields):
            return options_response(head.origin, head.fields)
        raise RequestRejected(rejections.NO_OAUTH)


def _rejection(deny: Deny, id_: object, context: RequestContext, *, close_connection: bool) -> Response:
    if deny.header_lines:
        context.header_lines = deny.header_lines
    origin = context.cached_head.head.origin if context.cached_head is not None else None
    return gateway_responses.deny_response(deny, id_, cors=cors_headers(origin), close_connection=close_connection)
