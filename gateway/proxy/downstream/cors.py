"""CORS: the response fields that let a browser page of an allowed origin read responses (Fetch standard)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.proxy.downstream.gateway_responses import METHODS
from gateway.proxy.downstream.response import Response, serialize_head

MAX_REQUESTED_HEADERS = 32
"""Header names that a preflight may ask for; one that asks for more is granted none."""
_EXPOSED_HEADERS = b"Mcp-Session-Id, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy"
_ALLOWED_HEADERS = (
    b"Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID"
)
"""Granted to a preflight that asks for no names."""
_MAX_AGE = 7200
"""Seconds that a browser may cache the response to a preflight."""
_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")


def cors_headers(origin: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the fields of a response to a page of an allowed origin; none if the request states no origin."""
    if origin is None:
        return []
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Expose-Headers", _EXPOSED_HEADERS),
        (b"Vary", b"Origin"),
    ]


def is_preflight(method: str, fields: Mapping[bytes, bytes]) -> bool:
    """Return True for a browser's question whether a page may make a request; `fields` are by lower-case name."""
    return method == "OPTIONS" and b"origin" in fields and b"access-control-request-method" in fields


def options_response(origin: bytes | None, fields: Mapping[bytes, bytes]) -> Response:
    """Return the response to an OPTIONS request, a preflight or another one; it needs no API key.

    `gateway.proxy.pipeline.handler` sends it. The other responses of the gateway are in `gateway_responses`.
    """
    headers = [(b"Allow", METHODS), *cors_headers(origin)]
    if origin is not None:
        headers += [(b"Access-Control-Allow-Methods", METHODS), (b"Access-Control-Max-Age", b"%d" % _MAX_AGE)]
        if granted := _granted_headers(fields):
            headers.append((b"Access-Control-Allow-Headers", granted))
        if fields.get(b"access-control-request-private-network") == b"true":
            headers.append((b"Access-Control-Allow-Private-Network", b"true"))
    return Response(head=serialize_head(204, None, headers))


def _granted_headers(fields: Mapping[bytes, bytes]) -> bytes:
    """Return the names that a preflight asks for; empty if they are too many, or if one is not a token."""
    requested = fields.get(b"access-control-request-headers")
    if requested is None:
        return _ALLOWED_HEADERS
    names = [name for part in requested.split(b",") if (name := part.strip(b" \t"))]
    if len(names) > MAX_REQUESTED_HEADERS or not all(map(_TOKEN.fullmatch, names)):
        return b""
    return b", ".join(names)
