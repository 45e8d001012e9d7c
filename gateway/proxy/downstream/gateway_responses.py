"""Responses that the gateway makes itself: the only place that turns a `Deny` into HTTP.

The response to OPTIONS is in `gateway.proxy.downstream.cors`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from gateway.protocol.errors import error_body
from gateway.proxy.admission.rejections import Deny
from gateway.proxy.downstream.response import Response, serialize_head

METHODS = b"GET, POST, DELETE, HEAD, OPTIONS"
_SERVER = (b"Server", b"mcp-gateway")
_JSON = (b"Content-Type", b"application/json; charset=utf-8")


def deny_response(
    deny: Deny,
    id: object,  # noqa: A002
    *,
    cors: Sequence[tuple[bytes, bytes]] = (),
    close_connection: bool = False,
) -> Response:
    """Return the response to a rejected request: a JSON-RPC error object with the request's id, or one of OAuth."""
    headers = list(cors)
    if deny.challenge is not None:
        headers.append((b"WWW-Authenticate", deny.challenge.encode()))
    if deny.retry_after is not None:
        headers.append((b"Retry-After", b"%d" % deny.retry_after))
    if deny.status == 405:
        headers.append((b"Allow", METHODS))
    if deny.is_oauth_error:
        body = msgspec.json.encode({"error": "invalid_request", "error_description": deny.message})
    else:
        body = error_body(id, deny.code, deny.message)
    return json_response(deny.status, body, *headers, close_connection=close_connection)


def json_response(status: int, json: bytes, *headers: tuple[bytes, bytes], close_connection: bool = False) -> Response:
    """Return a response with a JSON body."""
    return Response(
        head=serialize_head(status, None, [_SERVER, _JSON, *headers]), body=json, close_connection=close_connection
    )
