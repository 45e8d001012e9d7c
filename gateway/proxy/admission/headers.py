"""Header rules of both directions. Headers are rebuilt from these rules, never copied and patched.

Requests: fields of the client are forwarded, except

- hop-by-hop fields and those named in `Connection` (RFC 9110, section 7.6.1), lengths, `Host`, `Accept-Encoding`;
- credentials and cookies, and any field that contains a key of the client;
- fields that identify the client, and forwarding fields, which are set anew;
- fields by which the upstream would serve another request than the one that was checked.

A field that is not forwarded is not forwarded under another spelling either: servers read `_`, and some `.`, as `-`.

Responses: fields of the upstream are sent to the client, except

- hop-by-hop fields and lengths;
- CORS and rate limits, which are those of the gateway;
- credentials and challenges, which concern the gateway (a 401 or 403 that is passed on keeps its challenge);
- addresses: the client must not follow them round the gateway;
- state that a browser would keep for the gateway's own origin, and instructions to the proxy in front of the gateway;
- the name of the server software.

Pure: does no I/O.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence

import msgspec

RawHeaders = Sequence[tuple[bytes, bytes]]

_HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        b"http2-settings",
    }
)
_IDENTITY_FIELDS = frozenset(
    b"x-mcp-" + name
    for name in (
        *(b"key-id", b"key-name", b"owner", b"user", b"user-id", b"user-name", b"username", b"user-email", b"email"),
        *(b"identity", b"principal", b"subject", b"tenant", b"tenant-id", b"role", b"roles", b"group", b"groups"),
        *(b"scope", b"scopes", b"client-ip"),
    )
)
"""Listed by name, because servers also read settings from `X-MCP-*` (`X-MCP-Readonly`, `X-MCP-Toolsets`)."""
_OVERRIDES = frozenset(
    {
        *(b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-original-method"),
        *(b"x-original-url", b"x-original-uri", b"x-rewrite-url", b"x-override-url", b"x-envoy-original-path"),
        *(b"x-original-host", b"x-http-host-override", b"x-host"),
    }
)
"""Fields by which some frameworks serve another method, path or host than those of the request."""
_DROPPED_UPSTREAM = (
    _HOP_BY_HOP
    | _IDENTITY_FIELDS
    | _OVERRIDES
    | {
        *(b"host", b"content-length", b"accept-encoding", b"expect", b"origin"),
        *(b"authorization", b"proxy-authorization", b"cookie"),
        *(b"forwarded", b"x-real-ip", b"x-client-ip", b"true-client-ip"),
    }
)
_DROPPED_PREFIXES_UPSTREAM = (
    b"x-forwarded-",
    *(b"remote-", b"x-remote-", b"x-auth-request-", b"x-authenticated-", b"x-webauth-", b"x-authentik-"),
    *(b"x-pomerium-", b"x-vouch-", b"x-consumer-", b"x-goog-authenticated-user-", b"x-goog-iap-", b"x-amzn-oidc-"),
    *(b"x-ms-client-principal", b"x-ms-token-", b"cf-access-", b"tailscale-user-"),
    *(b"ssl-client-", b"x-ssl-client-", b"x-client-cert", b"x-client-dn"),
)
"""Prefixes of the fields in which authenticating proxies identify the client; here, the gateway does."""
_CHALLENGE = b"www-authenticate"
_DROPPED_TO_CLIENT = (_HOP_BY_HOP - {b"trailer"}) | {
    *(b"content-length", b"timing-allow-origin", b"ratelimit", b"ratelimit-policy"),
    *(_CHALLENGE, b"authentication-info", b"proxy-authenticate", b"proxy-authentication-info"),
    *(b"location", b"content-location", b"refresh", b"link", b"alt-svc", b"sourcemap"),
    *(b"report-to", b"reporting-endpoints", b"nel"),
    *(b"set-cookie", b"set-cookie2", b"strict-transport-security", b"public-key-pins", b"expect-ct"),
    *(b"clear-site-data", b"accept-ch", b"critical-ch", b"service-worker-allowed"),
    *(b"x-sendfile", b"x-lighttpd-send-file", b"x-reproxy-url"),
    *(b"server", b"x-powered-by"),
}
_DROPPED_PREFIXES_TO_CLIENT = (b"access-control-", b"x-accel-")
_SESSION_ID_FIELD = b"mcp-session-id"
_UNIQUE = frozenset(
    {
        *(b"host", b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"origin"),
        *(b"authorization", b"mcp-session-id", b"mcp-protocol-version", b"mcp-method", b"mcp-name"),
        *(b"last-event-id", b"expect"),
    }
)
"""Fields that decisions depend on: each may occur once, in its standard spelling."""
_ASCII = _UNIQUE - {b"mcp-method", b"mcp-name", b"last-event-id"}
"""Fields in which a reader might strip non-ASCII characters as white space."""
_PROTOCOL_FIELDS = (_UNIQUE | {b"accept"}) - {
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"authorization",
    b"expect",
}
"""Fields of the protocol. A client cannot have them dropped by naming them in `Connection`."""
TO_HYPHEN = bytes.maketrans(b"_.", b"--")
"""Translates the characters of names that servers read as a hyphen."""
_SESSION_ID = re.compile(rb"[!-~]+")
_MAX_CACHED_NAME_LENGTH = 64
"""Maximum bytes of a cached field name."""


class UpstreamIdentity(msgspec.Struct, frozen=True):
    """The fields by which the gateway addresses the upstream."""

    host: bytes
    """The upstream's own `host:port`."""
    authorization: bytes | None
    """The upstream's credential (`GATEWAY_UPSTREAM_AUTHORIZATION`)."""


class ForwardedClient(msgspec.Struct, frozen=True):
    """The client, as described to the upstream."""

    address: str
    scheme: str
    host: str
    key_id: str | None = None
    """Set if `GATEWAY_FORWARD_IDENTITY` is on, as is `owner`."""
    owner: str | None = None


class HeaderError(ValueError):
    """Two readers could disagree on a request's header fields; the message names the field."""


def check_request_headers(headers: RawHeaders) -> dict[bytes, bytes]:
    """Return the header values by lower-case name; values of a repeated field are joined with commas.

    Raises `HeaderError` if a field that decisions depend on is repeated, malformed, or spelled ambiguously.
    """
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _UNIQUE:
            if lower in fields:
                raise HeaderError(f"The header {lower.decode('latin-1')} occurs twice")
            if lower in _ASCII and not (value.isascii() and b"\t" not in value):
                raise HeaderError(f"The header {lower.decode('latin-1')} is not plain ASCII")
        elif lower in fields:
            value = fields[lower] + b", " + value
        elif (b"_" in lower or b"." in lower) and lower.translate(TO_HYPHEN) in _UNIQUE:
            raise HeaderError(f"A header could be mistaken for {lower.translate(TO_HYPHEN).decode('latin-1')}")
        fields[lower] = value
    _check_framing(fields)
    session_id = fields.get(b"mcp-session-id")
    if session_id is not None and not _SESSION_ID.fullmatch(session_id):
        raise HeaderError("Mcp-Session-Id is not visible ASCII")
    return fields


def _check_framing(fields: dict[bytes, bytes]) -> None:
    if b"transfer-encoding" in fields:
        if b"content-length" in fields:
            raise HeaderError("The request has both Content-Length and Transfer-Encoding")
        if fields[b"transfer-encoding"].strip(b" ").lower() != b"chunked":
            raise HeaderError("The only supported Transfer-Encoding is chunked")


def upstream_headers(
    headers: RawHeaders, secrets: Sequence[bytes], upstream: UpstreamIdentity, client: ForwardedClient
) -> list[tuple[bytes, bytes]]:
    """Return the header fields of the request to the upstream, without its length and without `secrets`."""
    dropped = _named_in_connection(headers)
    fields = [(b"Host", upstream.host)]
    accepts = False
    for name, value in headers:
        lower = _forwarded_name(name) if len(name) <= _MAX_CACHED_NAME_LENGTH else _forwarded_name.__wrapped__(name)
        if not lower or lower in dropped or any(secret in value for secret in secrets):
            continue
        if lower == b"accept":
            accepts = True
            value = _completed_accept(value)
        fields.append((name, value))
    if not accepts:
        fields.append((b"Accept", b"application/json, text/event-stream"))
    fields.append((b"Accept-Encoding", b"identity"))
    if upstream.authorization is not None:
        fields.append((b"Authorization", upstream.authorization))
    fields.append((b"X-Forwarded-For", client.address.encode("latin-1", "replace")))
    fields.append((b"X-Forwarded-Proto", client.scheme.encode()))
    fields.append((b"X-Forwarded-Host", client.host.encode("latin-1", "replace")))
    if client.key_id is not None:
        fields.append((b"X-MCP-Key-Id", client.key_id.encode()))
    if client.owner is not None:
        fields.append((b"X-MCP-Owner", client.owner.encode()))
    return fields


@functools.lru_cache(maxsize=1024)
def _forwarded_name(name: bytes) -> bytes:
    """Return the name in lower case; empty if a field of that name is not forwarded."""
    lower = name.lower()
    canonical = lower.translate(TO_HYPHEN)
    return b"" if canonical in _DROPPED_UPSTREAM or canonical.startswith(_DROPPED_PREFIXES_UPSTREAM) else lower


def client_headers(headers: RawHeaders, status: int = 0) -> list[tuple[bytes, bytes]]:
    """Return the header fields of the response to the client, without its length; also for trailers."""
    dropped = _named_in_connection(headers)
    fields: list[tuple[bytes, bytes]] = []
    has_session_id = False
    for name, value in headers:
        lower = name.lower()
        if lower == _CHALLENGE and status in (401, 403):
            fields.append((name, value))
        elif lower == _SESSION_ID_FIELD:
            # Repeated ones are the same: `gateway.proxy.upstream.response_check` rejects others.
            if not has_session_id:
                fields.append((name, value.partition(b", ")[0]))
            has_session_id = True
        elif (
            lower not in _DROPPED_TO_CLIENT
            and lower not in dropped
            and not lower.startswith(_DROPPED_PREFIXES_TO_CLIENT)
        ):
            fields.append((name, value))
    return fields


def _named_in_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    if not any(len(name) == 10 and name.lower() == b"connection" for name, _ in headers):
        return frozenset()
    named = [
        token.strip().lower() for name, value in headers if name.lower() == b"connection" for token in value.split(b",")
    ]
    return frozenset(named) - _PROTOCOL_FIELDS


def _completed_accept(value: bytes) -> bytes:
    """Expand `*/*`, curl's default, because the SDKs' servers look for both media types by name."""
    if value.strip() == b"*/*":
        return b"application/json, text/event-stream"
    return value
