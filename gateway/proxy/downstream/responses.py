"""Where a `Deny` becomes HTTP; the one place that shapes the gateway's own answers."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.protocol.errors import DENIED, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST, error_body
from gateway.proxy.admission.policy import Deny
from gateway.proxy.downstream.framing import FramingError
from gateway.proxy.downstream.response import Response, head
from gateway.proxy.upstream.errors import UpstreamError

NOT_FOUND = Deny(status=404, code=INVALID_REQUEST, message="Not found", reason="path")
NO_SUCH_SESSION = Deny(status=404, code=DENIED, message="Session not found", reason="session")
ID_IN_USE = Deny(
    status=400,
    code=INVALID_REQUEST,
    message="A request with this id waits for its answer in this session",
    reason="id_in_use",
)
NO_SUCH_TASK = Deny(status=404, code=INVALID_PARAMS, message="Task not found", reason="task")
FOREIGN_HOST = Deny(
    status=421,
    code=DENIED,
    message="This gateway does not answer for that Host; see GATEWAY_ALLOWED_HOSTS",
    reason="host",
)
FOREIGN_ORIGIN = Deny(
    status=403,
    code=DENIED,
    message="Requests from that Origin are not allowed; see GATEWAY_ALLOWED_ORIGINS",
    reason="origin",
)
TOO_LARGE = Deny(status=413, code=INVALID_REQUEST, message="The request body is too large", reason="size")
TOO_SLOW = Deny(status=408, code=INVALID_REQUEST, message="The request body took too long", reason="slow")
ENCODED_BODY = Deny(
    status=415,
    code=INVALID_REQUEST,
    message="Content-Encoding other than identity is not taken",
    reason="encoding",
)
NOT_JSON = Deny(status=415, code=INVALID_REQUEST, message="The Content-Type must be application/json", reason="type")
EXPECTATION_FAILED = Deny(status=417, code=INVALID_REQUEST, message="Only 100-continue is expected", reason="expect")
OVERLOADED = Deny(
    status=503, code=INTERNAL_ERROR, message="The gateway is overloaded", reason="overload", retry_after=1
)
KEYS_UNAVAILABLE = Deny(
    status=503,
    code=INTERNAL_ERROR,
    message="API keys cannot be checked at the moment",
    reason="redis",
    retry_after=2,
)
UNTRACEABLE = Deny(
    status=503,
    code=INTERNAL_ERROR,
    message="What is asked here and answered on another stream cannot be kept apart at the moment",
    reason="untraceable",
    retry_after=2,
)
USAGE_UNAVAILABLE = Deny(
    status=503,
    code=INTERNAL_ERROR,
    message="Usage cannot be recorded at the moment, so the answer is withheld",
    reason="usage",
    retry_after=5,
)
TOO_MANY_HANDSHAKES = Deny(
    status=429,
    code=DENIED,
    message="Too many sessions were opened without an API key from this address",
    reason="handshakes",
    retry_after=60,
)

METHOD_NOT_ALLOWED = Deny(status=405, code=INVALID_REQUEST, message="Method not allowed", reason="method")
INTERNAL = Deny(status=500, code=INTERNAL_ERROR, message="Internal error", reason="internal")

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
