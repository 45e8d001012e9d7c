"""The rejections of the gateway: status, JSON-RPC code and the text that the client reads.

A `Deny` is a value and knows nothing of HTTP responses. Code of any layer raises `RequestRejected` with one;
`gateway.proxy.downstream.gateway_responses` turns it into HTTP.

The texts that say which rule of a format was broken are where the rule is: framing in
`gateway.proxy.downstream.framing`, headers in `gateway.proxy.admission.headers` and `credentials.key_headers`, JSON and
JSON-RPC in `gateway.protocol.message_parser`. So are those of limits, in `gateway.proxy.admission.limits.status`. Those
of upstream failures (502, 504) are in the modules of `gateway.proxy.upstream`.
"""

from __future__ import annotations

import re

import msgspec

from gateway.keys.limits import Of
from gateway.keys.record import KeyRecord
from gateway.protocol.errors import DENIED, INTERNAL_ERROR, INVALID_PARAMS, INVALID_REQUEST

MAX_LISTED = 10
"""Allowed values that a message lists."""
MAX_NAME = 100
"""Characters of a name in a message."""
_PLAIN = re.compile(r"[^\s,;'\"`]+")


class Deny(msgspec.Struct, frozen=True, kw_only=True):
    """A rejection of a request, before it is forwarded or after: then its response is withheld or missing.

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
    header_lines: bytes = b""
    """Further header lines."""
    is_oauth_error: bool = False
    """True if the body is an error object of OAuth instead of JSON-RPC."""
    tool: str = ""
    """The tool of the call for which a batch was rejected, if it was for one call."""


class RequestRejected(Exception):
    """Raised to reject a request, or to withhold its response.

    `id` is the JSON-RPC id that the error object carries. `close_connection` is true where the beginning of the next
    request on the connection would be in doubt. `key` is the valid key of the request, and `tool` the tool that it
    calls; they are for the counts of rejections.
    """

    def __init__(
        self,
        deny: Deny,
        id: object = None,  # noqa: A002
        *,
        close_connection: bool = False,
        key: KeyRecord | None = None,
        tool: str = "",
    ) -> None:
        super().__init__(deny.reason)
        self.deny = deny
        self.id = id
        self.close_connection = close_connection
        self.key = key
        self.tool = tool


# Authentication and authorization.

NO_KEY = Deny(status=401, code=DENIED, message="API key required", reason="no_key", challenge='Bearer realm="mcp"')


def bad_key(reason: str) -> Deny:
    """Return the rejection of a bad API key. The response does not show what is wrong with it; only `reason` does."""
    return Deny(
        status=401,
        code=DENIED,
        message="Invalid or expired API key",
        reason=reason,
        challenge='Bearer realm="mcp", error="invalid_token"',
    )


def forbidden(message: str, reason: str) -> Deny:
    """Return the rejection of a request that a valid key may not make."""
    return Deny(status=403, code=DENIED, message=message, reason=reason)


NO_TOOL = forbidden("This API key is limited, and this call does not name a tool", "tool")


def address_not_allowed(address: str, of: Of) -> Deny:
    """Return the rejection of a client address. `of` says whose scope it is outside of, as in the functions below."""
    if of == "owner":
        return forbidden(f"The policy of this key's owner does not allow the address {_printed(address)}", "address")
    return forbidden(f"This API key may not be used from the address {_printed(address)}", "address")


def tool_not_allowed(tool: str, allowed: tuple[str, ...], of: Of) -> Deny:
    """Return the rejection of a call of a tool that no allowed glob matches."""
    if of == "owner":
        message = f"The policy of this key's owner does not allow {_printed(tool)}"
    else:
        message = f"This API key may not call {_printed(tool)}"
    return forbidden(f"{message}; allowed: {_listed(allowed)}", "tool")


def tool_not_read_only(tool: str, of: Of, *, is_known: bool) -> Deny:
    """Return the rejection of a call of a tool that is not declared as read-only, or unknown."""
    name, list_first = _printed(tool), "list the tools first (tools/list)"
    if of == "owner" and is_known:
        message = f"The policy of this key's owner does not allow {name}: it is not read-only"
    elif of == "owner":
        message = f"The policy of this key's owner does not allow {name}: it is not known to be read-only; {list_first}"
    elif is_known:
        message = f"This API key may only call read-only tools, and {name} is not one"
    else:
        message = f"This API key may only call read-only tools, and {name} is not known as one; {list_first}"
    return forbidden(message, "read_only")


def table_not_allowed(table: str, allowed: tuple[str, ...], of: Of) -> Deny:
    """Return the rejection of a call that reads a table other than the allowed ones."""
    if of == "owner":
        message = f"The policy of this key's owner does not allow the table {_printed(table)}"
    else:
        message = f"This API key may not read the table {_printed(table)}"
    return forbidden(f"{message}; allowed: {_listed(allowed)}", "table")


def tables_unknown(allowed: tuple[str, ...], of: Of) -> Deny:
    """Return the rejection of a call whose tables cannot be determined."""
    if of == "owner":
        message = "The policy of this key's owner does not allow calls whose tables cannot be known"
    else:
        message = "This API key is limited to certain tables, and the tables of this call cannot be known"
    return forbidden(f"{message}; allowed: {_listed(allowed)}", "table")


def _listed(allowed: tuple[str, ...]) -> str:
    """Return the allowed values as a list of at most `MAX_LISTED`."""
    more = f" and {len(allowed) - MAX_LISTED} more" if len(allowed) > MAX_LISTED else ""
    return (", ".join(map(_printed, allowed[:MAX_LISTED])) or "none") + more


def _printed(name: str) -> str:
    """Return a name for a message: cut, and quoted and escaped unless it is plain."""
    name = name if len(name) <= MAX_NAME else name[:MAX_NAME] + "…"
    return name if name.isprintable() and _PLAIN.fullmatch(name) else repr(name)


REDIS_UNAVAILABLE = Deny(
    status=503, code=INTERNAL_ERROR, message="Redis does not answer; try again", reason="redis", retry_after=2
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
    """Return the rejection of a malformed request, with or without a key."""
    return Deny(status=400, code=code, message=message, reason="bad_request")


def invalid_framing(message: str, status: int) -> Deny:
    """Return the rejection of bytes that are not an HTTP request."""
    return Deny(status=status, code=INVALID_REQUEST, message=message, reason="framing")


BODY_NOT_ALLOWED = invalid("A request of this method must not have a body")

NOT_FOUND = Deny(status=404, code=INVALID_REQUEST, message="Not found", reason="path")
NO_OAUTH = Deny(
    status=404,
    code=INVALID_REQUEST,
    message="This MCP server takes an API key: send the header Authorization: Bearer sk-…",
    reason="oauth",
    is_oauth_error=True,
)
"""Clients that look for an authorization server show this message to their user."""
METHOD_NOT_ALLOWED = Deny(status=405, code=INVALID_REQUEST, message="Method not allowed", reason="method")
HEAD_TOO_LARGE = Deny(
    status=431, code=INVALID_REQUEST, message="The head of the request is too large", reason="framing"
)
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
    message="The gateway cannot store pending requests right now; try again",
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

# The upstream.


def upstream_failed(status: int, phase: str, message: str) -> Deny:
    """Return the rejection of a request whose upstream failed in this phase (`gateway.proxy.upstream.errors`)."""
    return Deny(status=status, code=INTERNAL_ERROR, message=message, reason=f"upstream_{phase}")
