"""The request to the upstream: the admitted request with its header rebuilt."""

from __future__ import annotations

import msgspec

from gateway.proxy.accounting.exchange import Exchange
from gateway.proxy.admission.admitted_request import AdmittedRequest
from gateway.proxy.admission.headers import ForwardedClient, UpstreamIdentity, upstream_headers
from gateway.proxy.upstream.config import UpstreamAddress
from gateway.proxy.upstream.connection import UpstreamConnection
from gateway.proxy.upstream.pool import request_head


class SentRequest(msgspec.Struct, frozen=True):
    """A request that was sent upstream, with its exchange."""

    request: AdmittedRequest
    connection: UpstreamConnection
    """Receives the response."""
    exchange: Exchange


class UpstreamRequestBuilder:
    """Builds the heads of requests to the upstream, without `Content-Length` and the blank line."""

    def __init__(self, address: UpstreamAddress, *, authorization: str | None, forward_identity: bool) -> None:
        """`authorization` is the upstream's own credential; `forward_identity` adds key id and owner."""
        self._address = address
        self._identity = UpstreamIdentity(
            host=address.host, authorization=authorization.encode("latin-1") if authorization else None
        )
        self._forward_identity = forward_identity

    def session_end_head(self, session_id: str) -> bytes:
        """Return the head of the DELETE that ends a session."""
        headers = [(b"Host", self._identity.host), (b"Mcp-Session-Id", session_id.encode("latin-1", "replace"))]
        if self._identity.authorization:
            headers.append((b"Authorization", self._identity.authorization))
        return request_head(b"DELETE", self._address.request_target(), headers)

    def head(self, request: AdmittedRequest) -> bytes:
        """Return the head of the request to forward."""
        head, session = request.head, request.session
        record = request.principal.record if request.principal is not None and self._forward_identity else None
        client = ForwardedClient(
            address=head.client_ip,
            scheme=head.scheme,
            host=head.host,
            key_id=record.key_id if record else None,
            owner=record.owner if record else None,
        )
        headers = upstream_headers(head.headers, head.secrets, self._identity, client)
        if not session.endpoint:
            target = self._address.request_target(head.query)
        else:
            # The path that the upstream announced. Admission has checked that the client's query is the announced one.
            target = session.endpoint.encode("ascii") + (b"?" + head.query if session.endpoint_query else b"")
        return request_head(head.method.encode("latin-1"), target, headers)
