"""The general path: one handler that serves every HTTP request.

`Handler` routes to the probes, OPTIONS and the MCP endpoint. On this path, it is the one place that turns a
`RequestRejected` into a response, and that counts responses; the fast path counts those that it sends itself.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from gateway.proxy.admission import rejections
from gateway.proxy.admission.head import RequestHead, check_body_allowed, read_head
from gateway.proxy.admission.head_cache import CachedRequestHead
from gateway.proxy.admission.origins import Origins
from gateway.proxy.admission.rejections import RequestRejected
from gateway.proxy.downstream import gateway_responses
from gateway.proxy.downstream.cors import cors_headers, options_response
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.request_context import RequestContext
from gateway.proxy.downstream.response import Response
from gateway.proxy.metrics_sink import CLIENT_CLOSED_REQUEST
from gateway.proxy.pipeline.mcp_endpoint import METHODS, McpEndpoint
from gateway.proxy.services import ProxyServices

log = logging.getLogger(__name__)


class Handler:
    """Serves the MCP endpoint and the health probes."""

    def __init__(self, services: ProxyServices, is_ready: Callable[[], Awaitable[bool]]) -> None:
        """`is_ready` answers `/readyz`."""
        config = services.config
        self._endpoint = McpEndpoint(services)
        self._is_ready = is_ready
        self._metrics = services.metrics
        self._monotonic = services.accounting.clock.monotonic
        self._paths = frozenset(config.proxy_paths)
        self._origins = Origins(
            bind_host=config.host,
            allowed_hosts=config.allowed_hosts,
            allowed_origins=config.allowed_origins,
            trusted_proxies=config.trusted_proxies,
        )

    async def __call__(self, context: RequestContext) -> Response | None:
        """Serve one request: return the response, or send it through the context and return `None`."""
        return await self.respond(context, self._serve(context), self._monotonic())

    def begin(self, context: RequestContext) -> None:
        """Serve no request without a task: that is what the fast path adds."""

    async def respond(
        self, context: RequestContext, serving: Coroutine[Any, Any, Response | None], started: float
    ) -> Response | None:
        """Await `serving`, turn a `RequestRejected` into a response, and count the outcome.

        `started` is the monotonic time at which the request was received.
        """
        reason = "forwarded"
        status = 500
        try:
            response = await serving
            status = context.status if response is None else response.head.status
        except RequestRejected as rejected:
            status, reason = rejected.deny.status, rejected.deny.reason
            response = gateway_responses.deny_response(
                rejected.deny,
                rejected.id,
                cors=cors_headers(context.origin),
                close_connection=rejected.close_connection,
            )
        except (asyncio.CancelledError, ConnectionError):
            # Not a failure: clients close a stream when they have what they need.
            status = context.status or CLIENT_CLOSED_REQUEST
            reason = "forwarded" if context.status else "client_left"
            raise
        finally:
            seconds = self._monotonic() - started
            self._metrics.answered(context.request.method, status, reason, seconds)
            if log.isEnabledFor(logging.DEBUG):
                method, milliseconds = context.request.method, seconds * 1000
                log.debug("%s: status %d (%s) after %.1f ms", method, status, reason, milliseconds)
        return response

    def refuse(self, error: FramingError) -> Response:
        """Return the response to bytes that are not an HTTP request."""
        deny = gateway_responses.framing_deny(error)
        self._metrics.answered("", deny.status, deny.reason, 0.0)
        return gateway_responses.deny_response(deny, None, close_connection=True)

    def failed(self) -> Response:
        """Return the response to a request that failed because of an error in the gateway."""
        return gateway_responses.deny_response(rejections.INTERNAL, None, close_connection=True)

    async def _serve(self, context: RequestContext) -> Response | None:
        head = self._head_of(context)
        check_body_allowed(head, context.request.content_length)
        if head.path not in self._paths:
            return await self._serve_probe(head)
        if head.method == "OPTIONS":
            return options_response(head.origin)
        if head.method == "HEAD":
            return gateway_responses.json_response(200, b"")
        if head.method not in METHODS:
            return gateway_responses.deny_response(rejections.METHOD_NOT_ALLOWED, None)
        return await self._endpoint.serve(context, head)

    def _head_of(self, context: RequestContext) -> RequestHead:
        """Return the head of a request, from the connection's cache if its last request had the same."""
        request, cached = context.request, context.head_cache
        if cached is None or not cached.matches(request.method, request.target, request.headers):
            head = read_head(request.method, request.target, request.headers, context.peer, self._origins)
            cached = CachedRequestHead(head)
            context.head_cache = cached if request.is_cacheable else None
        context.origin = cached.head.origin
        return cached.head

    async def _serve_probe(self, head: RequestHead) -> Response:
        if head.path == "/healthz" and head.method in ("GET", "HEAD"):
            return gateway_responses.json_response(200, b'{"status":"alive"}')
        if head.path == "/readyz" and head.method in ("GET", "HEAD"):
            is_ready = await self._is_ready()
            status = "ready" if is_ready else "not ready"
            return gateway_responses.json_response(200 if is_ready else 503, msgspec.json.encode({"status": status}))
        raise RequestRejected(rejections.NOT_FOUND)
