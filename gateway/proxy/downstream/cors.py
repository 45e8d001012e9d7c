"""CORS: the response fields that let a browser page of an allowed origin read responses (Fetch standard)."""

from __future__ import annotations

from gateway.proxy.downstream.gateway_responses import METHODS
from gateway.proxy.downstream.response import Response, serialize_head

_EXPOSED_HEADERS = b"Mcp-Session-Id, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy"
_ALLOWED_HEADERS = (
    b"Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID"
)
_MAX_AGE = 7200
"""Seconds that a browser may cache the response to a preflight."""


def cors_headers(origin: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the fields of a response to a page of an allowed origin; none if the request states no origin."""
    if origin is None:
        return []
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Expose-Headers", _EXPOSED_HEADERS),
        (b"Vary", b"Origin"),
    ]


def options_response(origin: bytes | None) -> Response:
    """Return the response to an OPTIONS request, a preflight or another one; it needs no API key.

    `gateway.proxy.pipeline.handler` sends it. The other responses of the gateway are in `gateway_responses`.
    """
    headers = [(b"Allow", METHODS), *cors_headers(origin)]
    if origin is not None:
        headers += [
            (b"Access-Control-Allow-Methods", METHODS),
            (b"Access-Control-Allow-Headers", _ALLOWED_HEADERS),
            (b"Access-Control-Max-Age", b"%d" % _MAX_AGE),
        ]
    return Response(head=serialize_head(204, None, headers))
