"""Browser clients: the headers that let a page of an allowed origin read the answers (Fetch standard, CORS)."""

from __future__ import annotations

from gateway.proxy.downstream.response import Response, head
from gateway.proxy.downstream.responses import METHODS

_EXPOSED = b"Mcp-Session-Id, WWW-Authenticate, Retry-After"
_ALLOWED = (
    b"Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID"
)
_MAX_AGE = 7200
"""Seconds that a browser may remember a preflight's answer."""


def cors_headers(origin: bytes | None) -> list[tuple[bytes, bytes]]:
    """What an answer carries for an origin that was found allowed; nothing for what is no browser."""
    if origin is None:
        return []
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Expose-Headers", _EXPOSED),
        (b"Vary", b"Origin"),
    ]


def preflight_response(origin: bytes | None) -> Response:
    """The answer to OPTIONS, which needs no key."""
    headers = [(b"Allow", METHODS), *cors_headers(origin)]
    if origin is not None:
        headers += [
            (b"Access-Control-Allow-Methods", METHODS),
            (b"Access-Control-Allow-Headers", _ALLOWED),
            (b"Access-Control-Max-Age", b"%d" % _MAX_AGE),
        ]
    return Response(head=head(204, None, headers))
