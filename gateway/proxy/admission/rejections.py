"""Every rejection of the gateway: status, JSON-RPC code and the text that the client reads.

A `Deny` is a value and knows nothing of HTTP responses. Code of any layer raises `RequestRejected` with one;
`gateway.proxy.downstream.gateway_responses` turns it into HTTP.

The texts of limits (429) are in `gateway.proxy.admission.limits`, those of upstream failures (502, 504) in
`gateway.proxy.upstream.errors`.
"""

from __future__ import annotations

import msgspec

from gateway.protocol.errors import DENIED, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST


class Deny(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal to forward a request; not a byte of it goes upstream.

    `reason` is for logs and metrics: one word of a small set.
    """

    status: int
    code: int
    message: str
    reason: str
    retry_after: int | None = None
    """Seconds."""
    challenge: str | None = None
    """Value of `WWW-Authenticate`."""


class RequestRejected(Exception):
    """Raised where a request is refused or its response withheld.

    `id` is the JSON-RPC id that the error object carries. `close_connection` is true where the beginning of the next
    request on the connection would be in doubt.
    """

    def __init__(self, deny: Deny, id: object = None, *, close_connection: bool = False) -> None:  # noqa: A002
        super().__init__(deny.reason)
        self.deny = deny
        self.id = id
        self.close_connection = close_connection


# Authentication and authorization.

NO_KEY = Deny(
    status=401,
    code=DENIED,
    message="API key required",
    reason="no_key",
    challenge='Bearer realm="mcp"',
)


def bad_key(reason: str) -> Deny:
    """Reject a bad API key. The response is the same whatever is wrong with the key; only `reason` differs."""
    return Deny(
        status=401,
        code=DENIED,
        message="Invalid or expired API key",
        reason=reason,
        challenge='Bearer realm="mcp", error="invalid_token"',
    )


def forbidden(message: str, reason: str) -> Deny:
    """Reject a request that a valid key has no right to make."""
    return Deny(status=403, code=DENIED, message=message, reason=reason)


KEYS_UNAVAILABLE = Deny(
    status=503,
    code=INTERNAL_ERROR,
    message="API keys cannot be checked right now",
    reason="redis",
    retry_after=2,
)
FOREIGN_HOST = Deny(
    status=421,
    code=DENIED,
    message="This gateway does not serve the Host of the request; add it to GATEWAY_ALLOWED_HOSTS",
    reason="host",
)
FOREIGN_ORIGIN = Deny(
    status=403,
    code=DENIED,
    message="Requests from this Origin are not allowed; add it to GATEWAY_ALLOWED_ORIGINS",
    reason="origin",
)

# Sessions and tasks.

NO_SUCH_SESSION = Deny(status=404, code=DENIED, message="Session not found", reason="session")
NO_SUCH_TASK = Deny(status=404, code=INVALID_PARAMS, message="Task not found", reason="task")
ID_IN_USE = Deny(
    status=400,
    code=INVALID_REQUEST,
    message="Another request with this id is still pending in the session; use a new id",
    reason="id_in_use",
)
TOO_MANY_HANDSHAKES = Deny(
    status=429,
    code=DENIED,
    message="Too many sessions were opened from this address without an API key",
    reason="handshakes",
    retry_after=60,
)

# The form of the request.


def invalid(message: str, code: int = INVALID_REQUEST) -> Deny:
    """Reject a malformed request, with or without a key."""
    return Deny(status=400, code=code, message=message, reason="bad_request")


NOT_FOUND = Deny(status=404, code=INVALID_REQUEST, message="Not found", reason="path")
METHOD_NOT_ALLOWED = Deny(status=405, code=INVALID_REQUEST, message="Method not allowed", reason="method")
TOO_LARGE = Deny(status=413, code=INVALID_REQUEST, message="The request body is too large", reason="size")
TOO_SLOW = Deny(status=408, code=INVALID_REQUEST, message="The request body took too long to arrive", reason="slow")
ENCODED_BODY = Deny(
    status=415,
    code=INVALID_REQUEST,
    message="The request body must not be compressed: only Content-Encoding identity is supported",
    reason="encoding",
)
NOT_JSON = Deny(status=415, code=INVALID_REQUEST, message="The Content-Type must be application/json", reason="type")
EXPECTATION_FAILED = Deny(
    status=417,
    code=INVALID_REQUEST,
    message="Expect: 100-continue is the only supported expectation",
    reason="expect",
)

# The state of the gateway.

OVERLOADED = Deny(
    status=503, code=INTERNAL_ERROR, message="The gateway is overloaded", reason="overload", retry_after=1
)
CORRELATION_UNAVAILABLE = Deny(
    status=503,
    code=INTERNAL_ERROR,
    message="Requests answered on another stream cannot be correlated right now",
    reason="untraceable",
    retry_after=2,
)
USAGE_UNAVAILABLE = Deny(
    status=503,
    code=INTERNAL_ERROR,
    message="Usage cannot be recorded right now, so the response is withheld",
    reason="usage",
    retry_after=5,
)
INTERNAL = Deny(status=500, code=INTERNAL_ERROR, message="Internal error", reason="internal")
