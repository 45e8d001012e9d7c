"""Browser clients: the headers that let a page of an allowed origin read the answers (Fetch standard, CORS)."""

from __future__ import annotations

from aiohttp import web

from gateway.proxy.answers import METHODS

_EXPOSED = "Mcp-Session-Id, WWW-Authenticate, Retry-After"
_ALLOWED = (
    "Authorization, Content-Type, Accept, Mcp-Session-Id, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID"
)
_MAX_AGE = 7200
"""Seconds that a browser may remember a preflight's answer."""


def cors_headers(origin: str | None) -> dict[str, str]:
    """What an answer carries for an origin that was found allowed; nothing for what is no browser."""
    if origin is None:
        return {}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": _EXPOSED,
        "Vary": "Origin",
    }


def preflight_answer(origin: str | None) -> web.Response:
    """The answer to OPTIONS, which needs no key."""
    answer = web.Response(status=204, headers={"Allow": METHODS, **cors_headers(origin)})
    if origin is not None:
        answer.headers["Access-Control-Allow-Methods"] = METHODS
        answer.headers["Access-Control-Allow-Headers"] = _ALLOWED
        answer.headers["Access-Control-Max-Age"] = str(_MAX_AGE)
    return answer
