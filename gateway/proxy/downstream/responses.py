"""Where a `Deny` becomes HTTP; the one place that shapes the gateway's own answers."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.protocol.errors import INTERNAL_ERROR, INVALID_REQUEST, error_body
from gateway.proxy.admission.rejections import Deny
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.response import Response, head
from gateway.proxy.upstream.errors import UpstreamError

METHODS = b"GET, POST, DELETE, HEAD, OPTIONS"
_SERVER = (b"Server", b"mcp-gateway")
_JSON = (b"Content-Type", b"application/json; charset=utf-8")


def bad_framing(fault: FramingError) -> Deny:
    """What is said to a request that is none."""
    return Deny(status=fault.status, code=INVALID_REQUEST, message=str(fault), reason="framing")


def upstream_failure(failure: UpstreamError) -> Deny:
    """502 or 504, by the phase in which the upstream failed."""
    return Deny(status=failure.status, code=INTERNAL_ERROR, message=str(failure), reason=f"upstream_{failure.phase}")


def deny_response(
    deny: Deny,
    id: object,  # noqa: A002
    *,
    cors: Sequence[tuple[bytes, bytes]] = (),
    close_connection: bool = False,
) -> Response:
    """The HTTP answer of a refusal: a JSON-RPC error object with the request's id."""
    headers = list(cors)
    if deny.challenge is not None:
        headers.append((b"WWW-Authenticate", deny.challenge.encode()))
    if deny.retry_after is not None:
        headers.append((b"Retry-After", b"%d" % deny.retry_after))
    if deny.status == 405:
        headers.append((b"Allow", METHODS))
    return json_response(
        deny.status, error_body(id, deny.code, deny.message), *headers, close_connection=close_connection
    )


def json_response(status: int, json: bytes, *headers: tuple[bytes, bytes], close_connection: bool = False) -> Response:
    """An answer of the gateway's own, in JSON."""
    return Response(head=head(status, None, [_SERVER, _JSON, *headers]), body=json, close_connection=close_connection)
