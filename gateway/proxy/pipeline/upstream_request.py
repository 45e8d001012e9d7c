"""The request to the upstream: the admitted request with its header rebuilt."""

from __future__ import annotations

import msgspec

from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.admission.admitted_request import AdmittedRequest
from gateway.proxy.admission.head_cache import CachedAdmission
from gateway.proxy.admission.headers import ForwardedClient, UpstreamIdentity, upstream_headers
from gateway.proxy.upstream.config import UpstreamAddress
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.pool import request_head


class UpstreamRequest(msgspec.Struct, frozen=True):
    """The bytes of a request to the upstream."""

    head: bytes
    """Without `Content-Length` and the blank line."""
    body: bytes | None
    """`None` for a method without a body."""


class SentRequest(msgspec.Struct, frozen=True):
    """A request that was sent upstream, with its exchange."""

    request: AdmittedRequest
    connection: UpstreamConnection
    """Receives the response."""
    exchange: Exchange


class UpstreamRequestBuilder:
    """Builds requests to the upstream."""

    def __init__(self, address: UpstreamAddress, *, authorization: str | None, forward_identity: bool) -> None:
        """`authorization` is the upstream's own credential; `forward_identity` adds key id and owner."""
        self._address = address
        self._identity = UpstreamIdentity(
            host=address.host, authorization=authorization.encode("latin-1") if authorization else None
        )
        self._forward_identity = forward_identity

    def build(self, request: AdmittedRequest, cached: CachedAdmission | None = None) -> UpstreamRequest:
        """Build the request to forward; `cached` must apply to it."""
        body = request.body if request.head.method == "POST" else None
        return UpstreamRequest(self._head(request) if cached is None else cached.upstream_head, body)

    def build_session_end(self, session_id: str) -> UpstreamRequest:
        """Build the DELETE that ends a session."""
        headers = [(b"Host", self._identity.host), (b"Mcp-Session-Id", session_id.encode("latin-1", "replace"))]
        if self._identity.authorization:
            headers.append((b"Authorization", self._identity.authorization))
        return UpstreamRequest(request_head(b"DELETE", self._address.request_target(), headers), None)

    def _head(self, request: AdmittedRequest) -> bytes:
        head, session = request.head, request.session
        record = request.principal.record if request.principal is not None and self._forward_identity else None
        client = ForwardedClient(
            address=head.client_ip,
            scheme=head.scheme,
            host=head.host,
            key_id=record.key_id if record else None,
            owner=record.owner if record else None,
        )
        headers = upstream_headers(head.headers, self._identity, client)
        if not session.endpoint:
            target = self._address.request_target(head.query)
        else:
            # The path that the upstream announced. Admission has checked that the client's query is the announced one.
            target = session.endpoint.encode("ascii") + (b"?" + head.query if session.endpoint_query else b"")
        return request_head(head.method.encode("latin-1"), target, headers)
